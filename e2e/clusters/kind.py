"""Clusters in Docker, by kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clusters import binaries, commands, contexts, places, steps
from clusters.providers import Profile, Unsupported

BUSYBOX = "localhost/busybox:1"
# The same tools from the registry, which machines with Docker reach.
BUSYBOX_SOURCE = "busybox:1.37"
CONFIG = places.CONFIGS / "kind.yaml"


@dataclass(frozen=True)
class KindCluster:
    """A cluster that is a container."""

    name: str

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig of a cluster-admin."""
        return places.state(f"{self.name}-kind", "admin.kubeconfig")

    def kubectl(self, *args: str | Path, stdin: str | None = None) -> str:
        """What kubectl wrote to its standard output."""
        target = f"--kubeconfig={self.kubeconfig}"
        return commands.run(binaries.tool("kubectl"), target, *args, stdin=stdin)

    def build_image(
        self,
        context: Path,
        dockerfile: Path,
        ref: str,
        build_args: Mapping[str, str] | None = None,
    ) -> str:
        """The key of the image; Docker's own cache sees what has changed."""
        arguments = [f"--build-arg={name}={value}" for name, value in (build_args or {}).items()]
        log = places.cache("logs", "docker-build.log")
        command = ("docker", "build", "--tag", ref, "--file", str(dockerfile), *arguments)
        with steps.step(f"Building the image {ref}", "about 1 min where a lot changed"):
            commands.run_logged(*command, context, log=log)
        return contexts.key(context, dockerfile, build_args or {})

    def load_image(self, ref: str) -> None:
        """Give the image to the node."""
        with steps.step(f"Loading the image {ref} into the node"):
            commands.run(*_kind("load", "docker-image", ref, "--name", _named(self.name)))

    def stop(self) -> None:
        """Delete the container and all in it."""
        with steps.step(f"Stopping the cluster {self.name}"):
            commands.run(*_kind("delete", "cluster", "--name", _named(self.name)))
        self.kubeconfig.unlink(missing_ok=True)
        self.kubeconfig.parent.rmdir()


class KindProvider:
    """Starts clusters in Docker."""

    name = "kind"

    def start(
        self, name: str, profile: Profile = Profile.FULL, simulated_nodes: int = 0
    ) -> KindCluster:
        """The cluster of that name, running."""
        if profile is not Profile.FULL or simulated_nodes:
            raise Unsupported(["a cluster without a real node in kind: use the provider `local`"])
        cluster = self.find(name)
        if cluster is None or not _healthy(cluster):
            cluster = KindCluster(name)
            self._create(cluster)
        return cluster

    def _create(self, cluster: KindCluster) -> None:
        cluster.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        with steps.step(f"Starting the cluster {cluster.name}", "about 1 min after a download"):
            commands.run(*_kind("delete", "cluster", "--name", _named(cluster.name)))
            commands.run(*creation(_named(cluster.name), cluster.kubeconfig))
        commands.run("docker", "pull", BUSYBOX_SOURCE)
        commands.run("docker", "tag", BUSYBOX_SOURCE, BUSYBOX)
        cluster.load_image(BUSYBOX)

    def find(self, name: str) -> KindCluster | None:
        """The cluster of that name if there is one."""
        running = commands.run(*_kind("get", "clusters")).split()
        return KindCluster(name) if _named(name) in running else None

    def describe(self, name: str) -> str:
        """Its condition, and where its logs are."""
        cluster = self.find(name)
        if cluster is None:
            return f"There is no cluster {name}."
        condition = "ready" if _healthy(cluster) else "not ready"
        logs = f"kind export logs --name {_named(name)}"
        lines = [f"Cluster {name} in Docker: {condition}", f"  logs: {logs}"]
        return "\n".join([*lines, f"  kubeconfig: {cluster.kubeconfig}"])


def creation(name: str, kubeconfig: Path) -> tuple[str, ...]:
    """The command that creates a cluster."""
    files = ("--config", str(CONFIG), "--kubeconfig", str(kubeconfig))
    return _kind("create", "cluster", "--name", name, *files, "--wait", "180s")


def _kind(*args: str) -> tuple[str, ...]:
    return (str(binaries.tool("kind")), *args)


def _named(name: str) -> str:
    # Not in the way of clusters that the developer has made for other purposes.
    return f"buildstate-{name}"


def _healthy(cluster: KindCluster) -> bool:
    try:
        return cluster.kubectl("get", "--raw", "/readyz") == "ok"
    except commands.CommandFailed:
        return False
