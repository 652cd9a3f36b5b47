"""Worlds for the tests: a build in every situation, said in words.

    a_build().with_work(BUILD).in_phase(BUILD).with_pod(FAILED, exit_code=3).observed()

`written` is the point at which the operator wrote its status; what is said after it (another
target, a request, a Pod that ended) is news to it.
"""

import itertools
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from buildstate.api import convert
from buildstate.domain import names
from buildstate.domain.allocations import counted
from buildstate.domain.captures import CONDITION
from buildstate.domain.checkpoints import CheckpointKind, CheckpointRef, CheckpointTrigger, name_of
from buildstate.domain.conditions import summarise
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.findings import Finding, Lack
from buildstate.domain.neighbours import Neighbour
from buildstate.domain.observed import (
    Damaged,
    Held,
    Moment,
    Objects,
    Observed,
    PodPhase,
    PodView,
    Recoverable,
    Refusal,
    Resize,
    Trouble,
)
from buildstate.domain.phases import WORK_PHASES, BuildPhase, BuildStatus
from buildstate.domain.specs import (
    Action,
    Artifact,
    BuildSpec,
    CheckpointPolicy,
    Dependency,
    OnExhausted,
    PhasesWork,
    PhaseWork,
    RecoveryPolicy,
    RecoveryStrategy,
    Request,
    Workspace,
)
from buildstate.domain.states import (
    ArtifactRecord,
    BuildState,
    Condition,
    Failure,
    HeldVolume,
    PhaseRecord,
    RecoveryState,
    RequestOutcome,
    RequestResult,
    Transition,
    WorkResult,
)
from buildstate.domain.transitions import path
from buildstate.domain.validation import Violation

NAMESPACE = "team"
NAME = "demo"
UID = "6f0d4a5e-0001-4000-8000-000000000001"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
"""The time at which everything happens unless a test says otherwise."""

CLAIM = names.claim_name(NAME, UID)
FORWARD = (*(phase for phase in BuildPhase if phase is not BuildPhase.ERROR),)


def after(seconds: float) -> datetime:
    """The time so many seconds after NOW."""
    return NOW + timedelta(seconds=seconds)


def some_work(**fields: Any) -> PhaseWork:
    """The work of one phase."""
    return PhaseWork(**{"image": "busybox:1.37", "command": ("true",), **fields})


@dataclass(frozen=True, kw_only=True)
class ABuild:
    """A build in the making; each word gives a new one."""

    spec: BuildSpec = field(default_factory=BuildSpec)
    state: BuildState | None = None
    pods: tuple[PodView, ...] = ()
    departed: PodView | None = None
    resize: Resize | None = None
    violations: tuple[Violation, ...] = ()
    refusal: Refusal | None = None
    generation: int = 1
    version: str = "1"
    deletion_time: datetime | None = None
    is_finalized: bool = False
    is_outside: bool = False
    trouble: Trouble | None = None
    recoverable: Recoverable | None = None
    objects: Objects | None = None
    origin: str = ""
    volumes: tuple[HeldVolume, ...] = ()
    others: Mapping[str, Neighbour] = field(default_factory=dict)

    # What is asked for.

    def wanting(self, **fields: Any) -> "ABuild":
        """Change the spec."""
        return replace(self, spec=replace(self.spec, **fields), generation=self.generation + 1)

    def asking_for(self, phase: BuildPhase) -> "ABuild":
        """Ask for that phase."""
        return self.wanting(phase=phase)

    def suspended(self) -> "ABuild":
        """Start nothing new."""
        return self.wanting(suspend=True)

    def with_work(self, *phases: BuildPhase, **fields: Any) -> "ABuild":
        """Give those phases work, all four if none is named."""
        named = {phase.lower(): some_work(**fields) for phase in phases or WORK_PHASES}
        return self.wanting(phases=replace(self.spec.phases, **named))

    def with_workspace(self, **fields: Any) -> "ABuild":
        """Share a volume, of one gigabyte unless something else is said."""
        return self.wanting(workspace=Workspace(**(fields or {"size": "1Gi"})))

    def declaring(self, *artifacts: Artifact) -> "ABuild":
        """Have to leave those artifacts behind."""
        return self.wanting(artifacts=artifacts)

    def restarting(self, *, then: OnExhausted = OnExhausted.STOP, **fields: Any) -> "ABuild":
        """Leave ERROR by itself."""
        policy = RecoveryPolicy(strategy=RecoveryStrategy.RESTART, on_exhausted=then, **fields)
        return self.wanting(recovery=policy)

    def resuming(self, *, then: OnExhausted = OnExhausted.STOP, **fields: Any) -> "ABuild":
        """Leave ERROR by itself, with what the newest checkpoint holds."""
        policy = RecoveryPolicy(strategy=RecoveryStrategy.RESUME, on_exhausted=then, **fields)
        return self.wanting(recovery=policy)

    def checkpointing(self, **fields: Any) -> "ABuild":
        """Have checkpoints taken."""
        return self.wanting(checkpoints=CheckpointPolicy(**fields))

    def depending_on(self, *names: str, **fields: Any) -> "ABuild":
        """Wait for those builds."""
        more = tuple(Dependency(name=name, **fields) for name in names)
        return self.wanting(dependencies=(*self.spec.dependencies, *more))

    def requesting(
        self, action: Action, identity: str = "r1", checkpoint: str | None = None
    ) -> "ABuild":
        """Ask for one act."""
        request = Request(id=identity, action=action, checkpoint=checkpoint)
        return self.wanting(request=request)

    # Where it is.

    def in_phase(self, phase: BuildPhase, **fields: Any) -> "ABuild":
        """Have walked to that phase, with everything before it done."""
        steps = (BuildPhase.INIT, *(path(BuildPhase.INIT, phase) or ()))
        state = BuildState(
            id=UID,
            timestamp=NOW,
            phase=phase,
            status=BuildStatus.PENDING,
            target=self.spec.phase,
            sequence=len(steps) - 1,
            start_time=NOW,
            history=tuple(
                Transition(sequence=number, origin=origin, to=to, reason="Advanced", time=NOW)
                for number, (origin, to) in enumerate(itertools.pairwise(steps), 1)
            ),
            phases=tuple(a_record(step) for step in steps[:-1] if self.spec.work(step)),
        )
        return replace(self, state=replace(self._at_work(state), **fields))

    def _at_work(self, state: BuildState) -> BuildState:
        if self.spec.work(state.phase) is None:
            return state
        record = a_record(state.phase, WorkResult.RUNNING)
        sized = self.spec.workspace is not None and self.spec.workspace.size is not None
        return replace(
            state.with_record(record), attempt=1, workspace_claim=CLAIM if sized else None
        )

    def in_error(
        self,
        category: ErrorCategory = ErrorCategory.PHASE_FAILED,
        *,
        restarts: int = 0,
        exhausted: bool = False,
        **fields: Any,
    ) -> "ABuild":
        """Have failed in BUILD."""
        base = self.in_phase(BuildPhase.BUILD).known
        step = Transition(
            sequence=base.sequence + 1,
            origin=BuildPhase.BUILD,
            to=BuildPhase.ERROR,
            reason=category,
            time=NOW,
        )
        state = replace(
            base,
            phase=BuildPhase.ERROR,
            sequence=step.sequence,
            attempt=0,
            history=(*base.history, step),
            failure=Failure(
                category=category, phase=BuildPhase.BUILD, reason="Error", attempt=1, exit_code=1
            ),
            recovery=RecoveryState(attempts=restarts, exhausted=exhausted),
            phases=tuple(replace(record, result=WorkResult.FAILED) for record in base.phases[-1:]),
        )
        return replace(self, state=replace(state, **fields))

    def attempted(
        self,
        number: int,
        result: WorkResult = WorkResult.RUNNING,
        at: datetime = NOW,
        **fields: Any,
    ) -> "ABuild":
        """Be at that attempt of the present phase."""
        record = replace(
            a_record(self.known.phase, result),
            attempts=number,
            attempt_time=at,
            start_time=at,
            **fields,
        )
        return replace(self, state=replace(self.known.with_record(record), attempt=number))

    def answered(self, action: Action, identity: str = "r1") -> "ABuild":
        """Have answered that request before."""
        result = RequestResult(
            id=identity,
            action=action,
            outcome=RequestOutcome.DONE,
            reason="Accepted",
            message="",
            time=NOW,
        )
        return replace(self, state=replace(self.known, last_request=result))

    def archived(self) -> "ABuild":
        """Have been put away."""
        return replace(self, state=replace(self.known, status=BuildStatus.ARCHIVED))

    def having_left(self, *products: ArtifactRecord) -> "ABuild":
        """Have left those artifacts behind."""
        return replace(self, state=replace(self.known, artifacts=products))

    def with_refs(self, *refs: CheckpointRef) -> "ABuild":
        """Have those checkpoints."""
        return replace(self, state=replace(self.known, checkpoints=refs))

    def missing_one(self) -> "ABuild":
        """Have a checkpoint that was due and could not be stored."""
        condition = Condition(
            type=CONDITION,
            status="False",
            reason="PersistenceError",
            message="the store is down",
            observed_generation=1,
            last_transition_time=NOW,
        )
        return replace(self, state=replace(self.known, conditions=(condition,)))

    def written(self, now: datetime = NOW) -> "ABuild":
        """Have its status written as the operator writes it."""
        moment = Moment(observed=self.observed(), now=now)
        state = summarise(self.known, moment)
        return replace(self, state=replace(state, resources=counted(state, moment)))

    # What its world holds.

    def with_pod(self, phase: PodPhase = PodPhase.RUNNING, **fields: Any) -> "ABuild":
        """Have the Pod of the present attempt."""
        return self._and_pod(self.observed().pod_name(self.known), phase, **fields)

    def with_stray(self, phase: PodPhase = PodPhase.RUNNING, **fields: Any) -> "ABuild":
        """Have a Pod of an earlier attempt."""
        return self._and_pod("demo-build-of-before", phase, **fields)

    def with_departed(self, phase: PodPhase = PodPhase.RUNNING, **fields: Any) -> "ABuild":
        """Have seen the Pod of the present attempt go."""
        gone = a_pod(self.observed().pod_name(self.known), phase, **fields)
        return replace(self, departed=gone)

    def _and_pod(self, name: str, phase: PodPhase, **fields: Any) -> "ABuild":
        return replace(self, pods=(*self.pods, a_pod(name, phase, **fields)))

    def with_volume(self, name: str = CLAIM, uid: str = "claim-1", size: str = "1Gi") -> "ABuild":
        """Know the claim that it works on."""
        return replace(self, volumes=(HeldVolume(name=name, uid=uid, size=size),))

    def refused(self, reason: str = "Forbidden", *, is_permanent: bool = True) -> "ABuild":
        """Have had its Pod refused."""
        said = Refusal(reason=reason, message=f"{reason}: no Pod", is_permanent=is_permanent)
        return replace(self, refusal=said)

    def in_trouble(self, seconds: float = 30, *, is_permanent: bool = False) -> "ABuild":
        """Have a store that was not written, and is tried again so many seconds after NOW."""
        return replace(self, trouble=a_trouble(seconds, is_permanent=is_permanent))

    def given(self, held: Held | None = None, *damaged: str, **fields: Any) -> "ABuild":
        """Have had its checkpoints read: that one is found, the named ones are damaged."""
        found = tuple(Damaged(name=name, message="is altered") for name in damaged)
        refs = self.known.checkpoints if self.state else ()
        plain: dict[str, Any] = {"found": held, "damaged": found, "refs": refs}
        return replace(self, recoverable=Recoverable(**{**plain, **fields}))

    def unread(self, seconds: float = 30) -> "ABuild":
        """Have a store that could not be read."""
        return replace(self, recoverable=Recoverable(trouble=a_trouble(seconds)))

    def beside(self, name: str, **fields: Any) -> "ABuild":
        """Have another build of that name in the namespace, which has just begun unless said."""
        plain: dict[str, Any] = {"uid": f"uid-of-{name}", "phase": BuildPhase.INIT}
        other = Neighbour(**{**plain, **fields})
        return replace(self, others={**self.others, name: other})

    def alone(self) -> "ABuild":
        """Have no other build in the namespace any more."""
        return replace(self, others={})

    def violating(self, *violations: Violation) -> "ABuild":
        """Have a stored state that breaks laws."""
        return replace(self, violations=violations)

    def made_from(self, uid: str) -> "ABuild":
        """Be made again from what the store holds of the lost build of that uid."""
        return replace(self, origin=uid)

    def being_deleted(self) -> "ABuild":
        """Have been deleted, with something that still holds it."""
        return replace(self, deletion_time=NOW)

    # What comes of it.

    def held(self, number: int = 1, **fields: Any) -> Held:
        """The build as a verified checkpoint holds it."""
        ref = a_ref(number, sequence=self.known.sequence, phase=self.known.phase)
        return Held(ref=replace(ref, **fields), state=self.known, spec=self.spec)

    @property
    def known(self) -> BuildState:
        """The state, which a test that asks for it has given."""
        assert self.state is not None
        return self.state

    def observed(self) -> Observed:
        """The picture that the plan decides upon."""
        return Observed(
            namespace=NAMESPACE,
            name=NAME,
            uid=UID,
            resource_version=self.version,
            generation=self.generation,
            spec=self.spec,
            state=self.state,
            deletion_time=self.deletion_time,
            is_finalized=self.is_finalized,
            is_outside=self.is_outside,
            trouble=self.trouble,
            recoverable=self.recoverable,
            objects=self.objects,
            origin=self.origin,
            others=self.others,
            violations=self.violations,
            pods=self.pods,
            departed=self.departed,
            resize=self.resize,
            refusal=self.refusal,
            volumes=self.volumes,
        )

    def moment(self, now: datetime = NOW) -> Moment:
        """The build at one moment."""
        return Moment(observed=self.observed(), now=now)

    def document(self, version: int = 1, **spec: Any) -> dict[str, Any]:
        """The build as the API server sends it; the spec is what is given here."""
        status = {"status": convert.document_of(self.state)} if self.state else {}
        return {**a_document(version, **spec), **status}


def a_build() -> ABuild:
    """A new build, without a status."""
    return ABuild()


def a_record(phase: BuildPhase, result: WorkResult = WorkResult.SUCCEEDED) -> PhaseRecord:
    """The record of one phase's work."""
    ended = None if result is WorkResult.RUNNING else NOW
    return PhaseRecord(
        phase=phase,
        result=result,
        attempts=1,
        start_time=NOW,
        attempt_time=NOW,
        completion_time=ended,
    )


def a_ref(number: int = 1, **fields: Any) -> CheckpointRef:
    """The reference to a checkpoint, a full one of BUILD in the first epoch unless said."""
    digest, parent = (f"sha256:{count:064x}" if count else "" for count in (number, number - 1))
    plain: dict[str, Any] = {
        "name": name_of(number, "build", digest),
        "number": number,
        "epoch": 0,
        "sequence": number,
        "phase": BuildPhase.BUILD,
        "kind": CheckpointKind.FULL,
        "trigger": CheckpointTrigger.TRANSITION,
        "digest": digest,
        "parent": parent,
        "time": NOW,
    }
    return CheckpointRef(**{**plain, **fields})


def a_trouble(seconds: float = 30, *, is_permanent: bool = False) -> Trouble:
    """What went wrong with a store, which is tried again so many seconds after NOW."""
    return Trouble(
        reason="PersistenceError",
        message="the store is down",
        retry_time=after(seconds),
        is_permanent=is_permanent,
    )


def a_pod(name: str, phase: PodPhase = PodPhase.RUNNING, **fields: Any) -> PodView:
    """One Pod as the plan sees it."""
    plain: dict[str, Any] = {"uid": f"uid-of-{name}", "resource_version": "1", "created": NOW}
    return PodView(**{**plain, **fields, "name": name, "phase": phase})


def a_document(
    version: int = 1, *, name: str = NAME, uid: str = UID, **spec: Any
) -> dict[str, Any]:
    """A build as the API server sends it before the first status write."""
    return {
        "apiVersion": "buildstate.dev/v1alpha1",
        "kind": "BuildState",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": uid,
            "resourceVersion": str(version),
            "generation": 1,
            "creationTimestamp": "2026-03-01T12:00:00Z",
            "managedFields": [{"manager": "kubectl"}],
        },
        "spec": spec,
    }


def a_pod_document(
    name: str,
    version: int = 1,
    *,
    uid: str | None = None,
    owner: str = NAME,
    owner_uid: str = UID,
    **status: Any,
) -> dict[str, Any]:
    """A Pod of a build as the API server sends it."""
    reference = {
        "apiVersion": "buildstate.dev/v1alpha1",
        "kind": "BuildState",
        "name": owner,
        "uid": owner_uid,
        "controller": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": uid or f"uid-of-{name}",
            "resourceVersion": str(version),
            "creationTimestamp": "2026-03-01T12:00:00Z",
            "ownerReferences": [reference],
        },
        "status": {"phase": "Pending", **status},
    }


def every_work(**fields: Any) -> PhasesWork:
    """The same work in each phase."""
    work = some_work(**fields)
    return PhasesWork(setup=work, build=work, test=work, cleanup=work)


def an_artifact(name: str = "app", phase: BuildPhase = BuildPhase.BUILD, **fields: Any) -> Artifact:
    """What a phase must leave behind, at `dist/<name>` unless something else is said."""
    return Artifact(**{"name": name, "phase": phase, "path": f"dist/{name}", **fields})


def a_product(
    name: str = "app", phase: BuildPhase = BuildPhase.BUILD, **fields: Any
) -> ArtifactRecord:
    """What a phase has left behind."""
    plain: dict[str, Any] = {"path": f"dist/{name}", "size": 7, "sha256": "ab" * 32, "time": NOW}
    return ArtifactRecord(**{**plain, **fields, "name": name, "phase": phase})


def a_report(*found: Finding) -> str:
    """What our reporter says of that."""
    listed = [
        one.value if isinstance(one, Lack) else [one.size, _short(one.sha256)] for one in found
    ]
    return json.dumps({"v": 1, "found": listed}, separators=(",", ":"))


def _short(digest: str) -> str:
    return b64encode(bytes.fromhex(digest)).decode().rstrip("=")
