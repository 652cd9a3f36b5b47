"""Everything that the plan may know about one build: a frozen picture of its world."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from buildstate.domain import names
from buildstate.domain.checkpoints import CheckpointRef
from buildstate.domain.findings import Finding
from buildstate.domain.lines import Allotment
from buildstate.domain.neighbours import Neighbour
from buildstate.domain.phases import BuildPhase
from buildstate.domain.specs import BuildSpec, CheckpointPolicy, WorkResources
from buildstate.domain.states import BuildState, HeldVolume, WorkResult
from buildstate.domain.terms import Terms
from buildstate.domain.validation import Violation


class PodPhase(StrEnum):
    """Kubernetes' own phases of a Pod."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


ENDED = frozenset({PodPhase.SUCCEEDED, PodPhase.FAILED})

GATED = "SchedulingGated"
"""Why a Pod waits that has scheduling gates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """The little that matters of one Pod of ours.

    `started` is when a kubelet took it, `turn` when the latest of its containers ended that is not
    the last. `waiting` is the reason why its container has not begun, `exit_code` is None until it
    ended. `queue` is Kueue's queue that it stands in, empty for none.
    `requests` and `limits` are those of the whole Pod, as the cluster counts them.
    `disruption` says who ends it for no fault of its own, in the words of its condition
    DisruptionTarget. `verification` and `report` are what our own containers said of the artifacts
    of earlier phases, and of those of this one. `given` is what the container of the phase asks
    for, None where that is not known; `resize` is why the kubelet has not given it that yet.
    """

    name: str
    uid: str
    resource_version: str
    phase: PodPhase
    created: datetime
    started: datetime | None = None
    turn: datetime | None = None
    deleting: bool = False
    waiting: str = ""
    queue: str = ""
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    node: str = ""
    disruption: str = ""
    verification: str = ""
    report: str = ""
    given: WorkResources | None = None
    resize: str = ""
    resize_message: str = ""

    @property
    def is_live(self) -> bool:
        """Say whether something of this Pod may still run."""
        return self.phase not in ENDED

    @property
    def is_gated(self) -> bool:
        """Say whether somebody else has yet to let it be scheduled."""
        return self.waiting == GATED

    @property
    def begins(self) -> datetime | None:
        """When its time begins to run; None while others decide when that is."""
        if self.started is not None:
            return self.started
        return None if self.queue or self.is_gated else self.created


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What the API server answered when we tried to make what the build needs."""

    reason: str
    message: str
    is_permanent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize:
    """What the Pod of that uid was last asked to have, and why not; empty where it was granted."""

    uid: str
    wanted: WorkResources
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstruction:
    """Why the Pod of the present attempt cannot start, and what to do.

    `is_gone` says that its volume is not there.
    """

    reason: str
    message: str
    is_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a build's store could not be used, and when that is tried again.

    `is_permanent` says that trying again cannot help until somebody changes something.
    """

    reason: str
    message: str
    retry_time: datetime
    is_permanent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """What was found of the objects that the present phase must leave, in the order of the spec.

    With `trouble` a store could not be read, and nothing is known yet.
    """

    found: tuple[Finding, ...] = ()
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a verified checkpoint holds: the state, and the intent of that time.

    `claims` are the uids of the volumes that it builds upon, by their names.
    """

    ref: CheckpointRef
    state: BuildState
    spec: BuildSpec
    claims: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """A checkpoint that does not verify, and why."""

    name: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recoverable:
    """What the store gave when a restore was due.

    `found` is the checkpoint to restore, `refs` are the references as they are known now.
    `obstacle` says why nothing can be restored although a checkpoint verifies. With `trouble` the
    store could not be read, and nothing is known yet.
    """

    found: Held | None = None
    refs: tuple[CheckpointRef, ...] = ()
    damaged: tuple[Damaged, ...] = ()
    obstacle: str = ""
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One build and its Pods, as they stood at one moment.

    `violations` are what validation found in the stored state; `state` is None before the first
    status write. `departed` is the Pod that was last seen to go, as it was then. `trouble` is that
    of storing checkpoints. `recoverable` is None unless a restore was due, `objects` unless some
    were to be measured and have been. `is_outside` says that the build's store outlives its
    objects. `origin` is the uid of the lost build that this one is made from again. `queue_labels`
    are those that put its Pods into a queue of Kueue. `volumes` are the claims that it works on, as
    far as they are known. `obstruction` is what was found where its Pod waits for one of them.

    `others` are the builds that this one depends on and those that they wait for, by name; empty
    where no gate is ahead. `terms` are those of its namespace, None where there are none that
    concern it; `allotment` is what the line answered, None where nothing was to be asked.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    spec: BuildSpec
    state: BuildState | None
    violations: tuple[Violation, ...] = ()
    pods: tuple[PodView, ...] = ()
    departed: PodView | None = None
    refusal: Refusal | None = None
    resize: Resize | None = None
    trouble: Trouble | None = None
    recoverable: Recoverable | None = None
    objects: Objects | None = None
    is_outside: bool = False
    origin: str = ""
    queue_labels: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, Neighbour] = field(default_factory=dict)
    is_finalized: bool = False
    deletion_time: datetime | None = None
    volumes: tuple[HeldVolume, ...] = ()
    obstruction: Obstruction | None = None
    terms: Terms | None = None
    allotment: Allotment | None = None

    @property
    def deleting(self) -> bool:
        """Say whether somebody has deleted the build."""
        return self.deletion_time is not None

    @property
    def queue_name(self) -> str:
        """Kueue's queue that the Pods of this build stand in; empty for none."""
        return self.queue_labels.get(names.QUEUE_LABEL, "")

    @property
    def live_pods(self) -> tuple[PodView, ...]:
        """The Pods of this build of which something may still run."""
        return tuple(pod for pod in self.pods if pod.is_live)

    def pod_name(self, state: BuildState) -> str:
        """Name the Pod of the attempt that `state` speaks of."""
        return names.pod_name(self.name, self.uid, state.phase, state.sequence, state.attempt)

    def pod(self, state: BuildState) -> PodView | None:
        """Give the Pod of the attempt that `state` speaks of, if it is known."""
        name = self.pod_name(state)
        return next((pod for pod in self.pods if pod.name == name), None)

    def departed_pod(self, state: BuildState) -> PodView | None:
        """Give the Pod of the attempt that `state` speaks of, if it was seen to go."""
        gone = self.departed
        if gone is None or gone.name != self.pod_name(state) or self.pod(state) is not None:
            return None
        return gone

    def unconfirmed_pod(self, state: BuildState) -> str | None:
        """Name the Pod whose end something new waits for, where we only do not see it.

        What is made next must not meet it, and not to have seen it is not to know that it is gone.
        """
        record, failure = state.record, state.failure
        waited_for = None
        if state.phase is BuildPhase.ERROR and failure is not None:
            waited_for = failure.pod or None
        elif record is not None and record.result is WorkResult.FAILED:
            waited_for = self.pod_name(state)
        elif self.wants_pod(state):
            gone = self.departed_pod(state)
            waited_for = gone.name if gone else None
        is_seen = any(pod.name == waited_for for pod in self.pods)
        return None if is_seen else waited_for

    def wants_pod(self, state: BuildState) -> bool:
        """Say whether `state` is the intent to have a Pod at work."""
        record = state.record
        return record is not None and record.result is WorkResult.RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One build at one moment: what the steps of the plan decide upon."""

    observed: Observed
    now: datetime

    @property
    def spec(self) -> BuildSpec:
        """The intent."""
        return self.observed.spec

    @property
    def checkpoints(self) -> CheckpointPolicy:
        """The policy of checkpoints; the defaults where the intent has none."""
        return self.spec.checkpoints or CheckpointPolicy()

    @property
    def trouble(self) -> Trouble | None:
        """Why the store is left alone just now, or None when it may be tried."""
        trouble = self.observed.trouble
        return trouble if trouble and self.now < trouble.retry_time else None

    @property
    def target(self) -> BuildPhase:
        """The phase asked for."""
        return self.observed.spec.phase
