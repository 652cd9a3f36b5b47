"""A real node: containerd, kubelet and kube-proxy in namespaces of their own."""

import contextlib
import os
import sys
from pathlib import Path

from clusters import binaries, cgroups, commands, endpoints, places, slots
from clusters.layouts import Layout
from clusters.processes import wait_until
from clusters.providers import Unsupported

NODE = "node-1"
# The process that keeps the namespaces.
HOLDER = "node"
TOOLS = ("containerd", "containerd-shim-runc-v2", "ctr", "kubelet", "kube-proxy")
SOCKET = "/run/containerd/containerd.sock"
# Directories that a node sees its own of.
HIDDEN = ("/var/lib", "/run", "/var/log")
UNSHARE = ("unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc")


def open_namespaces(layout: Layout) -> None:
    """Make the namespaces, in which all of the cluster starts from now on, and the link."""
    _check_visible(layout.directory)
    (layout.directory / "node" / "lib").mkdir(parents=True)
    reaper = places.HERE / "reapers.py"
    script = layout.config(
        "node.sh", directory=layout.directory, python=sys.executable, reaper=reaper
    )
    # --kill-child: whoever kills the recorded process kills the first process of the
    # namespace, and the kernel everything else in it.
    command = (*UNSHARE, "--propagation", "slave", "--kill-child", "sh", script)
    holder = layout.processes.start(HOLDER, *command)
    opened = layout.directory / "node" / "open"
    layout.processes.wait(opened.exists, "the node's namespaces", 10)
    _link(layout.slot, holder.pid)
    space = f"/proc/{holder.pid}/ns"
    layout.enter(
        *("nsenter", f"--net={space}/net", f"--mount={space}/mnt"),
        *(f"--pid={space}/pid_for_children", "--"),
    )


def _check_visible(directory: Path) -> None:
    paths = (directory, places.cache(), places.HERE, Path(sys.executable))
    for path in paths:
        if any(path.is_relative_to(hidden) for hidden in HIDDEN):
            raise Unsupported([f"a place for {path} that is not below any of {', '.join(HIDDEN)}"])


def _link(slot: int, pid: int) -> None:
    ours, theirs, name = slots.host_address(slot), slots.node_address(slot), slots.link_name(slot)
    node = ("nsenter", f"--net=/proc/{pid}/ns/net", "--", "ip")
    commands.run("ip", "link", "add", name, "type", "veth", "peer", "eth0", "netns", str(pid))
    commands.run("ip", "address", "add", f"{ours}/30", "dev", name)
    commands.run("ip", "link", "set", name, "up")
    commands.run(*node, "address", "add", f"{theirs}/30", "dev", "eth0")
    commands.run(*node, "link", "set", "eth0", "up")
    commands.run(*node, "route", "add", "default", "via", ours)
    # Tests read the metrics of Pods by the Pods' own addresses.
    commands.run("ip", "route", "add", slots.pod_subnet(slot), "via", theirs)


def start_runtime(layout: Layout) -> None:
    """Start containerd, and wait until it takes images."""
    paths = binaries.tools(TOOLS)
    (layout.directory / "cni").mkdir()
    network = layout.config("pods.conflist", subnet=slots.pod_subnet(layout.slot))
    network.rename(layout.directory / "cni" / network.name)
    config = layout.config("containerd.toml", directory=layout.directory)
    # It looks for its shim there.
    search = {"PATH": f"{paths['containerd'].parent}:{os.environ['PATH']}"}
    command = (paths["containerd"], "--config", config, "--address", SOCKET)
    layout.processes.start("containerd", *command, env=search)
    layout.processes.wait(lambda: _takes_images(layout), "containerd", 30)


def _takes_images(layout: Layout) -> bool:
    return commands.answers(*_ctr(layout), "version")


def _ctr(layout: Layout) -> tuple[str, ...]:
    return (*layout.processes.entry, str(binaries.tool("ctr")), "--address", SOCKET)


def import_image(layout: Layout, archive: Path) -> None:
    """Make the images of an archive known to the node."""
    commands.run(*_ctr(layout), "--namespace", "k8s.io", "images", "import", archive)


def join(layout: Layout) -> None:
    """Start kubelet and kube-proxy, and wait until Pods can be scheduled."""
    cgroups.create(_cgroup(layout))
    _start_kubelet(layout)
    _start_proxy(layout)
    layout.processes.wait(lambda: endpoints.nodes_ready(layout, 1), "the node", 90)


def _start_kubelet(layout: Layout) -> None:
    kubeconfig = layout.authority.kubeconfig(
        layout.kubeconfig("kubelet"), layout.server, f"system:node:{NODE}", "system:nodes"
    )
    config = layout.config(
        "kubelet.yaml",
        address=layout.address,
        authority=layout.authority.certificate,
        cgroup=f"/{_cgroup(layout)}",
    )
    layout.processes.start(
        *("kubelet", binaries.tool("kubelet"), f"--config={config}", f"--kubeconfig={kubeconfig}"),
        *(f"--hostname-override={NODE}", f"--node-ip={layout.address}"),
    )


def _start_proxy(layout: Layout) -> None:
    kubeconfig = layout.authority.kubeconfig(
        layout.kubeconfig("kube-proxy"), layout.server, "system:kube-proxy"
    )
    subnet = slots.pod_subnet(layout.slot)
    config = layout.config("kube-proxy.yaml", subnet=subnet, node=NODE, kubeconfig=kubeconfig)
    layout.processes.start("kube-proxy", binaries.tool("kube-proxy"), f"--config={config}")


def end_processes(layout: Layout) -> None:
    """End all that runs in the namespaces, by the end of their first process."""
    recorded = layout.processes.recorded()
    for process in recorded:
        if process.name == HOLDER:
            process.kill()
    # The others end by themselves then, and each takes in its own children: killed one by one
    # they would leave zombies to the machine's first process, which is not always one that reaps.
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not any(process.alive for process in recorded), "the node's end", 10)


def remove_remains(layout: Layout) -> None:
    """Remove what is left outside the namespaces once their processes are gone."""
    with contextlib.suppress(commands.CommandFailed, OSError):
        commands.run("ip", "link", "delete", slots.link_name(layout.slot))
    cgroups.remove(_cgroup(layout))
    wait_until(lambda: not _mounted(layout.directory), "the node's mounts", 30)


def _mounted(directory: Path) -> bool:
    return f" {directory}/" in Path("/proc/self/mountinfo").read_text()


def _cgroup(layout: Layout) -> str:
    return f"buildstate-{layout.name}"
