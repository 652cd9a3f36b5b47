"""etcd, API server, controller manager and scheduler, and simulated nodes beside them."""

import json
from pathlib import Path

from clusters import binaries, endpoints
from clusters.layouts import Layout
from clusters.providers import Profile

TOOLS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
SIMULATOR = "kwok"
SERVICES = "10.96.0.0/16"
KUBERNETES_SERVICE = "10.96.0.1"
ISSUER = "https://kubernetes.default.svc"
# An address that is nobody's: the API server insists on one that is not a loopback address,
# and without nodes nobody uses it.
NO_ADDRESS = "192.0.2.1"
# The client's own limits of 20 to 50 requests a second would be what benchmarks measure.
REQUESTS_PER_SECOND = "1000"
SIMULATED_NODE = "simulated"


def start(layout: Layout) -> None:
    """Start everything, and wait until Pods could be created."""
    paths = binaries.tools(TOOLS)
    _certify(layout)
    _start_etcd(layout, paths["etcd"])
    _start_apiserver(layout, paths["kube-apiserver"])
    layout.processes.wait(lambda: endpoints.ready(layout), "the API server", 90)
    _start_controller_manager(layout, paths["kube-controller-manager"])
    _start_scheduler(layout, paths["kube-scheduler"])
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    layout.processes.wait(lambda: endpoints.exists(layout, account), "the controller manager", 90)


def _certify(layout: Layout) -> None:
    authority = layout.authority
    authority.create()
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"]
    names.append("kubernetes.default.svc.cluster.local")
    addresses = ["127.0.0.1", KUBERNETES_SERVICE, layout.address]
    alternatives = [f"DNS:{name}" for name in names] + [f"IP:{ip}" for ip in addresses]
    authority.issue("apiserver", "/CN=kube-apiserver", ",".join(alternatives))
    authority.kubeconfig(layout.kubeconfig(), layout.server, "admin", "system:masters")
    for user in ("kube-controller-manager", "kube-scheduler"):
        authority.kubeconfig(layout.kubeconfig(user), layout.server, f"system:{user}")


def _start_etcd(layout: Layout, path: Path) -> None:
    client = f"http://127.0.0.1:{layout.port('etcd')}"
    peer = f"http://127.0.0.1:{layout.port('etcd-peer')}"
    layout.processes.start(
        *("etcd", path, "--data-dir", layout.directory / "etcd", "--log-level=warn"),
        *("--listen-client-urls", client, "--advertise-client-urls", client),
        *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
        *("--initial-cluster", f"default={peer}"),
        # A cluster for tests is never opened again after a crash of the machine, and waiting
        # for the disk would be most of what benchmarks measure.
        "--unsafe-no-fsync",
    )


def _start_apiserver(layout: Layout, path: Path) -> None:
    keys = layout.authority
    admin = keys.directory / "admin.crt"
    layout.processes.start(
        *("kube-apiserver", path, f"--etcd-servers=http://127.0.0.1:{layout.port('etcd')}"),
        *(f"--bind-address={layout.address}", f"--secure-port={layout.port('apiserver')}"),
        f"--tls-cert-file={keys.directory / 'apiserver.crt'}",
        f"--tls-private-key-file={keys.directory / 'apiserver.key'}",
        *(f"--client-ca-file={keys.certificate}", f"--service-account-issuer={ISSUER}"),
        f"--service-account-key-file={keys.accounts_public_key}",
        f"--service-account-signing-key-file={keys.accounts_key}",
        *(f"--service-cluster-ip-range={SERVICES}", "--authorization-mode=Node,RBAC"),
        *("--enable-admission-plugins=NodeRestriction", "--allow-privileged=true"),
        f"--kubelet-client-certificate={admin}",
        f"--kubelet-client-key={admin.with_suffix('.key')}",
        "--kubelet-preferred-address-types=InternalIP",
        *_reachability(layout),
    )


def _reachability(layout: Layout) -> tuple[str, ...]:
    if layout.profile is Profile.FULL:
        return (f"--advertise-address={layout.address}",)
    return (f"--advertise-address={NO_ADDRESS}", "--endpoint-reconciler-type=none")


def _start_controller_manager(layout: Layout, path: Path) -> None:
    kubeconfig, keys = layout.kubeconfig("kube-controller-manager"), layout.authority
    layout.processes.start(
        *("kube-controller-manager", path, f"--kubeconfig={kubeconfig}"),
        *(f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}"),
        *("--bind-address=127.0.0.1", f"--secure-port={layout.port('controller-manager')}"),
        *("--leader-elect=false", "--use-service-account-credentials=true"),
        f"--service-account-private-key-file={keys.accounts_key}",
        *(f"--root-ca-file={keys.certificate}", f"--cluster-signing-cert-file={keys.certificate}"),
        f"--cluster-signing-key-file={keys.key}",
        *(f"--kube-api-qps={REQUESTS_PER_SECOND}", f"--kube-api-burst={REQUESTS_PER_SECOND}"),
    )


def _start_scheduler(layout: Layout, path: Path) -> None:
    kubeconfig = layout.kubeconfig("kube-scheduler")
    config = layout.config("scheduler.yaml", kubeconfig=kubeconfig, rate=REQUESTS_PER_SECOND)
    layout.processes.start(
        *("kube-scheduler", path, f"--config={config}"),
        *(f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}"),
        *("--bind-address=127.0.0.1", f"--secure-port={layout.port('scheduler')}"),
    )


def simulate_nodes(layout: Layout, count: int) -> None:
    """Add nodes that are only played by a controller; every Pod ends well there, at once."""
    stages = layout.config("stages.yaml")
    layout.processes.start(
        *(SIMULATOR, binaries.tool(SIMULATOR), f"--kubeconfig={layout.kubeconfig()}"),
        *(f"--config={stages}", "--manage-all-nodes=false"),
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        f"--server-address=127.0.0.1:{layout.port('kwok')}",
    )
    nodes = [_simulated_node(number) for number in range(1, count + 1)]
    endpoints.apply(layout, json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes}))
    layout.processes.wait(lambda: endpoints.nodes_ready(layout, count), "simulated nodes", 60)


def _simulated_node(number: int) -> dict[str, object]:
    name = f"{SIMULATED_NODE}-{number}"
    labels = {"kubernetes.io/hostname": name, "type": SIMULATED_NODE}
    annotations = {"kwok.x-k8s.io/node": "fake"}
    metadata = {"name": name, "labels": labels, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata}
