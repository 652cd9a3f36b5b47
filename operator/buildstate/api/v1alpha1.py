"""The contract `buildstate.dev/v1alpha1`, kind BuildState, as pydantic models.

From these come the CRD, its bounds, its words in `kubectl explain`, and the parsing of what the API
server sends. Parsing ignores what it does not know, since older and newer writers exist.
"""

from typing import Annotated

from pydantic import ConfigDict, Field, WithJsonSchema

from buildstate.api import rules
from buildstate.api.fields import (
    NAME,
    OBJECT,
    Argument,
    FreeMap,
    Model,
    ObjectName,
    Quantities,
    Quantity,
    validated_by,
)
from buildstate.api.statuses import BuildStatusModel
from buildstate.domain.phases import WAY, WORK_PHASES, BuildPhase
from buildstate.domain.specs import (
    Action,
    DeletionPolicy,
    OnExhausted,
    RecoveryStrategy,
    ReleasePolicy,
    WhenUnavailable,
)
from buildstate.domain.states import (
    MAX_ARTIFACTS,
    MAX_DEPENDENCIES,
    MAX_FULL_EVERY,
    MAX_KEPT,
)

GROUP = "buildstate.dev"
VERSION = "v1alpha1"
KIND = "BuildState"
PLURAL = "buildstates"
API_VERSION = f"{GROUP}/{VERSION}"

DependencyPhase = Annotated[
    BuildPhase, WithJsonSchema({"type": "string", "enum": [str(one) for one in WAY]})
]
GatedPhase = Annotated[
    BuildPhase, WithJsonSchema({"type": "string", "enum": [str(one) for one in WAY[1:]]})
]


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

    model_config = ConfigDict(json_schema_extra=validated_by(rules.REQUESTS_FIT_LIMITS))

    requests: Quantities = Field(default_factory=dict)
    """Quantities that are reserved, by resource; for example cpu: 500m."""
    limits: Quantities = Field(default_factory=dict)
    """Quantities that are not exceeded, by resource; for example memory: 1Gi."""


class MemoryGrowth(Model):
    """How much more memory an attempt gets after one that was OOMKilled.

    It goes for the phases that have a memory limit. The request grows by the same factor.
    """

    model_config = ConfigDict(
        json_schema_extra=validated_by(rules.FACTOR_GROWS, rules.MAXIMUM_IS_POSITIVE),
    )

    factor: Quantity = "2"
    """By how much the limit is multiplied, at least 1.1."""
    maximum: Quantity | None = None
    """Limit that is never passed, for example 8Gi; four times what was asked where it is not
    set. What is not above the phase's own limit switches growth off."""


class ResourcePolicy(Model):
    """What is done where resources are not enough."""

    memory_growth: MemoryGrowth = MemoryGrowth()
    """How much more memory an attempt gets after one that was OOMKilled."""
    schedule_timeout_seconds: Annotated[int, Field(ge=1, le=7 * 24 * 3600)] = 600
    """Seconds that a Pod may wait for a node that has room for it, before the build fails."""


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
    """What the container asks for and may use. A change while the phase runs is applied to its Pod
    in place where the cluster can, else with the next attempt."""
    timeout_seconds: Annotated[int, Field(ge=1, le=7 * 24 * 3600)] | None = None
    """Seconds that an attempt may take from the start of its Pod, which has as many to begin."""
    backoff_limit: Annotated[int, Field(ge=0, le=20)] = 0
    """How often a failed attempt is tried again before the build goes to ERROR. Attempts that had
    too little memory and get more, and up to 5 that were disrupted, do not count."""


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


class Artifact(Model):
    """A file in the workspace or an object in a store that a phase must have left when its work has
    succeeded.
    """

    model_config = ConfigDict(
        json_schema_extra=validated_by(rules.PATH_OR_URI, rules.PATH_STAYS_INSIDE)
    )

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=NAME)]
    """Name of the artifact, one of its own in the build."""
    phase: Annotated[
        BuildPhase,
        WithJsonSchema({"type": "string", "enum": [one.value for one in WORK_PHASES]}),
    ]
    """Phase that leaves it behind; one that has work."""
    path: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00]+$")] | None = None
    """Path of the file below /workspace, written with or without that. A link is followed as long
    as it leads to a file in the workspace."""
    uri: Annotated[str, Field(max_length=512, pattern=OBJECT)] | None = None
    """Object in a store that the platform team has set up: store://NAME/KEY. The key is looked for
    below artifacts/, in the part of this namespace."""
    sha256: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 that the file must have, in hexadecimal. Without it any content is fine."""


class Workspace(Model):
    """Volume that the phases share, mounted at /workspace: a new claim, or one that exists."""

    model_config = ConfigDict(
        json_schema_extra=validated_by(
            rules.ONE_VOLUME,
            rules.CLASS_GOES_WITH_SIZE,
            rules.RELEASE_GOES_WITH_SIZE,
            rules.SIZE_IS_POSITIVE,
        ),
    )

    size: Quantity | None = None
    """Size of a new claim that belongs to the build and goes with it; for example 1Gi."""
    storage_class_name: ObjectName | None = None
    """StorageClass of the new claim; the cluster's default where it is not set."""
    claim_name: ObjectName | None = None
    """Name of a PersistentVolumeClaim of this namespace. It is never deleted by the operator."""
    release: ReleasePolicy = ReleasePolicy.NEVER
    """When a claim of the build's own is deleted, with the ended Pods that hold it. OnSuccess: in
    COMPLETE, unless something had failed. OnEnd: in COMPLETE, and in ERROR where nothing leads out
    of it by itself. Never: with this object. An aborted build gives it back in any case."""


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

    model_config = ConfigDict(
        json_schema_extra=validated_by(
            rules.CHECKPOINT_GOES_WITH_RESTORE, rules.REQUEST_KEEPS_ITS_MEANING
        )
    )

    id: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^\S+$")]
    """Token of your choice. Applying the same id again does nothing; a new act needs a new id."""
    action: Action
    """Restart: from ERROR back to INIT and on. Restore: the same, but phases that the checkpoint
    holds are not run again. Cleanup: from ERROR to CLEANUP and on. Abort: stop the Pod, release
    everything and go to ERROR. Checkpoint: take one now. Archive: put an ended build away.
    Verify: look at the state and at the artifacts in the workspace again."""
    checkpoint: Annotated[str, Field(min_length=1, max_length=64, pattern=NAME)] | None = None
    """Checkpoint to restore, one of status.checkpoints; the newest that verifies where it is not
    set."""


class Dependency(Model):
    """Another build of this namespace that this one waits for."""

    model_config = ConfigDict(json_schema_extra=validated_by(rules.DIGEST_GOES_WITH_ARTIFACT))

    name: ObjectName
    """Name of the other BuildState. It need not exist yet."""
    phase: DependencyPhase = BuildPhase.COMPLETE
    """Phase that the other build must have entered in its present run; COMPLETE means that it has
    succeeded."""
    artifact: Annotated[str, Field(min_length=1, max_length=63, pattern=NAME)] | None = None
    """Artifact that the other build must have left behind as well."""
    sha256: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 that the artifact must have, in hexadecimal. Without it any content is fine."""
    before: GatedPhase = BuildPhase.BUILD
    """Phase of this build that is not entered before that."""


class BuildSpec(Model):
    """What is asked for. The operator never writes it."""

    phase: BuildPhase = BuildPhase.COMPLETE
    """Phase to reach. The operator walks there one valid transition at a time and waits there.
    ERROR aborts the build."""
    suspend: bool = False
    """Start nothing new: a Pod that runs goes on to its end, no other one is started."""
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    """Place in the line where the namespace's quota has no room for all: the higher goes first,
    among equals the older."""
    phases: PhasesWork = PhasesWork()
    """Work of the phases. It cannot change once the build has left INIT, except in ERROR. Resources
    of a phase can change at any time."""
    service_account_name: ObjectName | None = None
    """ServiceAccount of the Pods, for example for its image pull secrets. Its token is not
    mounted."""
    workspace: Workspace | None = None
    """Volume that the phases share. Without it each Pod has an empty /workspace of its own."""
    resources: ResourcePolicy = ResourcePolicy()
    """What is done where resources are not enough."""
    artifacts: Annotated[
        tuple[Artifact, ...],
        Field(
            max_length=MAX_ARTIFACTS,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ] = ()
    """What the phases must leave behind. It is measured when the work of the phase has succeeded;
    files are looked at again before each later phase where the build has a workspace."""
    checkpoints: CheckpointPolicy | None = None
    """When checkpoints are taken and where they are stored; none by themselves without it."""
    recovery: RecoveryPolicy = RecoveryPolicy()
    """How the build leaves ERROR by itself."""
    request: Request | None = None
    """One imperative act."""
    dependencies: Annotated[
        tuple[Dependency, ...],
        Field(
            max_length=MAX_DEPENDENCIES,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ] = ()
    """Builds of this namespace that this one waits for. An entry cannot change once the phase that
    it stands before was entered, except in ERROR."""
    metadata: FreeMap = Field(default_factory=dict)
    """Free information about the build, such as a commit or a ticket."""


class BuildStateModel(Model):
    """Keeps the state of one build: its spec asks for a phase, its status holds the validated state
    that the operator reached. Each phase may run work in a Pod; illegal transitions are refused by
    the API server.
    """

    model_config = ConfigDict(json_schema_extra=validated_by(*rules.ROOT_RULES))

    spec: BuildSpec
    """What is asked for. The operator never writes it."""
    status: BuildStatusModel | None = None
    """The validated state. Only the operator writes it."""
