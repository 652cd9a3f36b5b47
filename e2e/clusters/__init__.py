"""Real Kubernetes clusters for tests, benchmarks and the demo, on one developer's machine."""

from clusters.binaries import tool, tools
from clusters.choices import choose
from clusters.commands import CommandFailed
from clusters.providers import Cluster, Profile, Provider, Unsupported

__all__ = [
    "Cluster",
    "CommandFailed",
    "Profile",
    "Provider",
    "Unsupported",
    "choose",
    "tool",
    "tools",
]
