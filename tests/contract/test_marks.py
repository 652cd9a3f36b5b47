"""Our Pods are marked by the operator only, and nobody else is disturbed."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from clusters.providers import Cluster

pytestmark = pytest.mark.contract

NAMESPACE = "marks"
OPERATOR = "system:serviceaccount:buildstate-system:buildstate"
COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"
MANAGED = {"app.kubernetes.io/managed-by": "buildstate-operator"}

Refusal = Callable[..., str]


def owner(uid: str) -> dict[str, object]:
    """A reference to the BuildState of that uid."""
    return {"apiVersion": "buildstate.dev/v1alpha1", "kind": "BuildState", "name": "b", "uid": uid}


def pod(name: str, namespace: str = NAMESPACE, **meta: object) -> str:
    """The manifest of a Pod that no node will ever run."""
    whole = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, **meta},
        "spec": {"containers": [{"name": "a", "image": "example/a:1"}]},
    }
    return json.dumps(whole)


def create(*options: str) -> tuple[str, ...]:
    """The arguments that create what is on the standard input."""
    return ("create", "-f", "-", *options)


def patch(name: str, change: object, *options: str) -> tuple[str, ...]:
    """The arguments that change a Pod."""
    where = ("-n", NAMESPACE, "patch", "pod", name, "--type=merge", *options)
    return (*where, f"--patch={json.dumps(change)}")


FORGED: dict[str, dict[str, Any]] = {
    "the label of the operator": {"labels": MANAGED},
    "a label of ours": {"labels": {"buildstate.dev/phase": "build"}},
    "an owner of ours": {"ownerReferences": [owner("0b7c4ce4-6b02-4a4c-8f0b-1f1a7f4c2f11")]},
}
CHANGED: dict[str, dict[str, Any]] = {
    "takes the operator's label away": {"labels": {next(iter(MANAGED)): None}},
    "gives it to somebody else": {"labels": {next(iter(MANAGED)): "Helm"}},
    "takes a label of ours away": {"labels": {"buildstate.dev/phase": None}},
    "changes a label of ours": {"labels": {"buildstate.dev/phase": "test"}},
    "adds a label of ours": {"labels": {"buildstate.dev/attempt": ""}},
    "takes the owner away": {"ownerReferences": None},
}
HARMLESS = {
    "status": ({"status": {"phase": "Running"}}, ("--subresource=status",)),
    "annotation": ({"metadata": {"annotations": {"a": "b"}}}, ()),
    "label of another": ({"metadata": {"labels": {"team": "red"}}}, ()),
    "deadline": ({"spec": {"activeDeadlineSeconds": 5}}, ()),
}


@pytest.fixture(scope="module")
def marks(installed: Cluster, refusal: Refusal) -> Iterator[Refusal]:
    """A namespace with one Pod of the operator and one of somebody, the policy awake."""
    namespace(installed, NAMESPACE)
    probe = pod("probe", labels=MANAGED)
    deadline = time.monotonic() + 60
    while "may not mark" not in refusal("root", *create("--dry-run=server"), stdin=probe):
        assert time.monotonic() < deadline, "policy pods.buildstate.dev does not wake up"
    build(installed, "b")
    ours(refusal, "ours", uid(installed, "b"))
    assert not refusal("root", *create(), stdin=pod("theirs"))
    yield refusal
    installed.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def namespace(cluster: Cluster, name: str) -> None:
    """A namespace that takes Pods: not before it has its ServiceAccount."""
    cluster.kubectl("create", "namespace", name)
    account = ("--for=create", "serviceaccount/default", "--timeout=60s")
    cluster.kubectl("-n", name, "wait", *account)


def build(cluster: Cluster, name: str) -> None:
    """A BuildState that does nothing."""
    kind = {"apiVersion": "buildstate.dev/v1alpha1", "kind": "BuildState"}
    meta = {"metadata": {"name": name, "namespace": NAMESPACE}}
    cluster.kubectl(*create(), stdin=json.dumps({**kind, **meta, "spec": {}}))


def uid(cluster: Cluster, name: str) -> str:
    """The uid of a BuildState."""
    args = ("get", "buildstate", name, "--output=jsonpath={.metadata.uid}")
    return cluster.kubectl("-n", NAMESPACE, *args)


def ours(refusal: Refusal, name: str, uid: str) -> None:
    """A Pod as the operator makes it."""
    labels = {**MANAGED, "buildstate.dev/phase": "build"}
    manifest = pod(name, labels=labels, ownerReferences=[owner(uid)])
    assert not refusal(OPERATOR, *create(), stdin=manifest)


@pytest.mark.parametrize("meta", FORGED.values(), ids=FORGED.keys())
def test_nobody_but_the_operator_creates_a_pod_with(meta: dict[str, Any], marks: Refusal) -> None:
    said = marks("root", *create("--dry-run=server"), stdin=pod("forged", **meta))
    assert "may not mark Pod marks/forged as one of a BuildState" in said
    assert "to run work, create a BuildState" in said


@pytest.mark.parametrize("meta", FORGED.values(), ids=FORGED.keys())
def test_nobody_adds_to_a_pod_of_his_own(meta: dict[str, Any], marks: Refusal) -> None:
    said = marks("root", *patch("theirs", {"metadata": meta}, "--dry-run=server"))
    assert "nor change such a mark" in said


@pytest.mark.parametrize("meta", CHANGED.values(), ids=CHANGED.keys())
def test_on_a_pod_of_ours_nobody(meta: dict[str, Any], marks: Refusal) -> None:
    said = marks("root", *patch("ours", {"metadata": meta}, "--dry-run=server"))
    assert "nor change such a mark" in said


def test_nobody_changes_a_label_of_ours_through_status(marks: Refusal) -> None:
    change = {"metadata": {"labels": {"buildstate.dev/phase": "test"}}}
    said = marks("root", *patch("ours", change, "--subresource=status", "--dry-run=server"))
    assert "nor change such a mark" in said


@pytest.mark.parametrize("name", ["ours", "theirs"])
@pytest.mark.parametrize(("change", "options"), HARMLESS.values(), ids=HARMLESS.keys())
def test_every_other_change_of_a_pod_passes(
    change: object, options: tuple[str, ...], name: str, marks: Refusal
) -> None:
    assert not marks("root", *patch(name, change, *options, "--dry-run=server"))


def test_a_pod_of_somebody_else_may_have_any_other_mark(marks: Refusal) -> None:
    labels = {"app.kubernetes.io/managed-by": "Helm", "notbuildstate.dev/x": "y"}
    other = {**owner("0b7c4ce4-6b02-4a4c-8f0b-1f1a7f4c2f12"), "apiVersion": "example.dev/v1"}
    manifest = pod("free", labels=labels, ownerReferences=[other])
    assert not marks("root", *create("--dry-run=server"), stdin=manifest)


def test_the_garbage_collector_may_orphan_our_pods(marks: Refusal) -> None:
    change = {"metadata": {"ownerReferences": None}}
    assert not marks(COLLECTOR, *patch("ours", change, "--dry-run=server"))


@pytest.mark.parametrize("controller", ["generic-garbage-collector", "namespace-controller"])
def test_what_cleans_up_may_delete_our_pods(controller: str, marks: Refusal) -> None:
    who = f"system:serviceaccount:kube-system:{controller}"
    delete = ("-n", NAMESPACE, "delete", "pod", "ours", "--dry-run=server")
    assert not marks(who, *delete)


def test_a_namespace_with_our_pods_goes_away(marks: Refusal, installed: Cluster) -> None:
    namespace(installed, "leaving")
    assert not marks(OPERATOR, *create(), stdin=pod("last", "leaving", labels=MANAGED))
    installed.kubectl("delete", "namespace", "leaving", "--timeout=60s")
