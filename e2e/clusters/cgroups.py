"""The control groups of a node's Pods, which no namespace takes away by itself."""

import contextlib
import os
from pathlib import Path

from clusters.processes import wait_until

CONTROLLERS = "+cpu +cpuset +memory +pids"


def create(name: str) -> None:
    """Make the group in every hierarchy of the machine."""
    for root in _hierarchies():
        with contextlib.suppress(OSError):
            # Version 2 only; the mixed hierarchy has no controllers to delegate.
            (root / "cgroup.subtree_control").write_text(CONTROLLERS)
        (root / name).mkdir(exist_ok=True)


def remove(name: str) -> None:
    """Remove the group and all below it, as soon as the last process has left it."""
    groups = [root / name for root in _hierarchies()]
    wait_until(lambda: all(_removed(group) for group in groups), f"control groups {name}", 30)


def _hierarchies() -> list[Path]:
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return [Path(mount[1]) for mount in mounts if mount[2] in ("cgroup", "cgroup2")]


def _removed(group: Path) -> bool:
    for directory, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(directory).rmdir()
    return not group.exists()
