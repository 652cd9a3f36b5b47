"""The interface of clusters: what a provider starts, and what one can do with it."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Profile(StrEnum):
    """How much of a cluster is wanted."""

    FULL = "full"
    """A node that runs Pods, and a default StorageClass that binds claims."""
    CONTROL_PLANE = "control-plane"
    """API server, controller manager and scheduler only; simulated nodes on request."""


class Unsupported(RuntimeError):
    """This machine lacks something; the message names each thing and what to do."""

    def __init__(self, lacking: list[str]) -> None:
        self.lacking = lacking
        super().__init__("This machine lacks:\n" + "\n".join(f"  - {thing}" for thing in lacking))


class Cluster(Protocol):
    """A running cluster."""

    @property
    def name(self) -> str:
        """The name it was started under."""

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig of a cluster-admin (group system:masters)."""

    def kubectl(self, *args: str | Path, stdin: str | None = None) -> str:
        """What kubectl wrote to its standard output; raises CommandFailed with its error."""

    def build_image(
        self,
        context: Path,
        dockerfile: Path,
        ref: str,
        build_args: Mapping[str, str] | None = None,
    ) -> str:
        """The key of the image built; nothing is built where nothing has changed."""

    def load_image(self, ref: str) -> None:
        """Make an image that was built here known to the node; at once where it is already."""

    def stop(self) -> None:
        """Stop the cluster and leave nothing behind."""


class Provider(Protocol):
    """A way to run clusters on this machine."""

    @property
    def name(self) -> str:
        """`kind` or `local`."""

    def start(
        self, name: str, profile: Profile = Profile.FULL, simulated_nodes: int = 0
    ) -> Cluster:
        """The cluster of that name, running: the one that runs already, or a new one."""

    def find(self, name: str) -> Cluster | None:
        """The cluster of that name if there is one, in whatever condition."""

    def describe(self, name: str) -> str:
        """Its condition, and where its logs are, for people."""
