"""The Pod of an attempt: how it is built, and what is read of it.

The Pod is built from an allow-list of our own, at Pod Security *restricted*, whatever the author
wrote. What comes back from a container is hostile input: it is only ever text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from buildstate.domain import artifacts, growths, names, verifications
from buildstate.domain.actions import ResizePod
from buildstate.domain.artifacts import Wish
from buildstate.domain.observed import GATED, Observed, PodPhase, PodView
from buildstate.domain.outcomes import UNSCHEDULABLE
from buildstate.domain.specs import PhaseWork, WorkResources, Workspace
from buildstate.domain.states import BuildState, PhaseRecord
from buildstate.kube.footprints import footprint
from buildstate.kube.owners import owner_of, owner_reference
from buildstate.kube.ports import Key
from buildstate.kube.reporters import DEFAULT_IMAGE, REPORTER, VERIFIER, Image, container

Document = dict[str, Any]
States = Mapping[str, Mapping[str, Any]]
"""The states of our containers, in the order in which they run."""


@dataclass(frozen=True, slots=True)
class OwnedPod:
    """One Pod, and the build that it belongs to."""

    owner: Key
    owner_uid: str
    view: PodView


CONTAINER = "work"
USER = 65532
GRACE_SECONDS = 10
MAX_MESSAGE = 4096
_NOTHING = WorkResources()

_OURS = (VERIFIER, CONTAINER, REPORTER)
_NOT_ITS_TURN = (None, "ContainerCreating", "PodInitializing")


def manifest(
    observed: Observed, state: BuildState, work: PhaseWork, image: Image = DEFAULT_IMAGE
) -> Document:
    """Give the Pod of the attempt that `state` commits to; `image` is that of our reporter."""
    spec = {
        **_pod_spec(observed, state, work.timeout_seconds),
        **_containers(observed, state, work, image),
    }
    return _pod(observed, state, observed.pod_name(state), spec)


def verifier(
    observed: Observed, name: str, wishes: Sequence[Wish], image: Image = DEFAULT_IMAGE
) -> Document:
    """Give the Pod that only looks at files which the phases have left behind.

    It asks for what the work asked for that left the last of them: that was admitted before.
    """
    state, work = observed.state, observed.spec.work(wishes[-1].phase)
    assert state is not None
    assert work is not None
    like = _container(work, work.resources)
    spec = {
        **_pod_spec(observed, state, verifications.MAX_SECONDS),
        "containers": [container(VERIFIER, wishes, image, like)],
    }
    return _pod(observed, state, name, spec)


def _pod(observed: Observed, state: BuildState, name: str, spec: Document) -> Document:
    # Whose log is shown to who names none.
    main = {"kubectl.kubernetes.io/default-container": CONTAINER}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": observed.namespace,
            "labels": {
                names.MANAGED_BY_LABEL: names.MANAGED_BY,
                names.BUILD_LABEL: observed.name,
                names.PHASE_LABEL: state.phase.value,
                names.SEQUENCE_LABEL: str(state.sequence),
                names.ATTEMPT_LABEL: str(state.attempt),
                **observed.queue_labels,
            },
            **({"annotations": main} if "initContainers" in spec else {}),
            "ownerReferences": [owner_reference(observed)],
        },
        "spec": spec,
    }


def _pod_spec(observed: Observed, state: BuildState, seconds: int | None) -> Document:
    optional = {
        "activeDeadlineSeconds": seconds,
        "serviceAccountName": observed.spec.service_account_name,
        "affinity": _affinity(state.record),
    }
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "workspace", **_volume(observed.spec.workspace, state.workspace_claim)},
        ],
        **{name: value for name, value in optional.items() if value is not None},
    }


def _affinity(record: PhaseRecord | None) -> Document | None:
    nodes = record.avoid_nodes if record else None
    if not nodes:
        return None
    # Preferred only: where there is no other node, the same one is better than none.
    fields = [{"key": "metadata.name", "operator": "NotIn", "values": [node]} for node in nodes]
    term = {"weight": 100, "preference": {"matchFields": fields}}
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}


def _containers(observed: Observed, state: BuildState, work: PhaseWork, image: Image) -> Document:
    """Give the work, and beside it what looks after its artifacts, one after the other."""
    before = artifacts.earlier(observed.spec, state)
    after = artifacts.declared(observed.spec, state.phase)
    own = _container(work, growths.needed(work, state.record))
    in_order = [
        *([container(VERIFIER, before, image, own)] if before else ()),
        own,
        *([container(REPORTER, after, image, own)] if after else ()),
    ]
    first = {"initContainers": in_order[:-1]} if len(in_order) > 1 else {}
    return {**first, "containers": in_order[-1:]}


def _container(work: PhaseWork, resources: WorkResources) -> Document:
    optional = {
        "command": list(work.command),
        "args": list(work.args),
        "resources": need(resources),
    }
    return {
        "name": CONTAINER,
        "image": work.image,
        "imagePullPolicy": "IfNotPresent",
        "env": _environment(work),
        "workingDir": work.working_dir,
        # Where a command fails without a message of its own, the end of its log is the message.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path in the container
            {"name": "workspace", "mountPath": "/workspace"},
        ],
        **{name: value for name, value in optional.items() if value},
    }


def _environment(work: PhaseWork) -> list[Document]:
    own = [{"name": variable.name, "value": variable.value} for variable in work.env]
    if any(variable.name == "HOME" for variable in work.env):
        return own
    # The user has no entry in the image's passwd, so tools would take / for their home.
    return [{"name": "HOME", "value": "/tmp"}, *own]  # noqa: S108 - a path in the container


def need(resources: WorkResources) -> Document:
    """Give what a container asks for as its manifest says it."""
    asked = {"requests": dict(resources.requests), "limits": dict(resources.limits)}
    return {name: quantities for name, quantities in asked.items() if quantities}


def resized(wanted: ResizePod) -> Document:
    """Give the patch of the subresource `resize` that asks for that, of exactly that Pod."""
    container = {"name": CONTAINER, "resources": need(wanted.wanted)}
    return {"metadata": {"uid": wanted.uid}, "spec": {"containers": [container]}}


def _volume(workspace: Workspace | None, own_claim: str | None) -> Document:
    claim = workspace.claim_name if workspace and workspace.claim_name else own_claim
    if claim is None:
        return {"emptyDir": {}}
    return {"persistentVolumeClaim": {"claimName": claim}}


def owned(pod: Mapping[str, Any]) -> OwnedPod | None:
    """Give a Pod with its build, or None for a Pod that no build controls."""
    owner = owner_of(pod)
    if owner is None:
        return None
    key = Key(pod["metadata"]["namespace"], owner["name"])
    return OwnedPod(key, owner["uid"], view(pod))


def view(pod: Mapping[str, Any]) -> PodView:
    """Give the little of a Pod that the plan needs."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    states = _own_states(status)
    ended, waiting = _ended(states), _waiting(states)
    told = {one.get("type"): one for one in status.get("conditions") or ()}
    unscheduled = _unscheduled(pod, told)
    disruption = _true(told, "DisruptionTarget")
    pending = _true(told, "PodResizePending")
    messages = (one.get("message") for one in (ended, waiting, status, disruption, unscheduled))
    return PodView(
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        phase=PodPhase(status.get("phase") or PodPhase.PENDING),
        created=datetime.fromisoformat(metadata["creationTimestamp"]),
        started=_time(status.get("startTime")),
        turn=_turn(states),
        deleting="deletionTimestamp" in metadata,
        waiting=waiting.get("reason") or unscheduled.get("reason") or "",
        queue=(metadata.get("labels") or {}).get(names.QUEUE_LABEL, ""),
        reason=status.get("reason") or ended.get("reason") or "",
        message=next(filter(None, messages), "")[-MAX_MESSAGE:],
        exit_code=ended.get("exitCode"),
        requests=footprint(pod, "requests"),
        limits=footprint(pod, "limits"),
        node=(pod.get("spec") or {}).get("nodeName") or "",
        disruption=disruption.get("reason") or "",
        verification=_said(states, VERIFIER),
        report=_said(states, REPORTER),
        given=_given(pod),
        resize=pending.get("reason") or "",
        resize_message=(pending.get("message") or "")[:MAX_MESSAGE],
    )


def _said(states: States, name: str) -> str:
    ended = states.get(name, {}).get("terminated") or {}
    return (ended.get("message") or "")[:MAX_MESSAGE]


def _turn(states: States) -> datetime | None:
    if len(states) < 2:
        return None  # Nearly every Pod: its only container waits for no other one.
    ends = ((state.get("terminated") or {}).get("finishedAt") for state in states.values())
    return max(filter(None, map(_time, ends)), default=None)


def _given(pod: Mapping[str, Any]) -> WorkResources | None:
    containers = (pod.get("spec") or {}).get("containers") or ()
    own = next((one for one in containers if one["name"] == CONTAINER), None)
    if own is None:
        return None
    asked = own.get("resources")
    if not asked:
        return _NOTHING
    return WorkResources(requests=asked.get("requests") or {}, limits=asked.get("limits") or {})


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _own_states(status: Mapping[str, Any]) -> States:
    # Others may stand beside ours, put there by an admission webhook.
    known = {
        one["name"]: one.get("state") or {}
        for kind in ("initContainerStatuses", "containerStatuses")
        for one in status.get(kind) or ()
    }
    return {name: known[name] for name in _OURS if name in known}


def _ended(states: States) -> Mapping[str, Any]:
    """Give the end of the first that failed, or else that of the work."""
    ends = {name: state.get("terminated") or {} for name, state in states.items()}
    failed = (end for end in ends.values() if end.get("exitCode"))
    return next(failed, ends.get(CONTAINER, {}))


def _waiting(states: States) -> Mapping[str, Any]:
    """Give what the first waits for that cannot begin, or else what the work does."""
    waits = {name: state.get("waiting") or {} for name, state in states.items()}
    stuck = (wait for wait in waits.values() if wait.get("reason") not in _NOT_ITS_TURN)
    return next(stuck, waits.get(CONTAINER, {}))


def _unscheduled(pod: Mapping[str, Any], told: Mapping[str, Any]) -> Mapping[str, Any]:
    gates = [gate["name"] for gate in (pod.get("spec") or {}).get("schedulingGates") or ()]
    if gates:
        return {"reason": GATED, "message": f"scheduling gate {', '.join(gates)} holds it"}
    scheduled: Mapping[str, Any] = told.get("PodScheduled") or {}
    if (pod.get("spec") or {}).get("nodeName"):
        return {}  # The scheduler may say so late of a Pod that somebody gave to a node.
    # The scheduler takes back that a Pod is gated only when it has looked at it.
    return scheduled if scheduled.get("reason") in (UNSCHEDULABLE, GATED) else {}


def _true(told: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    condition: Mapping[str, Any] = told.get(kind) or {}
    return condition if condition.get("status") == "True" else {}
