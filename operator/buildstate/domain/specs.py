"""What somebody asks of a build: the intent, as the domain sees it. It is never written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from buildstate.domain.phases import BuildPhase


class Action(StrEnum):
    """The imperative acts that a request may name."""

    RESTART = "Restart"
    CLEANUP = "Cleanup"
    ABORT = "Abort"
    RESTORE = "Restore"
    CHECKPOINT = "Checkpoint"
    ARCHIVE = "Archive"
    VERIFY = "Verify"


class RecoveryStrategy(StrEnum):
    """What happens by itself when a build is in ERROR."""

    RESUME = "Resume"
    RESTART = "Restart"
    NONE = "None"


class OnExhausted(StrEnum):
    """What happens when the recovery limit is used up."""

    STOP = "Stop"
    CLEANUP = "Cleanup"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvVar:
    """One environment variable."""

    name: str
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkResources:
    """What the container of a phase asks for and may use: Kubernetes quantities by resource."""

    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryGrowth:
    """How much more memory an attempt gets after one that had too little.

    `maximum` is None for four times what was asked.
    """

    factor: str = "2"
    maximum: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePolicy:
    """What is done where resources are not enough, and how long a Pod may wait for a node."""

    memory_growth: MemoryGrowth = MemoryGrowth()
    schedule_timeout_seconds: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseWork:
    """The work of one phase: a container, and how long and how often it may try."""

    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    working_dir: str = "/workspace"
    resources: WorkResources = WorkResources()
    timeout_seconds: int | None = None
    backoff_limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasesWork:
    """The optional work of each phase."""

    setup: PhaseWork | None = None
    build: PhaseWork | None = None
    test: PhaseWork | None = None
    cleanup: PhaseWork | None = None


class ReleasePolicy(StrEnum):
    """When a build gives back a workspace of its own."""

    ON_SUCCESS = "OnSuccess"
    ON_END = "OnEnd"
    NEVER = "Never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """The volume that the phases share: a new claim of a size, or a claim that exists."""

    size: str | None = None
    storage_class_name: str | None = None
    claim_name: str | None = None
    release: ReleasePolicy = ReleasePolicy.NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file that a phase must have left in the workspace when it ends, or an object in a store."""

    name: str
    phase: BuildPhase
    path: str | None = None
    uri: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPolicy:
    """How often, how fast and how a build leaves ERROR by itself."""

    strategy: RecoveryStrategy = RecoveryStrategy.NONE
    limit: int = 3
    backoff_seconds: int = 10
    on_exhausted: OnExhausted = OnExhausted.STOP


class WhenUnavailable(StrEnum):
    """What a build does while its checkpoints cannot be stored."""

    CONTINUE = "Continue"
    WAIT = "Wait"


class DeletionPolicy(StrEnum):
    """What becomes of what an outside store holds when the build is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointPolicy:
    """When checkpoints are taken, where they go and how many stay.

    `store` is None for the default one; `interval_seconds` is None where none is taken by time.
    """

    on_transition: bool = True
    interval_seconds: int | None = None
    keep: int = 10
    full_every: int = 8
    store: str | None = None
    when_unavailable: WhenUnavailable = WhenUnavailable.CONTINUE
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One imperative act; `id` makes it happen once. `checkpoint` names what to restore."""

    id: str
    action: Action
    checkpoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Another build of the namespace: it must reach `phase` before ours enters `before`.

    Where `artifact` is named it must have left that behind, too, with that `sha256` if any.
    """

    name: str
    phase: BuildPhase = BuildPhase.COMPLETE
    artifact: str | None = None
    sha256: str | None = None
    before: BuildPhase = BuildPhase.BUILD


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """The whole intent."""

    phase: BuildPhase = BuildPhase.COMPLETE
    suspend: bool = False
    priority: int = 0
    phases: PhasesWork = PhasesWork()
    service_account_name: str | None = None
    workspace: Workspace | None = None
    resources: ResourcePolicy = ResourcePolicy()
    artifacts: tuple[Artifact, ...] = ()
    checkpoints: CheckpointPolicy | None = None
    recovery: RecoveryPolicy = RecoveryPolicy()
    request: Request | None = None
    dependencies: tuple[Dependency, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    def work(self, phase: BuildPhase) -> PhaseWork | None:
        """Give the work of `phase`, or None where it has none."""
        work: PhaseWork | None = getattr(self.phases, phase.lower(), None)
        return work
