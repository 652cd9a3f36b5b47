"""A real API server for the contract tests: started once, stopped at the end."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clusters import binaries, choose
from clusters.commands import CommandFailed, run
from clusters.providers import Cluster, Profile

ROOT = Path(__file__).parents[2]
CRD = ROOT / "crds" / "buildstates.buildstate.dev.yaml"
CHART = ROOT / "charts" / "buildstate"
OPERATOR_NAMESPACE = "buildstate-system"


@pytest.fixture(scope="session")
def api_cluster() -> Iterator[Cluster]:
    """A control plane (no kubelet) that serves BuildStates to cluster-admin."""
    cluster = choose("local").start("contract", profile=Profile.CONTROL_PLANE)
    try:
        cluster.kubectl("apply", "--server-side", "-f", CRD)
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", CRD)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def helm(api_cluster: Cluster) -> Callable[..., str]:
    """Helm on the cluster, in the operator's namespace."""
    options = ("--kubeconfig", api_cluster.kubeconfig, "--namespace", OPERATOR_NAMESPACE)
    return lambda *args: run(binaries.tool("helm"), *args, *options)


@pytest.fixture(scope="module")
def installed(api_cluster: Cluster, helm: Callable[..., str]) -> Iterator[Cluster]:
    """The cluster with the chart's roles and policies, taken away again after the module."""
    helm("install", "buildstate", CHART, "--create-namespace", "--set", "crds.install=false")
    yield api_cluster
    helm("uninstall", "buildstate", "--wait")


@pytest.fixture(scope="module")
def refusal(api_cluster: Cluster) -> Callable[..., str]:
    """What kubectl says when it refuses somebody something; empty when it lets him."""

    def ask(who: str, *args: str, stdin: str | None = None) -> str:
        # Root is cluster-admin himself, not somebody of that name.
        disguise = () if who == "root" else (f"--as={who}",)
        try:
            api_cluster.kubectl(*args, *disguise, stdin=stdin)
        except CommandFailed as failed:
            return str(failed)
        return ""

    return ask
