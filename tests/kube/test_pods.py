from dataclasses import replace
from typing import Any

import pytest
from tests.worlds import (
    CLAIM,
    NAME,
    NAMESPACE,
    NOW,
    UID,
    ABuild,
    a_build,
    a_pod_document,
    a_product,
    an_artifact,
)

from buildstate.domain.observed import PodPhase, PodView
from buildstate.domain.phases import BuildPhase
from buildstate.domain.specs import EnvVar, WorkResources
from buildstate.domain.states import BuildState
from buildstate.kube.pods import MAX_MESSAGE, manifest, owned, view
from buildstate.kube.ports import Key

Document = dict[str, Any]

OWNER = {
    "apiVersion": "buildstate.dev/v1alpha1",
    "kind": "BuildState",
    "name": NAME,
    "uid": UID,
    "controller": True,
    "blockOwnerDeletion": False,
}
MINIMAL = a_build().with_work(command=()).in_phase(BuildPhase.SETUP)
WATCHED = (
    a_build()
    .with_work(resources=WorkResources(limits={"memory": "1Gi"}))
    .with_workspace()
    .declaring(an_artifact("lib", BuildPhase.SETUP), an_artifact("app"))
    .in_phase(BuildPhase.BUILD)
    .having_left(a_product("lib", BuildPhase.SETUP))
)
FULL = (
    a_build()
    .with_work(
        image="registry.example/tools:1",
        command=("sh", "-c"),
        args=("make",),
        env=(EnvVar(name="CC", value="gcc"), EnvVar(name="HOME", value="/workspace")),
        working_dir="/workspace/src",
        resources=WorkResources(requests={"cpu": "500m"}, limits={"memory": "1Gi"}),
        timeout_seconds=60,
    )
    .with_workspace(size="1Gi", storage_class_name="fast")
    .wanting(service_account_name="builder")
    .in_phase(BuildPhase.BUILD)
    .attempted(2)
)


def pod_of(world: ABuild, state: BuildState | None = None) -> Document:
    """The Pod of the present attempt."""
    state = state or world.known
    work = world.spec.work(state.phase)
    assert work is not None
    return manifest(world.observed(), state, work)


def test_the_pod_of_the_least_work() -> None:
    expected = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": MINIMAL.observed().pod_name(MINIMAL.known),
            "namespace": "team",
            "labels": {
                "app.kubernetes.io/managed-by": "buildstate-operator",
                "buildstate.dev/build": "demo",
                "buildstate.dev/phase": "SETUP",
                "buildstate.dev/sequence": "1",
                "buildstate.dev/attempt": "1",
            },
            "ownerReferences": [OWNER],
        },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 10,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "fsGroup": 65532,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "work",
                    "image": "busybox:1.37",
                    "imagePullPolicy": "IfNotPresent",
                    "env": [{"name": "HOME", "value": "/tmp"}],
                    "workingDir": "/workspace",
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": "tmp", "mountPath": "/tmp"},
                        {"name": "workspace", "mountPath": "/workspace"},
                    ],
                }
            ],
            "volumes": [
                {"name": "tmp", "emptyDir": {}},
                {"name": "workspace", "emptyDir": {}},
            ],
        },
    }
    assert expected == pod_of(MINIMAL)


def test_the_pod_of_work_that_says_everything() -> None:
    pod = pod_of(FULL, FULL.known.__class__(**{**fields(FULL.known), "workspace_claim": CLAIM}))
    least = pod_of(MINIMAL)
    container = {
        **least["spec"]["containers"][0],
        "image": "registry.example/tools:1",
        "command": ["sh", "-c"],
        "args": ["make"],
        "env": [{"name": "CC", "value": "gcc"}, {"name": "HOME", "value": "/workspace"}],
        "workingDir": "/workspace/src",
        "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}},
    }
    claim = {"name": "workspace", "persistentVolumeClaim": {"claimName": CLAIM}}
    expected = {
        **least["spec"],
        "activeDeadlineSeconds": 60,
        "serviceAccountName": "builder",
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}, claim],
    }
    assert expected == pod["spec"]
    assert {"buildstate.dev/sequence": "2", "buildstate.dev/attempt": "2"}.items() <= pod[
        "metadata"
    ]["labels"].items()


def fields(state: BuildState) -> Document:
    """The fields of a state by name."""
    return {name: getattr(state, name) for name in state.__dataclass_fields__}


def test_a_claim_that_exists_is_mounted_as_it_is_named() -> None:
    world = a_build().with_work().with_workspace(claim_name="theirs").in_phase(BuildPhase.SETUP)
    expected = {"name": "workspace", "persistentVolumeClaim": {"claimName": "theirs"}}
    assert expected == pod_of(world)["spec"]["volumes"][1]


@pytest.mark.parametrize("world", [MINIMAL, FULL, WATCHED], ids=["minimal", "full", "watched"])
def test_every_pod_is_restricted(world: ABuild) -> None:
    assert_restricted(pod_of(world)["spec"])


def assert_restricted(spec: Document) -> None:
    """Hold a Pod against the fields that Pod Security *restricted* looks at."""
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & spec.keys()
    assert "ephemeralContainers" not in spec
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert {"type": "RuntimeDefault"} == spec["securityContext"]["seccompProfile"]
    assert not {"sysctls", "seLinuxOptions", "windowsOptions"} & spec["securityContext"].keys()
    kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
    assert kinds <= {"emptyDir", "persistentVolumeClaim"}
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert {"drop": ["ALL"]} == context["capabilities"]
        assert not {"privileged", "procMount", "runAsUser", "seccompProfile"} & context.keys()
        assert not any("hostPort" in port for port in container.get("ports", ()))


# What is read of a Pod.


def seen(**status: Any) -> PodView:
    """A Pod with that status."""
    return view(a_pod_document("p", 7, **status))


def container(name: str = "work", **state: Any) -> Document:
    """The status of one container."""
    return {"name": name, "state": state}


def test_a_new_pod() -> None:
    expected = PodView(
        name="p", uid="uid-of-p", resource_version="7", phase=PodPhase.PENDING, created=NOW
    )
    assert expected == seen()


@pytest.mark.parametrize("status", [{}, None], ids=["empty", "none"])
def test_a_pod_without_a_status_is_pending(status: Document | None) -> None:
    assert PodPhase.PENDING is view({**a_pod_document("p"), "status": status}).phase


@pytest.mark.parametrize("phase", PodPhase)
def test_each_phase_of_a_pod(phase: PodPhase) -> None:
    found = seen(phase=phase.value)
    assert (phase, phase not in ("Succeeded", "Failed")) == (found.phase, found.is_live)


def test_a_pod_that_is_being_deleted() -> None:
    document = a_pod_document("p")
    document["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    assert view(document).deleting


@pytest.mark.parametrize(
    ("status", "reason", "message", "exit_code"),
    [
        pytest.param(
            {"containerStatuses": [container(terminated={"exitCode": 3, "reason": "Error"})]},
            "Error",
            "",
            3,
            id="a command that failed",
        ),
        pytest.param(
            {
                "containerStatuses": [
                    container(terminated={"exitCode": 137, "reason": "OOMKilled", "message": "oh"})
                ]
            },
            "OOMKilled",
            "oh",
            137,
            id="no memory",
        ),
        pytest.param(
            {"reason": "Evicted", "message": "The node was low on memory."},
            "Evicted",
            "The node was low on memory.",
            None,
            id="evicted",
        ),
        pytest.param(
            {
                "reason": "DeadlineExceeded",
                "message": "Pod was active longer",
                "containerStatuses": [container(terminated={"exitCode": 143, "reason": "Error"})],
            },
            "DeadlineExceeded",
            "Pod was active longer",
            143,
            id="too slow",
        ),
        pytest.param(
            {"containerStatuses": [container(terminated={"exitCode": 0})]}, "", "", 0, id="well"
        ),
        pytest.param({"containerStatuses": []}, "", "", None, id="no container"),
        pytest.param({"containerStatuses": [container()]}, "", "", None, id="a container unknown"),
        pytest.param(
            {
                "containerStatuses": [
                    container("sidecar", terminated={"exitCode": 1, "reason": "Error"}),
                    container(terminated={"exitCode": 0, "reason": "Completed"}),
                ]
            },
            "Completed",
            "",
            0,
            id="a container that somebody put beside ours",
        ),
    ],
)
def test_how_a_pod_ended(
    status: Document, reason: str, message: str, exit_code: int | None
) -> None:
    found = seen(phase="Failed", **status)
    assert (reason, message, exit_code) == (found.reason, found.message, found.exit_code)


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"containerStatuses": [container(waiting={"reason": "ErrImagePull"})]}, "ErrImagePull"),
        ({"conditions": [UNSCHEDULABLE]}, "Unschedulable"),
        ({"conditions": [{"type": "PodScheduled", "status": "True"}]}, ""),
        ({"conditions": [{**UNSCHEDULABLE, "type": "Ready"}]}, ""),
        ({"conditions": None}, ""),
        ({"containerStatuses": [container(running={})]}, ""),
    ],
)
def test_what_a_pod_waits_for(status: Document, expected: str) -> None:
    assert expected == seen(**status).waiting


GATES = {"schedulingGates": [{"name": "kueue.x-k8s.io/admission"}, {"name": "example/quiet"}]}
HELD_BY = "scheduling gate kueue.x-k8s.io/admission, example/quiet holds it"


def test_a_gated_pod_says_which_gates_hold_it_and_in_whose_queue_it_is() -> None:
    document = a_pod_document("p", conditions=[UNSCHEDULABLE])
    document["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "builds"}
    found = view({**document, "spec": GATES})
    assert ("SchedulingGated", HELD_BY, "builds") == (found.waiting, found.message, found.queue)
    assert found.is_gated


def test_a_pod_whose_gates_are_gone_waits_until_the_scheduler_has_seen_it() -> None:
    gated = {**UNSCHEDULABLE, "reason": "SchedulingGated"}
    found = view({**a_pod_document("p", conditions=[gated]), "spec": {}})
    assert ("SchedulingGated", "") == (found.waiting, found.queue)


def test_the_labels_that_kueue_looks_for_are_passed_to_the_pod() -> None:
    queued = {"kueue.x-k8s.io/queue-name": "builds", "kueue.x-k8s.io/priority-class": "low"}
    observed = replace(MINIMAL.observed(), queue_labels=queued)
    work = MINIMAL.spec.work(MINIMAL.known.phase)
    assert work is not None
    labels = manifest(observed, MINIMAL.known, work)["metadata"]["labels"]
    assert queued.items() <= labels.items()
    assert labels.keys() - queued.keys() == pod_of(MINIMAL)["metadata"]["labels"].keys()


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"status": "True", "reason": "PreemptionByScheduler", "message": "for p"}, "for p"),
        ({"status": "False", "reason": "PreemptionByScheduler", "message": "for p"}, ""),
    ],
)
def test_who_ends_a_pod(condition: Document, expected: str) -> None:
    found = seen(conditions=[{"type": "DisruptionTarget", **condition}])
    assert (condition["reason"] if expected else "", expected) == (found.disruption, found.message)


def test_a_pod_on_a_node_waits_for_none() -> None:
    document = a_pod_document("p", conditions=[UNSCHEDULABLE])
    assert "" == view({**document, "spec": {"nodeName": "n1"}}).waiting


def test_where_a_pod_is() -> None:
    assert "n1" == view({**a_pod_document("p"), "spec": {"nodeName": "n1"}}).node


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([], None),
        ([{"name": "other", "resources": {"limits": {"cpu": "1"}}}], None),
        ([{"name": "work"}], WorkResources()),
        ([{"name": "work", "resources": {}}], WorkResources()),
        (
            [{"name": "other"}, {"name": "work", "resources": {"limits": {"cpu": "1"}}}],
            WorkResources(limits={"cpu": "1"}),
        ),
    ],
)
def test_what_the_container_of_the_phase_asks_for(
    containers: list[Document], expected: WorkResources | None
) -> None:
    document = {**a_pod_document("p"), "spec": {"containers": containers}}
    assert expected == view(document).given


def test_why_the_kubelet_has_not_resized_a_pod() -> None:
    pending = {"type": "PodResizePending", "reason": "Infeasible", "message": "small"}
    found = seen(conditions=[{**pending, "status": "True"}])
    assert ("Infeasible", "small") == (found.resize, found.resize_message)
    found = seen(conditions=[{**pending, "status": "False"}])
    assert ("", "") == (found.resize, found.resize_message)


GROWN = (
    a_build()
    .with_work(resources=WorkResources(requests={"memory": "32Mi"}, limits={"memory": "64Mi"}))
    .in_phase(BuildPhase.BUILD)
    .attempted(2, memory="128Mi", avoid_nodes=("n2", "n1"))
)


def test_an_attempt_after_one_that_had_too_little_memory_asks_for_more() -> None:
    expected = {"requests": {"memory": "64Mi"}, "limits": {"memory": "128Mi"}}
    assert expected == pod_of(GROWN)["spec"]["containers"][0]["resources"]


def test_an_attempt_after_one_that_was_disrupted_prefers_other_nodes() -> None:
    expected = {
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 100,
                    "preference": {
                        "matchFields": [
                            {"key": "metadata.name", "operator": "NotIn", "values": ["n2"]},
                            {"key": "metadata.name", "operator": "NotIn", "values": ["n1"]},
                        ]
                    },
                }
            ]
        }
    }
    assert expected == pod_of(GROWN)["spec"]["affinity"]


HOSTILE = {
    "long": "x" * 100_000,
    "lines": 'first\n{"level": "ERROR"}\r\nlast',
    "escapes": "\x1b[2J\x1b]0;owned\x07",
    "right to left": "\u202egnp.exe",
    "null": "a\x00b",
    "markup": "<script>alert(1)</script>{{ template }} %s {0} $(x)",
    "wide": "\U0001f600" * 5000,
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_message_is_text_and_its_end_is_kept(message: str) -> None:
    ended = {"exitCode": 1, "message": message}
    found = seen(phase="Failed", containerStatuses=[container(terminated=ended)])
    assert message[-MAX_MESSAGE:] == found.message
    assert len(found.message) <= MAX_MESSAGE


# Whose it is.


def test_a_pod_belongs_to_the_build_that_controls_it() -> None:
    pod = owned(a_pod_document("p"))
    assert pod is not None
    assert (Key(NAMESPACE, NAME), UID, "p") == (pod.owner, pod.owner_uid, pod.view.name)


@pytest.mark.parametrize(
    "change",
    [
        {"controller": False},
        {"kind": "Job"},
        {"apiVersion": "buildstate.dev.example/v1"},
        {"apiVersion": "batch/v1"},
    ],
    ids=str,
)
def test_a_pod_of_something_else_is_nobodys(change: Document) -> None:
    document = a_pod_document("p")
    document["metadata"]["ownerReferences"][0] |= change
    assert owned(document) is None


def test_a_pod_of_a_later_version_is_ours() -> None:
    document = a_pod_document("p")
    document["metadata"]["ownerReferences"][0]["apiVersion"] = "buildstate.dev/v1"
    assert owned(document)
