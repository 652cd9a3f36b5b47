"""Clusters on this very Linux machine, from real components and without Docker."""

import json
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clusters import (
    binaries,
    controlplanes,
    endpoints,
    images,
    nodes,
    packages,
    places,
    steps,
    volumes,
)
from clusters.layouts import Layout
from clusters.providers import Profile, Unsupported


@dataclass(frozen=True)
class LocalCluster:
    """A cluster whose processes this provider started."""

    layout: Layout

    @property
    def name(self) -> str:
        """The name it was started under."""
        return self.layout.name

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig of a cluster-admin."""
        return self.layout.kubeconfig()

    def kubectl(self, *args: str | Path, stdin: str | None = None) -> str:
        """What kubectl wrote to its standard output."""
        return endpoints.kubectl(self.layout, *args, stdin=stdin)

    def build_image(
        self,
        context: Path,
        dockerfile: Path,
        ref: str,
        build_args: Mapping[str, str] | None = None,
    ) -> str:
        """The key of the image, built unless nothing has changed."""
        packages.ensure(packages.NODE)
        return images.build(ref, context, dockerfile, build_args or {})

    def load_image(self, ref: str) -> None:
        """Import the image into the node, unless it is there."""
        key, archive = images.built(ref)
        record = self.layout.directory / "images.json"
        loaded = json.loads(record.read_text()) if record.exists() else {}
        if loaded.get(ref) != key:
            with steps.step(f"Loading the image {ref} into the node", "about 10 s for 150 MB"):
                nodes.import_image(self.layout, archive)
            record.write_text(json.dumps({**loaded, ref: key}))

    def stop(self) -> None:
        """End every process, and remove all that they leave."""
        with places.locked(_lock(self.name)), steps.step(f"Stopping the cluster {self.name}"):
            # It may have been started anew since, under the same name in another slot.
            layout = Layout.find(self.name)
            if layout:
                _clean(layout)


class LocalProvider:
    """Starts clusters as processes of this machine."""

    name = "local"

    def check(self, profile: Profile) -> None:
        """Raise Unsupported where clusters of the profile cannot run."""
        lacking = []
        if platform.system() != "Linux":
            lacking.append("Linux: elsewhere install Docker, and its clusters are used instead")
        if shutil.which("go") is None and not places.cache("bin").exists():
            lacking.append("Go, to build Kubernetes from its modules: have `go` on the PATH")
        if profile is Profile.FULL and os.geteuid() != 0:
            lacking.append("root, to run containers: use sudo, or install Docker")
        if lacking:
            raise Unsupported(lacking)

    def start(
        self, name: str, profile: Profile = Profile.FULL, simulated_nodes: int = 0
    ) -> LocalCluster:
        """The cluster of that name, running."""
        self.check(profile)
        with places.locked(_lock(name)):
            layout = Layout.find(name)
            wanted = {"profile": profile.value, "simulated_nodes": simulated_nodes}
            if layout is None or not _healthy(layout) or _wish(layout) != wanted:
                layout = _restart(name, profile, simulated_nodes)
                (layout.directory / "wish.json").write_text(json.dumps(wanted))
            return LocalCluster(layout)

    def find(self, name: str) -> LocalCluster | None:
        """The cluster of that name if there is one."""
        layout = Layout.find(name)
        return LocalCluster(layout) if layout else None

    def describe(self, name: str) -> str:
        """Its condition, and where its logs are."""
        layout = Layout.find(name)
        if layout is None:
            return f"There is no cluster {name}."
        lines = [f"Cluster {name} ({layout.profile}) at {layout.server}"]
        lines.append(f"  API server: {'ready' if endpoints.ready(layout) else 'not ready'}")
        for process in layout.processes.recorded():
            condition = f"running as {process.pid}" if process.alive else "ENDED"
            lines.append(f"  {process.name}: {condition}, log {layout.processes.log(process.name)}")
        return "\n".join([*lines, f"  kubeconfig: {layout.kubeconfig()}"])


def _lock(name: str) -> Path:
    # Not beside the state, of which nothing is to be left.
    return places.cache("locks", name)


def _wish(layout: Layout) -> object:
    file = layout.directory / "wish.json"
    # Written last: without it the start did not come to its end.
    return json.loads(file.read_text()) if file.exists() else None


def _healthy(layout: Layout) -> bool:
    running = all(process.alive for process in layout.processes.recorded())
    nodes_wanted = 1 if layout.profile is Profile.FULL else 0
    return running and endpoints.ready(layout) and endpoints.nodes_ready(layout, nodes_wanted)


def _restart(name: str, profile: Profile, simulated_nodes: int) -> Layout:
    left = Layout.find(name)
    if left:
        steps.note(f"The cluster {name} is not as it should be: starting it anew")
        _clean(left)
    # Remains that are not even a layout.
    shutil.rmtree(places.state(name), ignore_errors=True)
    layout = Layout.claim(name, profile)
    try:
        _start(layout, simulated_nodes)
    except BaseException:
        _give_up(layout)
        raise
    return layout


def _give_up(layout: Layout) -> None:
    kept = places.cache("logs", f"cluster-{layout.name}")
    shutil.rmtree(kept, ignore_errors=True)
    (layout.directory / "logs").mkdir(exist_ok=True)
    shutil.copytree(layout.directory / "logs", kept)
    steps.note(f"The logs of the cluster that did not start are kept in {kept}")
    _clean(layout)


def _start(layout: Layout, simulated_nodes: int) -> None:
    full = layout.profile is Profile.FULL
    packages.ensure(packages.NODE if full else packages.CONTROL_PLANE)
    # All that takes long the first time comes before anything runs.
    binaries.tools(_tools(full=full, simulated=bool(simulated_nodes)))
    prepared = _prepare_images() if full else []
    with steps.step(f"Starting the cluster {layout.name}", "about 15 s" if full else "about 6 s"):
        if full:
            nodes.open_namespaces(layout)
            nodes.start_runtime(layout)
        controlplanes.start(layout)
        for ref in prepared:
            LocalCluster(layout).load_image(ref)
        if full:
            nodes.join(layout)
            volumes.start(layout)
        if simulated_nodes:
            controlplanes.simulate_nodes(layout, simulated_nodes)


def _tools(*, full: bool, simulated: bool) -> list[str]:
    node = (*nodes.TOOLS, volumes.TOOL) if full else ()
    return [*controlplanes.TOOLS, *node, *([controlplanes.SIMULATOR] if simulated else [])]


def _prepare_images() -> list[str]:
    return [images.busybox(), images.pause()]


def _clean(layout: Layout) -> None:
    full = layout.profile is Profile.FULL
    if full:
        nodes.end_processes(layout)
    for process in layout.processes.recorded():
        process.kill()
    if full:
        nodes.remove_remains(layout)
    layout.remove()
