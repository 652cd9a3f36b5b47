"""The contract `buildstate.dev/v1alpha1`, kind BuildState, as pydantic models.

From these come the CRD, its bounds, its words in `kubectl explain`, and the parsing of what the API
server sends. Parsing ignores what it does not know, since older and newer writers exist.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import (
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

from buildstate.api import rules
from buildstate.api.schema import INT_OR_STRING
from buildstate.domain.checkpoints import CheckpointKind, CheckpointTrigger
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.phases import BuildPhase, BuildStatus
from buildstate.domain.specs import (
    Action,
    DeletionPolicy,
    OnExhausted,
    RecoveryStrategy,
    WhenUnavailable,
)
from buildstate.domain.states import (
    MAX_CHECKPOINTS,
    MAX_FULL_EVERY,
    MAX_HISTORY,
    MAX_KEPT,
    RequestOutcome,
    WorkResult,
)

GROUP = "buildstate.dev"
VERSION = "v1alpha1"
KIND = "BuildState"
PLURAL = "buildstates"
API_VERSION = f"{GROUP}/{VERSION}"

_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_MAX_COUNT = 2**53 - 1


def _rules(*checks: rules.Rule) -> JsonDict:
    return {"x-kubernetes-validations": [check.schema() for check in checks]}


def rfc3339(time: datetime) -> str:
    """Give a time in UTC as it is written in a status, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Text = Annotated[str, Field(max_length=1024)]
Reason = Annotated[str, Field(max_length=256)]
Identifier = Annotated[str, Field(min_length=1, max_length=253)]
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=_NAME)]
Argument = Annotated[str, Field(max_length=32768)]
Count = Annotated[int, Field(ge=0, le=_MAX_COUNT)]
Time = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
Quantity = Annotated[
    str,
    BeforeValidator(str),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 32,
            "pattern": r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
            INT_OR_STRING: True,
        },
    ),
]
Quantities = Annotated[
    dict[str, Quantity],
    Field(max_length=16, json_schema_extra=_rules(rules.ARE_RESOURCES)),
]
FreeMap = Annotated[dict[str, Text], Field(max_length=32)]


class Model(BaseModel):
    """What all parts of the contract share: camelCase, and words taken from the docstrings."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(alias=to_camel),
        populate_by_name=True,
        use_attribute_docstrings=True,
        from_attributes=True,
        frozen=True,
        extra="ignore",
    )


class EnvVar(Model):
    """One environment variable of the container."""

    name: Annotated[
        str, Field(min_length=1, max_length=256, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")
    ]
    """Name of the variable."""
    value: Argument = ""
    """Value of the variable. Everybody who may read the BuildState can read it: no secrets."""


class WorkResources(Model):
    """What the container asks for and may use."""

    model_config = ConfigDict(json_schema_extra=_rules(rules.REQUESTS_FIT_LIMITS))

    requests: Quantities = Field(default_factory=dict)
    """Quantities that are reserved, by resource; for example cpu: 500m."""
    limits: Quantities = Field(default_factory=dict)
    """Quantities that are not exceeded, by resource; for example memory: 1Gi."""


class PhaseWork(Model):
    """Work of one phase, done by one Pod at a time.

    The operator builds the Pod itself, at Pod Security *restricted*: user 65532, no token, no
    capabilities, a read-only root file system, writable /tmp and /workspace.
    """

    image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^\S+$")]
    """Container image. It is pulled where the node does not have it."""
    command: Annotated[tuple[Argument, ...], Field(max_length=64)] = ()
    """Command to run instead of the image's entry point. Not run in a shell."""
    args: Annotated[tuple[Argument, ...], Field(max_length=64)] = ()
    """Arguments of the command."""
    env: Annotated[
        tuple[EnvVar, ...],
        Field(
            max_length=64,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ] = ()
    """Environment of the command. HOME is /tmp unless it is set here."""
    working_dir: Annotated[str, Field(max_length=1024, pattern=r"^/")] = "/workspace"
    """Directory in which the command starts."""
    resources: WorkResources = WorkResources()
    """What the container asks for and may use."""
    timeout_seconds: Annotated[int, Field(ge=1, le=7 * 24 * 3600)] | None = None
    """Seconds that one attempt may take, from the making of its Pod; without it no limit."""
    backoff_limit: Annotated[int, Field(ge=0, le=20)] = 0
    """How often a failed attempt is tried again before the build goes to ERROR."""


class PhasesWork(Model):
    """The work of the phases. A phase without work is passed through, or waited in when it is the
    one asked for, so that an outside pipeline can do the work.
    """

    setup: PhaseWork | None = None
    """Work of SETUP."""
    build: PhaseWork | None = None
    """Work of BUILD."""
    test: PhaseWork | None = None
    """Work of TEST."""
    cleanup: PhaseWork | None = None
    """Work of CLEANUP."""


class Workspace(Model):
    """Volume that the phases share, mounted at /workspace: a new claim, or one that exists."""

    model_config = ConfigDict(
        json_schema_extra=_rules(
            rules.ONE_VOLUME, rules.CLASS_GOES_WITH_SIZE, rules.SIZE_IS_POSITIVE
        ),
    )

    size: Quantity | None = None
    """Size of a new claim that belongs to the build and goes with it; for example 1Gi."""
    storage_class_name: ObjectName | None = None
    """StorageClass of the new claim; the cluster's default where it is not set."""
    claim_name: ObjectName | None = None
    """Name of a PersistentVolumeClaim of this namespace. It is never deleted by the operator."""


class CheckpointPolicy(Model):
    """When checkpoints are taken, where they are stored and how many of them stay."""

    on_transition: bool = True
    """Take one at each transition."""
    interval_seconds: Annotated[int, Field(ge=10, le=24 * 3600)] | None = None
    """Take one when the newest is that many seconds old, while a phase is at work."""
    keep: Annotated[int, Field(ge=1, le=MAX_KEPT)] = 10
    """How many stay. What a later one needs to be read stays as well."""
    full_every: Annotated[int, Field(ge=1, le=MAX_FULL_EVERY)] = 8
    """Every how many checkpoints one holds the whole state; those between hold the difference."""
    store: ObjectName | None = None
    """Name of a store that the platform team has set up; their default where it is not set."""
    when_unavailable: WhenUnavailable = WhenUnavailable.CONTINUE
    """What happens while the store cannot be written. Continue: the build goes on, and the
    condition Checkpointed says why it is False. Wait: no further phase is entered until then."""
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """What becomes of what a store outside of the cluster holds when this object is deleted.
    Checkpoints in ConfigMaps always go with the object."""


class RecoveryPolicy(Model):
    """How a build leaves ERROR by itself."""

    strategy: RecoveryStrategy = RecoveryStrategy.NONE
    """Resume: restore the newest checkpoint that verifies and go on at the first phase that it does
    not hold. Restart: go back to INIT and run every phase again. None: stay in ERROR."""
    limit: Annotated[int, Field(ge=0, le=100)] = 3
    """How many automatic recoveries there may be."""
    backoff_seconds: Annotated[int, Field(ge=0, le=24 * 3600)] = 10
    """Seconds between the failure and the automatic recovery."""
    on_exhausted: OnExhausted = OnExhausted.STOP
    """What happens when the limit is used up. Stop: stay in ERROR. Cleanup: run CLEANUP and end in
    COMPLETE, with the condition Succeeded False."""


class Request(Model):
    """One imperative act. It is done once for each id; the answer is in status.lastRequest."""

    model_config = ConfigDict(json_schema_extra=_rules(rules.CHECKPOINT_GOES_WITH_RESTORE))

    id: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^\S+$")]
    """Token of your choice. Applying the same id again does nothing; a new act needs a new id."""
    action: Action
    """Restart: from ERROR back to INIT and on. Restore: the same, but phases that the checkpoint
    holds are not run again. Cleanup: from ERROR to CLEANUP and on. Abort: stop the Pod, release
    everything and go to ERROR. Checkpoint: take one now. Archive: put an ended build away."""
    checkpoint: Annotated[str, Field(min_length=1, max_length=64, pattern=_NAME)] | None = None
    """Checkpoint to restore, one of status.checkpoints; the newest that verifies where it is not
    set."""


class BuildSpec(Model):
    """What is asked for. The operator never writes it."""

    phase: BuildPhase = BuildPhase.COMPLETE
    """Phase to reach. The operator walks there one valid transition at a time and waits there.
    ERROR aborts the build."""
    suspend: bool = False
    """Start nothing new: a Pod that runs goes on to its end, no other one is started."""
    phases: PhasesWork = PhasesWork()
    """Work of the phases. It cannot change once the build has left INIT, except in ERROR."""
    service_account_name: ObjectName | None = None
    """ServiceAccount of the Pods, for example for its image pull secrets. Its token is not
    mounted."""
    workspace: Workspace | None = None
    """Volume that the phases share. Without it each Pod has an empty /workspace of its own."""
    checkpoints: CheckpointPolicy | None = None
    """When checkpoints are taken and where they are stored; none by themselves without it."""
    recovery: RecoveryPolicy = RecoveryPolicy()
    """How the build leaves ERROR by itself."""
    request: Request | None = None
    """One imperative act."""
    metadata: FreeMap = Field(default_factory=dict)
    """Free information about the build, such as a commit or a ticket."""


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
    """What the Pod or the API server called it, such as Error, OOMKilled or DeadlineExceeded."""
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
    failure: Failure | None = None
    """Why the build failed; absent while nothing did."""
    workspace_claim: ObjectName | None = None
    """PersistentVolumeClaim that the build holds as its own."""
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


class BuildStateModel(Model):
    """Keeps the state of one build: its spec asks for a phase, its status holds the validated state
    that the operator reached. Each phase may run work in a Pod; illegal transitions are refused by
    the API server.
    """

    model_config = ConfigDict(json_schema_extra=_rules(*rules.ROOT_RULES))

    spec: BuildSpec
    """What is asked for. The operator never writes it."""
    status: BuildStatusModel | None = None
    """The validated state. Only the operator writes it."""
