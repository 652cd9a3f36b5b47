"""The chart from its installation over an upgrade to its end, on a cluster of its own."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from clusters import CommandFailed, choose, tool
from clusters.commands import run
from clusters.definitions import await_effect
from clusters.providers import Cluster, Profile

pytestmark = pytest.mark.contract

CHART = Path(__file__).parents[2] / "charts" / "buildstate"
CRD = "buildstates.buildstate.dev"
RELEASE = ("buildstate", "--namespace", "buildstate-system", "--create-namespace")
OURS = "clusterroles,clusterrolebindings,validatingadmissionpolicies,deployments,services"
BUILD = {
    "apiVersion": "buildstate.dev/v1alpha1",
    "kind": "BuildState",
    "metadata": {"name": "lasting", "namespace": "default"},
    "spec": {"phase": "INIT"},
}

Helm = Callable[..., str]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A control plane that has never heard of BuildStates."""
    started = choose("local").start("lifecycle", profile=Profile.CONTROL_PLANE)
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def helm(cluster: Cluster) -> Helm:
    """Helm on that cluster."""
    return lambda *args: run(tool("helm"), *args, "--kubeconfig", cluster.kubeconfig)


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """The chart as an earlier version might have been, with less in its CRD."""
    chart = Path(shutil.copytree(CHART, tmp_path / "buildstate"))
    (file,) = chart.glob("files/*.yaml")
    definition = yaml.safe_load(file.read_text())
    del definition["spec"]["versions"][0]["additionalPrinterColumns"]
    file.write_text(yaml.safe_dump(definition))
    return chart


def columns(cluster: Cluster) -> list[str]:
    """The names of the columns that `kubectl get` shows."""
    definition = json.loads(cluster.kubectl("get", "crd", CRD, "--output=json"))
    shown = definition["spec"]["versions"][0].get("additionalPrinterColumns", [])
    return [column["name"] for column in shown]


def leftovers(cluster: Cluster) -> str:
    """Objects of the release that are still there."""
    options = ("--selector=helm.sh/chart", "--all-namespaces", "--output=name")
    return cluster.kubectl("get", OURS, *options)


def test_a_release_is_installed_upgraded_with_its_crd_and_leaves_the_builds(
    cluster: Cluster, helm: Helm, older: Path
) -> None:
    helm("install", *RELEASE, older)
    assert "Phase" not in columns(cluster)
    await_effect(cluster, f"crd/{CRD}")
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(BUILD))

    helm("upgrade", *RELEASE, CHART)
    assert "Phase" in columns(cluster)
    assert "lasting" in cluster.kubectl("get", "buildstates", "--output=name")

    assert "clusterrole" in leftovers(cluster)
    helm("uninstall", *RELEASE[:3], "--wait")
    assert leftovers(cluster) == ""
    assert "lasting" in cluster.kubectl("get", "buildstates", "--output=name")

    # What was left behind is no obstacle for the next installation.
    helm("install", *RELEASE, CHART)
    helm("uninstall", *RELEASE[:3], "--wait")
    cluster.kubectl("delete", "crd", CRD, "--timeout=60s")
    with pytest.raises(CommandFailed, match="NotFound"):
        cluster.kubectl("get", "--raw", "/apis/buildstate.dev/v1alpha1/buildstates")
