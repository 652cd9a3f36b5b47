"""The status of a BuildState: the validated state, as the API server keeps it."""

from typing import Annotated, Literal

from pydantic import Field

from buildstate.api.fields import (
    Count,
    FreeMap,
    HeldQuantities,
    Model,
    ObjectName,
    Promised,
    Reason,
    Text,
    Time,
)
from buildstate.domain.checkpoints import CheckpointKind, CheckpointTrigger
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.phases import BuildPhase, BuildStatus
from buildstate.domain.specs import Action
from buildstate.domain.states import (
    MAX_ARTIFACTS,
    MAX_AVOIDED,
    MAX_CHECKPOINTS,
    MAX_DEPENDENCIES,
    MAX_HELD,
    MAX_HISTORY,
    RequestOutcome,
    WorkResult,
)


class Retry(Model):
    """Why the latest attempt that failed is followed by another one."""

    reason: Reason
    """What happened to it, such as OOMKilled, Evicted, Preempted, NodeLost, PodDeleted or Error."""
    message: Text
    """The same in a sentence."""
    growths: Count = 0
    """Attempts that had too little memory and got more. They do not count for backoffLimit."""
    disruptions: Count = 0
    """Attempts that were evicted, preempted, deleted, or lost with their node. They do not count
    for backoffLimit."""


class PhaseRecord(Model):
    """How the work of one phase stands in the present run."""

    phase: BuildPhase
    """The phase."""
    result: WorkResult
    """Running, Succeeded or Failed; Restored where a checkpoint held that it had succeeded."""
    attempts: Count
    """Number of attempts so far."""
    start_time: Time
    """When the phase was entered."""
    attempt_time: Time
    """When the latest attempt was committed to."""
    completion_time: Time | None = None
    """When the work ended."""
    retry: Retry | None = None
    """Why the latest attempt that failed is followed by another one; absent where none was."""
    memory: Annotated[str, Field(max_length=32)] | None = None
    """Memory limit of the attempts since it has grown; absent while it is as asked."""
    avoid_nodes: (
        Annotated[
            tuple[Annotated[str, Field(max_length=253)], ...],
            Field(max_length=MAX_AVOIDED, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
        ]
        | None
    ) = None
    """Nodes on which attempts were disrupted, the latest first. The next Pod prefers others."""
    unschedulable_time: Time | None = None
    """Since when no node has room for the Pod; absent where one has."""


class ArtifactRecord(Model):
    """One file or object that a phase left behind, as it was when the phase ended."""

    name: Annotated[str, Field(max_length=63)]
    """Name of the artifact."""
    phase: BuildPhase
    """Phase that left it behind."""
    path: Annotated[str, Field(max_length=512)] | None = None
    """Path of the file below /workspace."""
    uri: Annotated[str, Field(max_length=512)] | None = None
    """URI of the object."""
    size: Count
    """Size in bytes."""
    sha256: Annotated[str, Field(max_length=64)]
    """SHA-256 of its content, in hexadecimal."""
    time: Time
    """When it was recorded."""


class Transition(Model):
    """One transition that was taken."""

    sequence: Count
    """Place in the order of transitions, counted from 1 without a gap."""
    origin: Annotated[BuildPhase, Field(alias="from")]
    """Phase that was left."""
    to: BuildPhase
    """Phase that was entered."""
    reason: Reason
    """Why: Advanced, or the act or failure that led there."""
    time: Time
    """When it was taken."""


class Failure(Model):
    """Why the build failed."""

    category: ErrorCategory
    """Category of the failure."""
    phase: BuildPhase
    """Phase in which it failed."""
    reason: Reason
    """What the Pod or the API server called it, such as Error, OOMKilled or DeadlineExceeded, or
    what is wrong with an artifact."""
    message: Text = ""
    """Tail of the container's termination message or log, or what the API server said."""
    attempt: Count = 0
    """Attempt that failed; 0 where none was running."""
    pod: Annotated[str, Field(max_length=253)] = ""
    """Pod of that attempt, whose logs tell more; empty where no Pod was at fault."""
    exit_code: Annotated[int, Field(ge=-(2**31), le=2**31 - 1)] | None = None
    """Exit code of the container, where one ended."""


class RequestResult(Model):
    """The answer to the latest request."""

    id: Annotated[str, Field(max_length=128)]
    """Id of the request."""
    action: Action
    """What it asked for."""
    outcome: RequestOutcome
    """Done or Refused."""
    reason: Reason
    """Why, in one word."""
    message: Text
    """Why, in a sentence."""
    time: Time
    """When it was answered."""


class RecoveryState(Model):
    """What the recovery policy has done."""

    attempts: Count = 0
    """Automatic recoveries since the build was made or led out of ERROR by hand."""
    exhausted: bool = False
    """Whether the limit is used up and onExhausted was carried out."""
    checkpoint: Annotated[str, Field(max_length=64)] = ""
    """Checkpoint that the present run goes on from; empty where it began afresh."""
    epoch: Count = 0
    """Epoch of the last restart: Resume goes back to no checkpoint of an earlier one."""


class CheckpointRef(Model):
    """One checkpoint that can be restored."""

    name: Annotated[str, Field(max_length=64)]
    """Name, for spec.request.checkpoint."""
    number: Count
    """Place in the order of checkpoints."""
    epoch: Count
    """Epoch in which it was taken; each restore and restart opens a new one."""
    sequence: Count
    """Sequence of the state that it holds."""
    phase: BuildPhase
    """Phase of the state that it holds."""
    kind: CheckpointKind
    """Full, or Delta: the difference to the one before."""
    trigger: CheckpointTrigger
    """Why it was taken: Transition, Interval, Request, or Restore for the one before a restore."""
    digest: Annotated[str, Field(max_length=128)]
    """SHA-256 over its seal, which names the digest of its content and of the one before."""
    parent: Annotated[str, Field(max_length=128)] = ""
    """Digest of the checkpoint before it; empty for the first."""
    time: Time
    """When it was taken."""
    damage: Text = ""
    """What was found wrong with it when it was to be restored; empty while nothing was."""


class DependencyState(Model):
    """How one dependency stood when it was last looked at."""

    name: Annotated[str, Field(max_length=253)]
    """Name of the other build."""
    uid: Annotated[str, Field(max_length=64)] = ""
    """Uid of the build that was there; empty while none was."""
    phase: BuildPhase
    """Phase that it must have entered."""
    before: BuildPhase = BuildPhase.BUILD
    """Phase of this build that is not entered before that."""
    artifact: Annotated[str, Field(max_length=63)] | None = None
    """Artifact that it must have left behind."""
    sha256: Annotated[str, Field(max_length=64)] | None = None
    """SHA-256 of the artifact that satisfied it, in hexadecimal."""
    satisfied: bool = False
    """Whether it had."""
    time: Time
    """When that was found; while it is not satisfied, when that build was first seen."""


class Condition(Model):
    """One condition, as in every Kubernetes object."""

    type: Annotated[str, Field(max_length=64)]
    """Succeeded, Ready, Reconciling, Stalled or Checkpointed."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    reason: Annotated[str, Field(min_length=1, max_length=256)]
    """Why, in one CamelCase word."""
    message: Text
    """Why, in a sentence."""
    observed_generation: Count
    """Generation of the spec that this speaks of."""
    last_transition_time: Time
    """When the status of this condition last changed."""


class HeldPod(Model):
    """A Pod of the build of which something may still run."""

    name: Annotated[str, Field(max_length=253)]
    """Name of the Pod."""
    uid: Annotated[str, Field(max_length=64)]
    """Uid of the Pod; another Pod of the same name has another one."""


class HeldVolume(Model):
    """A PersistentVolumeClaim that the build works on."""

    name: Annotated[str, Field(max_length=253)]
    """Name of the claim."""
    uid: Annotated[str, Field(max_length=64)]
    """Uid of the claim; one that was made anew has another one."""
    size: Annotated[str, Field(max_length=64)]
    """Size that it was given; what was asked for while that is not known."""


class ResourceState(Model):
    """What the build asks for and holds: quantities by resource, with pods and storage."""

    asked: HeldQuantities = Field(default_factory=dict)
    """What the Pod of the present phase and a workspace of the build's own ask for."""
    allocated: HeldQuantities = Field(default_factory=dict)
    """What its Pods and a workspace of its own were given. A Pod that ends within seconds may never
    be seen here."""
    released: HeldQuantities = Field(default_factory=dict)
    """What the latest that ended or was deleted gave back."""
    promised: Promised = Field(default_factory=dict)
    """What is kept for it until its end, by the keys of the namespace's quotas."""
    pods: Annotated[
        tuple[HeldPod, ...],
        Field(max_length=MAX_HELD, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Pods of which something may still run."""
    volumes: Annotated[
        tuple[HeldVolume, ...],
        Field(max_length=MAX_HELD, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """Claims that the build works on, its own or the one that it names."""


class BuildStatusModel(Model):
    """The validated state of the build. Only the operator writes it."""

    phase: BuildPhase
    """Where the build is. Only the transitions of the specification are accepted."""
    status: BuildStatus = BuildStatus.PENDING
    """How the build fares there."""
    id: Annotated[str, Field(max_length=64)] = ""
    """Identity of the state: the uid of this object."""
    timestamp: Time | None = None
    """When the state was last written."""
    target: BuildPhase = BuildPhase.COMPLETE
    """Phase that was asked for when the state was written."""
    observed_generation: Count = 0
    """Generation of the spec that this state speaks of."""
    sequence: Count = 0
    """Number of transitions taken so far. It orders everything, and never goes down."""
    epoch: Count = 0
    """Number of restores and restarts so far. A checkpoint of an earlier epoch is never taken for
    a newer one."""
    attempt: Count = 0
    """Attempt at the work of the present phase; 0 where it has none."""
    phases: Annotated[
        tuple[PhaseRecord, ...],
        Field(
            max_length=8,
            # One writer writes it as a whole: no owner of each single field needs to be kept.
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()
    """Work of the phases in the present run."""
    artifacts: Annotated[
        tuple[ArtifactRecord, ...],
        Field(max_length=MAX_ARTIFACTS, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """What the phases of the present run left behind, in the order of the phases."""
    history: Annotated[
        tuple[Transition, ...],
        Field(max_length=MAX_HISTORY, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """The latest transitions, oldest first."""
    last_request: RequestResult | None = None
    """The answer to the latest request."""
    recovery: RecoveryState = RecoveryState()
    """What the recovery policy has done."""
    checkpoints: Annotated[
        tuple[CheckpointRef, ...],
        Field(max_length=MAX_CHECKPOINTS, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """The checkpoints that can be restored, oldest first."""
    dependencies: Annotated[
        tuple[DependencyState, ...],
        Field(max_length=MAX_DEPENDENCIES, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    """The dependencies as they stood when they were last looked at. From the phase that one stands
    before, it is history."""
    failure: Failure | None = None
    """Why the build failed; absent while nothing did."""
    workspace_claim: ObjectName | None = None
    """PersistentVolumeClaim that the build holds as its own."""
    resources: ResourceState = ResourceState()
    """What the build asks for, holds and gave back."""
    metadata: FreeMap = Field(default_factory=dict)
    """spec.metadata as it was when the state was written."""
    start_time: Time | None = None
    """When the operator first saw the build."""
    completion_time: Time | None = None
    """When the build reached COMPLETE."""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=8,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            },
        ),
    ] = ()
    """Succeeded, Ready, Reconciling and Stalled: all of them, every time. Checkpointed where
    checkpoints are taken."""
    digest: Annotated[str, Field(max_length=128)] = ""
    """SHA-256 over the exact bytes of this state. A change by anybody else is found out by it."""
