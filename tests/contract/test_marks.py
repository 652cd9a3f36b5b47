"""What is ours is marked by the operator only, and nobody else is disturbed."""

import json
import time
from base64 import b64encode
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


CHECKPOINT = {**MANAGED, "buildstate.dev/checkpoint": "true"}
MANIFEST = {"annotations": {"buildstate.dev/manifest": "{}"}}
TAMPERED: dict[str, dict[str, Any]] = {
    "takes the operator's label away": {"metadata": {"labels": {next(iter(MANAGED)): None}}},
    "gives it to somebody else": {"metadata": {"labels": {next(iter(MANAGED)): "Helm"}}},
    "adds a label": {"metadata": {"labels": {"team": "red"}}},
    "changes the manifest": {"metadata": MANIFEST},
    "takes the owner away": {"metadata": {"ownerReferences": None}},
    "holds it back": {"metadata": {"finalizers": ["example.dev/mine"]}},
    "changes what it holds": {"binaryData": {"payload": "QUJD"}},
    "adds to what it holds": {"data": {"more": "text"}},
    "makes it immutable": {"immutable": True},
}
ELSEWHERE = {"app.kubernetes.io/managed-by": "Helm", "buildstate.dev/checkpoint": "true"}


def said_of(act: str, name: str) -> str:
    """The refusal to do something to a ConfigMap of the operator."""
    return (
        f'User "admin" may not {act} ConfigMap marks/{name} with label '
        "app.kubernetes.io/managed-by=buildstate-operator: it marks what the operator keeps of a "
        "BuildState, such as checkpoints. To go back to a checkpoint, request Restore; to remove "
        "checkpoints, delete the BuildState; leave the label off ConfigMaps of your own"
    )


def configmap(name: str, payload: bytes = b"payload", place: str = NAMESPACE, **meta: Any) -> str:
    """The manifest of a ConfigMap as the store makes them."""
    whole = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": place, **meta},
        "binaryData": {"payload": b64encode(payload).decode()},
    }
    return json.dumps(whole)


def change(name: str, what: object, *options: str) -> tuple[str, ...]:
    """The arguments that change a ConfigMap."""
    where = ("-n", NAMESPACE, "patch", "configmap", name, "--type=merge", *options)
    return (*where, f"--patch={json.dumps(what)}")


def delete(*what: str) -> tuple[str, ...]:
    """The arguments that would delete something."""
    return ("-n", NAMESPACE, "delete", *what, "--dry-run=server")


@pytest.fixture(scope="module")
def kept(marks: Refusal, installed: Cluster) -> Refusal:
    """The namespace with ConfigMaps of the operator and of somebody, the policy awake."""
    probe = configmap("probe", labels=CHECKPOINT)
    deadline = time.monotonic() + 60
    while "may not create" not in marks("root", *create("--dry-run=server"), stdin=probe):
        assert time.monotonic() < deadline, "policy checkpoints.buildstate.dev does not wake up"
    meta: dict[str, Any] = {"labels": CHECKPOINT, "ownerReferences": [owner(uid(installed, "b"))]}
    largest = configmap("largest", bytes(750_000), **meta)
    assert not marks(OPERATOR, *create(), stdin=configmap("kept", **meta))
    assert not marks(OPERATOR, *create(), stdin=largest)
    assert not marks("root", *create(), stdin=configmap("theirs", labels=ELSEWHERE))
    return marks


def test_nobody_but_the_operator_creates_a_checkpoint(kept: Refusal) -> None:
    forged = configmap("forged", labels=MANAGED)
    said = kept("root", *create("--dry-run=server"), stdin=forged)
    assert said.endswith(f"denied request: {said_of('create', 'forged')}")


def test_a_forged_checkpoint_with_a_generated_name_is_named(kept: Refusal) -> None:
    forged = configmap("", labels=MANAGED, generateName="forged-")
    said = kept("root", *create("--dry-run=server"), stdin=forged)
    assert "ConfigMap marks/forged-" in said


@pytest.mark.parametrize("what", TAMPERED.values(), ids=TAMPERED.keys())
def test_to_a_checkpoint_nobody(what: object, kept: Refusal) -> None:
    said = kept("root", *change("kept", what, "--dry-run=server"))
    assert said.endswith(f"denied request: {said_of('change', 'kept')}")


def test_nobody_makes_a_checkpoint_of_his_own_configmap(kept: Refusal) -> None:
    said = kept("root", *change("theirs", {"metadata": {"labels": MANAGED}}, "--dry-run=server"))
    assert said.endswith(f"denied request: {said_of('change', 'theirs')}")


def test_nobody_deletes_a_checkpoint(kept: Refusal) -> None:
    said = kept("root", *delete("configmap", "kept"))
    assert said.endswith(f"denied request: {said_of('delete', 'kept')}")


def test_nobody_deletes_all_checkpoints_at_once(kept: Refusal) -> None:
    # kubectl deletes one by one; this is one request.
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps?labelSelector=buildstate.dev/checkpoint"
    assert "may not delete ConfigMap marks/" in kept("root", "delete", "--raw", path)
    assert not kept("root", "-n", NAMESPACE, "get", "configmap", "kept", "largest", "theirs")


@pytest.mark.parametrize("name", ["kept", "largest"])
def test_a_checkpoint_may_be_written_again_as_it_is(
    name: str, kept: Refusal, installed: Cluster
) -> None:
    # So is every object when the encryption of etcd is changed.
    as_it_is = installed.kubectl("-n", NAMESPACE, "get", "configmap", name, "--output=json")
    assert not kept("root", "replace", "--dry-run=server", "-f", "-", stdin=as_it_is)


def test_a_large_checkpoint_is_guarded_as_a_small_one(kept: Refusal) -> None:
    said = kept("root", *change("largest", {"metadata": MANIFEST}, "--dry-run=server"))
    assert said.endswith(f"denied request: {said_of('change', 'largest')}")


def test_every_other_configmap_is_left_alone(kept: Refusal) -> None:
    free = configmap("free", labels=ELSEWHERE)
    assert not kept("root", *create("--dry-run=server"), stdin=free)
    assert not kept("root", *change("theirs", TAMPERED["changes what it holds"]))
    assert not kept("root", *delete("configmap", "theirs"))


def test_the_operator_keeps_its_checkpoints(kept: Refusal, installed: Cluster) -> None:
    found = installed.kubectl("-n", NAMESPACE, "get", "configmap", "kept", "--output=json")
    whole = json.loads(found)
    whole["metadata"]["annotations"] = MANIFEST["annotations"]
    replace = ("replace", "--dry-run=server", "-f", "-")
    assert not kept(OPERATOR, *replace, stdin=json.dumps(whole))
    assert not kept(OPERATOR, *delete("configmap", "kept"))


@pytest.mark.parametrize("controller", ["generic-garbage-collector", "namespace-controller"])
def test_what_cleans_up_may_delete_checkpoints(controller: str, kept: Refusal) -> None:
    who = f"system:serviceaccount:kube-system:{controller}"
    assert not kept(who, *delete("configmap", "kept"))


def test_the_garbage_collector_may_orphan_checkpoints(kept: Refusal) -> None:
    orphan = TAMPERED["takes the owner away"]
    assert not kept(COLLECTOR, *change("kept", orphan, "--dry-run=server"))


def test_checkpoints_go_with_their_build(kept: Refusal, installed: Cluster) -> None:
    build(installed, "short")
    mine = configmap(
        "short", labels=CHECKPOINT, ownerReferences=[{**owner(uid(installed, "short"))}]
    ).replace('"name": "b"', '"name": "short"')
    assert not kept(OPERATOR, *create(), stdin=mine)
    installed.kubectl("-n", NAMESPACE, "delete", "buildstate", "short")
    gone = ("wait", "--for=delete", "configmap/short", "--timeout=60s")
    installed.kubectl("-n", NAMESPACE, *gone)


def test_a_namespace_with_checkpoints_goes_away(kept: Refusal, installed: Cluster) -> None:
    namespace(installed, "emptied")
    last = configmap("last", place="emptied", labels=CHECKPOINT)
    assert not kept(OPERATOR, *create(), stdin=last)
    installed.kubectl("delete", "namespace", "emptied", "--timeout=60s")


STORE = "buildstate.dev/store"
HELD = {"metadata": {"finalizers": [STORE]}}
FREED = {"metadata": {"finalizers": None}}
FINALIZER_HELP = (
    'User "admin" may not put finalizer buildstate.dev/store on BuildState marks/{}: '
    "the operator does, where checkpoints in an outside store are to be deleted with the build. "
    "Leave it out of metadata.finalizers; taking it off needs the right to update only"
)


def on_build(name: str, what: object, *options: str) -> tuple[str, ...]:
    """The arguments that change a BuildState."""
    where = ("-n", NAMESPACE, "patch", "buildstate", name, "--type=merge", *options)
    return (*where, f"--patch={json.dumps(what)}")


@pytest.fixture(scope="module")
def finalizers(marks: Refusal, installed: Cluster) -> Refusal:
    """The namespace, with somebody who may update builds, the policy awake."""
    bind = ("create", "rolebinding", "author", "--clusterrole=buildstate-author", "--user=author")
    installed.kubectl("-n", NAMESPACE, *bind)
    deadline = time.monotonic() + 60
    while "finalizers" not in marks("root", *on_build("b", HELD, "--dry-run=server")):
        assert time.monotonic() < deadline, "policy finalizers.buildstate.dev does not wake up"
    while marks("author", *on_build("b", FREED, "--dry-run=server")):
        assert time.monotonic() < deadline, "the author is not known"
    return marks


def test_nobody_but_the_operator_holds_a_build_back(finalizers: Refusal) -> None:
    said = finalizers("root", *on_build("b", HELD, "--dry-run=server"))
    assert said.endswith(f"denied request: {FINALIZER_HELP.format('b')}")


def test_nobody_creates_a_build_that_is_held_back(finalizers: Refusal) -> None:
    kind = {"apiVersion": "buildstate.dev/v1alpha1", "kind": "BuildState", "spec": {}}
    meta = {"name": "copied", "namespace": NAMESPACE, "finalizers": [STORE]}
    copied = json.dumps({**kind, "metadata": meta})
    said = finalizers("root", *create("--dry-run=server"), stdin=copied)
    assert said.endswith(f"denied request: {FINALIZER_HELP.format('copied')}")


def test_whoever_may_update_a_held_build_changes_it_and_lets_it_go(
    finalizers: Refusal, installed: Cluster
) -> None:
    build(installed, "held")
    assert not finalizers(OPERATOR, *on_build("held", HELD))
    assert not finalizers("author", *on_build("held", {"metadata": {"labels": {"a": "b"}}}))
    assert not finalizers("author", *on_build("held", {"spec": {"suspend": True}}))
    installed.kubectl("-n", NAMESPACE, "delete", "buildstate", "held", "--wait=false")
    assert not finalizers("author", *on_build("held", FREED))
    assert "not found" in finalizers("root", "-n", NAMESPACE, "get", "buildstate", "held")


def test_finalizers_of_others_are_left_alone(finalizers: Refusal) -> None:
    other = {"metadata": {"finalizers": ["example.dev/mine"]}}
    assert not finalizers("author", *on_build("b", other, "--dry-run=server"))


def test_the_operator_may_patch_a_build_and_never_its_spec(finalizers: Refusal) -> None:
    both = {**HELD, "spec": {"suspend": True}}
    said = finalizers(OPERATOR, *on_build("b", both, "--dry-run=server"))
    assert said.endswith(
        f'User "{OPERATOR}" may not change spec of BuildState marks/b: '
        "the operator never writes what people ask for"
    )
