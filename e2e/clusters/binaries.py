"""Programs built from the pinned Go modules in e2e/tools, once for each pin."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clusters import commands, places, steps
from clusters.providers import Unsupported

KUBERNETES_VERSION = "v1.36.3"
VERSION_PACKAGE = "k8s.io/component-base/version"
# Without the stamp these programs call themselves v0.0.0, which Helm and kubectl take literally.
STAMP = (
    f" -X {VERSION_PACKAGE}.gitVersion={KUBERNETES_VERSION}"
    f" -X {VERSION_PACKAGE}.gitMajor=1 -X {VERSION_PACKAGE}.gitMinor=36"
)
STRIP = "-s -w"


@dataclass(frozen=True)
class Tool:
    """One program: the module that pins it, its package, and how it is built."""

    module: str
    package: str
    minutes: str = "about 1 min"
    ldflags: str = STRIP
    tags: str = ""

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of `go build`; they are part of the key in the cache."""
        return ("-trimpath", "-mod=readonly", f"-tags={self.tags}", f"-ldflags={self.ldflags}")

    @property
    def directory(self) -> Path:
        """The directory of its go.mod."""
        return places.TOOLS / self.module

    @property
    def key(self) -> str:
        """A hash of all that decides what is built."""
        digest = hashlib.sha256("\0".join(self.flags).encode())
        for name in ("go.mod", "go.sum"):
            digest.update((self.directory / name).read_bytes())
        return digest.hexdigest()[:12]


def _kubernetes(command: str, minutes: str) -> Tool:
    return Tool("kubernetes", f"k8s.io/kubernetes/cmd/{command}", minutes, STRIP + STAMP)


def _containerd(command: str) -> Tool:
    package = f"github.com/containerd/containerd/v2/cmd/{command}"
    return Tool("containerd", package, tags="no_btrfs")


TOOLS = {
    "etcd": Tool("etcd", "go.etcd.io/etcd/server/v3", "about 80 s"),
    "kube-apiserver": _kubernetes("kube-apiserver", "about 4 min"),
    "kube-controller-manager": _kubernetes("kube-controller-manager", "about 40 s"),
    "kube-scheduler": _kubernetes("kube-scheduler", "about 20 s"),
    "kubectl": _kubernetes("kubectl", "about 40 s"),
    "kubelet": _kubernetes("kubelet", "about 1 min"),
    "kube-proxy": _kubernetes("kube-proxy", "about 20 s"),
    "containerd": _containerd("containerd"),
    "containerd-shim-runc-v2": _containerd("containerd-shim-runc-v2"),
    "ctr": _containerd("ctr"),
    "local-path-provisioner": Tool(
        "local-path-provisioner", "github.com/rancher/local-path-provisioner", "about 2 min"
    ),
    "kwok": Tool("kwok", "sigs.k8s.io/kwok/cmd/kwok", "about 2 min"),
    "kind": Tool("kind", "sigs.k8s.io/kind"),
    "helm": Tool("helm", "helm.sh/helm/v4/cmd/helm", "about 2 min"),
    "kubeconform": Tool("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform"),
    "versitygw": Tool("versitygw", "github.com/versity/versitygw/cmd/versitygw", "about 2 min"),
}


def tool(name: str) -> Path:
    """The path of a program, built first where it is not in the cache."""
    assets = Path(os.environ.get("KUBEBUILDER_ASSETS") or "/nonexistent", name)
    if assets.is_file():
        return assets
    wanted = TOOLS[name]
    path = places.cache("bin", f"{wanted.module}-{wanted.key}", name)
    if not path.exists():
        with places.locked(places.cache("locks", f".{wanted.module}")):
            # Another command may have built it while this one waited for the lock.
            if not path.exists():
                _build(wanted, path)
    return path


def tools(names: Iterable[str]) -> dict[str, Path]:
    """The paths of several programs by their names."""
    return {name: tool(name) for name in names}


def _build(wanted: Tool, path: Path) -> None:
    if shutil.which("go") is None:
        raise Unsupported([f"Go, to build {path.name}: install it, or have `go` on the PATH"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        steps.step(f"Building {path.name}", f"the first time only, {wanted.minutes} on 2 cores"),
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".building-") as temporary,
    ):
        built = Path(temporary, path.name)
        commands.run_logged(
            *("go", "build", "-C", str(wanted.directory), *wanted.flags),
            *("-o", str(built), wanted.package),
            log=places.cache("logs", f"build-{path.name}.log"),
            # No C compiler is asked of the machine, and the programs run on any Linux.
            env={"CGO_ENABLED": "0"},
        )
        built.replace(path)
