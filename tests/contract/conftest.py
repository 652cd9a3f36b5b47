"""A real API server for the contract tests: started once, stopped at the end."""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from tests.contract.apis import Api, opened
from tests.contract.operators import Operators
from tests.contract.zygotes import Zygote, zygote
from tests.stores.servers import Versity, versity

from clusters import binaries, choose
from clusters.commands import CommandFailed, run
from clusters.definitions import establish
from clusters.providers import Cluster, Profile

ROOT = Path(__file__).parents[2]
CRD = ROOT / "crds" / "buildstates.buildstate.dev.yaml"
CHART = ROOT / "charts" / "buildstate"
OPERATOR_NAMESPACE = "buildstate-system"
PHASE_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "of-nobody",
        "namespace": "default",
        "labels": {"app.kubernetes.io/managed-by": "buildstate-operator"},
    },
    "spec": {"containers": [{"name": "work", "image": "none"}]},
}
_numbers = count(1)


@pytest.fixture(scope="session")
def api_cluster() -> Iterator[Cluster]:
    """A control plane (no kubelet) that serves BuildStates to cluster-admin."""
    cluster = choose("local").start("contract", profile=Profile.CONTROL_PLANE)
    try:
        establish(cluster, CRD)
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
    _wait_until_no_policy_counts(api_cluster)


def _wait_until_no_policy_counts(cluster: Cluster) -> None:
    """The API server goes on with a policy for some time after it is gone."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(PHASE_POD))
        except CommandFailed:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("the policies of the chart still count a minute after they are gone")


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


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Versity]:
    """A real S3 server with one bucket, which nobody stops."""
    with versity(tmp_path_factory.mktemp("versity")) as server:
        yield server


@pytest.fixture
def namespace(api_cluster: Cluster) -> Iterator[str]:
    """A namespace of its own, ready for Pods."""
    name = f"contract-{next(_numbers)}"
    api_cluster.kubectl("create", "namespace", name)
    # No controller makes it without its controller manager's help: Pods name it.
    api_cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default")
    yield name
    api_cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
async def api(api_cluster: Cluster, namespace: str) -> AsyncIterator[Api]:
    """The cluster as cluster-admin, in that namespace."""
    async with opened(api_cluster, namespace) as api:
        yield api


@pytest.fixture(scope="session")
def mother() -> Iterator[Zygote]:
    """Where operators come from in no time."""
    with zygote() as mother:
        yield mother


@pytest.fixture
def operators(api_cluster: Cluster, tmp_path: Path, mother: Zygote) -> Iterator[Operators]:
    """Operator processes, ended with the test."""
    with ExitStack() as stack:
        yield Operators(api_cluster.kubeconfig, tmp_path, stack, mother)
