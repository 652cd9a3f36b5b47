"""The validated state of a build: the specification's BuildState and what belongs to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from buildstate.domain.checkpoints import CheckpointRef
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.phases import BuildPhase, BuildStatus
from buildstate.domain.specs import Action

MAX_HISTORY = 32
"""How many transitions the status keeps; older ones fall out of the ring."""

MAX_ARTIFACTS = 32
"""How many artifacts a build may declare: what is found of them fits one termination message."""

MAX_TEXT = 1024
"""How many characters a message may have."""

MAX_HELD = 16
"""How many Pods and volumes of a build the status names."""

MAX_AVOIDED = 5
"""How many nodes a Pod is kept away from."""

MAX_KEPT = 50
MAX_FULL_EVERY = 20
MAX_CHECKPOINTS = MAX_KEPT + 2 * MAX_FULL_EVERY
"""How many references there can be: the kept ones, what the oldest of them needs, and the newest
that is not damaged with what that needs."""

MAX_DEPENDENCIES = 32


class WorkResult(StrEnum):
    """How the work of a phase stands."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    RESTORED = "Restored"

    @property
    def is_done(self) -> bool:
        """Say whether nothing is left to do."""
        return self in (WorkResult.SUCCEEDED, WorkResult.RESTORED)


class RequestOutcome(StrEnum):
    """What became of a request."""

    DONE = "Done"
    REFUSED = "Refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Why the latest attempt that failed is followed by another one.

    `growths` and `disruptions` count the attempts that do not count for the backoff limit: those
    that had too little memory, and those that ended for no fault of their own.
    """

    reason: str
    message: str
    growths: int = 0
    disruptions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRecord:
    """The work of one phase in the present run.

    `attempt_time` is when the intent of the latest attempt was committed; timeouts count from it.
    `memory` is the grown limit, None while it is as asked; `avoid_nodes` are where attempts were
    disrupted, the latest first; `unschedulable_time` is since when no node has room for the Pod.
    """

    phase: BuildPhase
    result: WorkResult
    attempts: int
    start_time: datetime
    attempt_time: datetime
    completion_time: datetime | None = None
    retry: Retry | None = None
    memory: str | None = None
    avoid_nodes: tuple[str, ...] | None = None
    unschedulable_time: datetime | None = None

    @property
    def spared(self) -> int:
        """How many of the attempts do not count for the backoff limit."""
        return self.retry.growths + self.retry.disruptions if self.retry else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRecord:
    """A file or an object that a phase left behind, as it was when the phase ended.

    `size` is in bytes.
    """

    name: str
    phase: BuildPhase
    path: str | None = None
    uri: str | None = None
    size: int
    sha256: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One edge that was taken; `sequence` orders them, never the time."""

    sequence: int
    origin: BuildPhase
    to: BuildPhase
    reason: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why the build failed: the category, and what the phase's Pod said.

    `pod` names the Pod whose logs tell more; it is empty where no Pod was at fault.
    `message` holds the tail of the container's termination message; `exit_code` is None where no
    container ended.
    """

    category: ErrorCategory
    phase: BuildPhase
    reason: str
    message: str = ""
    attempt: int = 0
    pod: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestResult:
    """The answer to the latest request."""

    id: str
    action: Action
    outcome: RequestOutcome
    reason: str
    message: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryState:
    """How often the recovery policy has acted since the build was made or led out of ERROR by hand.

    `checkpoint` names what the present run goes on from; it is empty where it began afresh. `epoch`
    is that of the last restart: the policy goes back no further.
    """

    attempts: int = 0
    exhausted: bool = False
    checkpoint: str = ""
    epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyState:
    """How one dependency stood when it was last looked at.

    `uid` is that of the build that was there, empty while none was. `sha256` is the digest of the
    artifact that satisfied it. `time` is when it was satisfied, or when that build was first seen.
    """

    name: str
    uid: str = ""
    phase: BuildPhase
    before: BuildPhase = BuildPhase.BUILD
    artifact: str | None = None
    sha256: str | None = None
    satisfied: bool = False
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One Kubernetes condition."""

    type: str
    status: str
    reason: str
    message: str
    observed_generation: int
    last_transition_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPod:
    """A Pod that a build holds; its uid tells it from another one of the same name."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldVolume:
    """A claim that a build works on; `size` is what it was given, as a quantity."""

    name: str
    uid: str
    size: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceState:
    """What a build asks for, what it was given, and what it gave back last: quantities by resource.

    Besides the resources of Pods there are `storage`, of a workspace of its own, and `pods`.
    `promised` is what the quotas of the namespace keep for it, by their keys.
    """

    asked: Mapping[str, str] = field(default_factory=dict)
    allocated: Mapping[str, str] = field(default_factory=dict)
    released: Mapping[str, str] = field(default_factory=dict)
    promised: Mapping[str, str] = field(default_factory=dict)
    pods: tuple[HeldPod, ...] = ()
    volumes: tuple[HeldVolume, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildState:
    """The state of one build as it stands in `status`. Only the operator writes it."""

    id: str
    timestamp: datetime
    phase: BuildPhase
    status: BuildStatus
    target: BuildPhase = BuildPhase.COMPLETE
    observed_generation: int = 0
    sequence: int = 0
    epoch: int = 0
    attempt: int = 0
    phases: tuple[PhaseRecord, ...] = ()
    artifacts: tuple[ArtifactRecord, ...] = ()
    history: tuple[Transition, ...] = ()
    last_request: RequestResult | None = None
    recovery: RecoveryState = RecoveryState()
    checkpoints: tuple[CheckpointRef, ...] = ()
    dependencies: tuple[DependencyState, ...] = ()
    failure: Failure | None = None
    workspace_claim: str | None = None
    resources: ResourceState = ResourceState()
    metadata: Mapping[str, str] = field(default_factory=dict)
    start_time: datetime | None = None
    completion_time: datetime | None = None
    conditions: tuple[Condition, ...] = ()
    digest: str = ""

    @property
    def record(self) -> PhaseRecord | None:
        """The work of the present phase, or None where it has none."""
        return self.record_of(self.phase)

    def record_of(self, phase: BuildPhase) -> PhaseRecord | None:
        """Give the work of that phase in the present run, or None where it has none yet."""
        return next((record for record in self.phases if record.phase is phase), None)

    @property
    def newest_checkpoint(self) -> CheckpointRef | None:
        """The reference to the newest checkpoint, or None where there is none."""
        return self.checkpoints[-1] if self.checkpoints else None

    @property
    def is_archived(self) -> bool:
        """Say whether the build was put away: nothing happens to it any more."""
        return self.status is BuildStatus.ARCHIVED

    def with_record(self, record: PhaseRecord) -> "BuildState":
        """Give this state with `record` in the place of the one of the same phase."""
        others = tuple(known for known in self.phases if known.phase is not record.phase)
        return replace(self, phases=(*others, record))

    def condition(self, kind: str) -> Condition | None:
        """Give the condition of that type, or None where it is not written."""
        return next((one for one in self.conditions if one.type == kind), None)
