"""Where everything of one local cluster is: files, addresses, ports, processes."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from clusters import places, slots
from clusters.certificates import Authority
from clusters.processes import Processes
from clusters.providers import Profile


@dataclass(frozen=True)
class Layout:
    """One cluster's directory, and what follows from its slot and profile."""

    directory: Path
    slot: int
    profile: Profile

    @staticmethod
    def claim(name: str, profile: Profile) -> "Layout":
        """The layout of a new cluster."""
        directory = places.state(name)
        slot = slots.claim(directory)
        (directory / "profile").write_text(profile)
        return Layout(directory, slot, profile)

    @staticmethod
    def find(name: str) -> "Layout | None":
        """The layout of a cluster that was started, whatever has become of it."""
        directory = places.state(name)
        try:
            slot = int((directory / "slot").read_text())
            return Layout(directory, slot, Profile((directory / "profile").read_text()))
        except (FileNotFoundError, ValueError):
            return None

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.directory.name

    @property
    def address(self) -> str:
        """Where the API server listens: nobody outside this machine gets there."""
        full = self.profile is Profile.FULL
        return slots.node_address(self.slot) if full else "127.0.0.1"

    @property
    def server(self) -> str:
        """The address of the API server."""
        return f"https://{self.address}:{self.port('apiserver')}"

    def port(self, name: str) -> int:
        """The port of one component."""
        return slots.port(self.slot, name)

    @property
    def authority(self) -> Authority:
        """What signs this cluster's certificates."""
        return Authority(self.directory / "certificates")

    def kubeconfig(self, user: str = "admin") -> Path:
        """The kubeconfig of one user."""
        return self.directory / f"{user}.kubeconfig"

    @property
    def processes(self) -> Processes:
        """The processes, which start in the node's namespaces once there are some."""
        entry = self.directory / "entry.json"
        words = json.loads(entry.read_text()) if entry.exists() else []
        return Processes(self.directory, tuple(words))

    def enter(self, *words: str) -> None:
        """Start and run everything from now on through this command."""
        (self.directory / "entry.json").write_text(json.dumps(words))

    def config(self, template: str, **values: object) -> Path:
        """A configuration file, filled in from its template."""
        text = (places.CONFIGS / template).read_text()
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        file = self.directory / template
        file.write_text(text)
        return file

    def remove(self) -> None:
        """Forget the cluster, and free its slot."""
        shutil.rmtree(self.directory, ignore_errors=True)
        if self.directory.exists():
            shutil.rmtree(self.directory)
