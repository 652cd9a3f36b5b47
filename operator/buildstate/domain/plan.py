"""The heart: what should be written down about a build, and what should be done for it.

`plan` is a pure function of one moment. The steps are asked in order; the pass ends with the first
one that takes an edge, since each status write takes at most one. Planning the world that a plan
leaves behind plans nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from buildstate.domain import (
    allocations,
    allotments,
    attempts,
    captures,
    changes,
    dependencies,
    names,
    objects,
    outcomes,
    requests,
    resizes,
    verifications,
    volumes,
)
from buildstate.domain.actions import (
    Act,
    AddFinalizer,
    ArchiveState,
    CreateClaim,
    CreatePod,
    CreateVerifier,
    DeleteClaim,
    DeletePod,
    EraseStore,
    RemoveFinalizer,
)
from buildstate.domain.captures import Capture
from buildstate.domain.checkpoints import CheckpointTrigger
from buildstate.domain.conditions import summarise
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import Moment, Observed, PodView, Recoverable, Refusal
from buildstate.domain.phases import BuildPhase
from buildstate.domain.recoveries import (
    is_held,
    is_recovering,
    is_releasing,
    leave_error,
    recovery_failure,
    recovery_time,
)
from buildstate.domain.specs import DeletionPolicy, PhaseWork
from buildstate.domain.states import MAX_TEXT, BuildState, Failure, WorkResult
from buildstate.domain.transitions import path


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do about one build.

    `releases` come before the write of `state`, which forgets what they release; so do the
    `captures`, which it refers to. `needs` come after it, since it is their intent. `state` is None
    when there is nothing to write. `wake_after` is in seconds, None when only an event can change
    anything.
    """

    state: BuildState | None = None
    releases: tuple[Act, ...] = ()
    captures: tuple[Capture, ...] = ()
    needs: tuple[Act, ...] = ()
    wake_after: float | None = None


def plan(observed: Observed, now: datetime) -> Plan:
    """Decide what the build's state should be and what the world should hold for it."""
    moment = Moment(observed=observed, now=now)
    if observed.deleting:
        return _let_go(moment)
    if observed.state is None and observed.recoverable is not None:
        return _begin_again(observed.recoverable, moment)
    before = observed.state or changes.begin(moment)
    stepped = allotments.settle(_follow_steps(before, moment), moment)
    due = captures.due(before, stepped, moment)
    decided = summarise(stepped, moment, is_stored=bool(due))
    is_news = bool(due) or decided != observed.state or allocations.is_behind(decided, moment)
    if is_news:
        decided = replace(decided, resources=allocations.counted(decided, moment), timestamp=now)
    return Plan(
        state=decided if is_news else None,
        releases=_releases(before, decided, moment),
        captures=_captures(due, before, decided),
        needs=_needs(decided, moment),
        wake_after=_wake_after(decided, moment),
    )


def _begin_again(given: Recoverable, moment: Moment) -> Plan:
    """A build that is made again begins in INIT with what the lost one had."""
    if given.trouble is not None:
        wait = (given.trouble.retry_time - moment.now).total_seconds()
        return Plan(wake_after=max(0.0, wait))
    held = given.found
    state = changes.begin(moment) if held is None else changes.begin_from(held, moment)
    # What is complete needs nothing any more, whatever is gone.
    is_over = held is not None and held.state.phase is BuildPhase.COMPLETE
    if held is None or (given.obstacle and not is_over):
        state = replace(state, phases=(), artifacts=(), failure=recovery_failure(state, given))
    return Plan(state=summarise(allotments.settle(state, moment), moment))


def _let_go(moment: Moment) -> Plan:
    """A deleted build goes with all it owns; what an outside store holds is erased before."""
    observed = moment.observed
    if not observed.is_finalized or observed.deletion_time is None:
        return Plan()
    erase = (EraseStore(),) if moment.checkpoints.deletion_policy is DeletionPolicy.DELETE else ()
    return Plan(releases=(*erase, RemoveFinalizer()))


def _captures(
    due: tuple[CheckpointTrigger, ...], before: BuildState, after: BuildState
) -> tuple[Capture, ...]:
    return tuple(
        Capture(
            state=before if trigger is CheckpointTrigger.RESTORE else after,
            trigger=trigger,
        )
        for trigger in due
    )


Step = Callable[[BuildState, Moment], BuildState]


def _follow_steps(state: BuildState, moment: Moment) -> BuildState:
    start = state.phase
    for step in _ARCHIVED_STEPS if state.is_archived else STEPS:
        state = step(state, moment)
        # That a state was not believed is written down before anything else comes of it.
        if state.phase is not start or moment.observed.violations:
            break
    return state


def _quarantine(state: BuildState, moment: Moment) -> BuildState:
    """A state that breaks a law is not believed: the build stops, and says why."""
    violations = moment.observed.violations
    if not violations:
        return state
    failure = Failure(
        category=ErrorCategory.STATE_CORRUPTION,
        phase=state.phase,
        reason=violations[0].reason,
        message="; ".join(f"{v.field} {v.message}" for v in violations)[:MAX_TEXT],
    )
    return changes.fail(changes.distrust(state, moment), failure, moment)


def _begin_in_error(state: BuildState, moment: Moment) -> BuildState:
    """A build that was made again had failed before, or what it had is lost."""
    if state.phase is not BuildPhase.INIT or state.failure is None:
        return state
    return changes.fail(state, state.failure, moment)


def _abort_when_asked(state: BuildState, moment: Moment) -> BuildState:
    """Asking for ERROR aborts, also what only waits for its recovery."""
    if moment.target is not BuildPhase.ERROR or state.phase is BuildPhase.COMPLETE:
        return state
    if state.phase is BuildPhase.ERROR and state.target is BuildPhase.ERROR:
        return state
    return changes.abort(state, moment, "spec.phase asks for ERROR")


def _follow_work(state: BuildState, moment: Moment) -> BuildState:
    """Write down how the present attempt ended, and commit to the next one where there is one."""
    record, work = state.record, moment.spec.work(state.phase)
    if record is None or work is None or record.result.is_done:
        return state
    if record.result is WorkResult.FAILED:
        return state if moment.observed.live_pods else attempts.try_again(state, moment)
    refusal = moment.observed.refusal
    if refusal is not None and refusal.is_permanent:
        return changes.fail(state, _allocation_failure(state, refusal), moment)
    pod, gone = moment.observed.pod(state), moment.observed.departed_pod(state)
    if pod is not None:
        state = attempts.note_room(state, pod, moment)
        outcome = outcomes.judge(
            pod, work, state.record or record, moment.now, moment.spec.resources
        )
        return state if outcome is None else _conclude(state, outcome, pod, work, moment)
    if gone is not None:
        return _conclude(state, outcomes.judge_departed(gone), gone, work, moment)
    return state


def _conclude(
    state: BuildState, outcome: outcomes.Outcome, pod: PodView, work: PhaseWork, moment: Moment
) -> BuildState:
    if outcome.succeeded and objects.are_awaited(state, moment):
        return state  # Whether it has succeeded is seen in a store.
    return attempts.conclude(state, outcome, pod, work, moment)


def _allocation_failure(state: BuildState, refusal: Refusal) -> Failure:
    return Failure(
        category=ErrorCategory.RESOURCE_ALLOCATION_FAILURE,
        phase=state.phase,
        reason=refusal.reason,
        message=refusal.message[:MAX_TEXT],
        attempt=state.attempt,
    )


def _release_claim(state: BuildState, moment: Moment) -> BuildState:
    """A build that has ended gives its own workspace back, once no Pod holds it any more."""
    if not is_releasing(state, moment) or moment.observed.pods:
        return state
    return replace(state, workspace_claim=None)


def _advance(state: BuildState, moment: Moment) -> BuildState:
    """Walk one edge towards the phase asked for, when the present phase is done."""
    at_work = state.record is not None and not state.record.result.is_done
    if at_work or moment.spec.suspend or captures.is_withheld(moment):
        return state
    if verifications.due(state, moment) is not None:
        return state  # Its Pod looks at what the next one might alter.
    if state.phase in (BuildPhase.ERROR, BuildPhase.COMPLETE):
        return state
    way = path(state.phase, moment.target)
    return _enter_next(dependencies.review(state, moment), moment, way) if way else state


def _enter_next(state: BuildState, moment: Moment, way: tuple[BuildPhase, ...]) -> BuildState:
    """Take the first edge of `way`, unless another build or the quota is in its way."""
    failure = dependencies.obstacle(state, moment, way)
    if failure is not None:
        return changes.fail(state, failure, moment)
    is_held = dependencies.hold(state, moment, way[0]) is not None
    if is_held or not allotments.is_open(state, moment):
        return state
    return changes.enter(state, way[0], moment, "Advanced")


STEPS: tuple[Step, ...] = (
    _quarantine,
    _begin_in_error,
    requests.answer,
    _abort_when_asked,
    _follow_work,
    leave_error,
    _release_claim,
    allotments.refuse,
    _advance,
)


_ARCHIVED_STEPS = (_quarantine, requests.answer)


def _releases(before: BuildState, after: BuildState, moment: Moment) -> tuple[Act, ...]:
    observed = moment.observed
    # Whatever the status names: only the claim that we made is ever deleted.
    own = names.claim_name(observed.name, observed.uid)
    is_given_back = before.workspace_claim == own and after.workspace_claim is None
    archives = after.is_archived and not before.is_archived
    return (
        *_finalizer(moment),
        *((DeleteClaim(own),) if is_given_back else ()),
        *((ArchiveState(),) if archives else ()),
    )


def _finalizer(moment: Moment) -> tuple[Act, ...]:
    """An outside store that has to be erased at the end holds the object until it is."""
    policy, observed = moment.spec.checkpoints, moment.observed
    erases = policy is not None and policy.deletion_policy is DeletionPolicy.DELETE
    is_wanted = erases and observed.is_outside
    if is_wanted == observed.is_finalized:
        return ()
    return (AddFinalizer(),) if is_wanted else (RemoveFinalizer(),)


def _needs(state: BuildState, moment: Moment) -> tuple[Act, ...]:
    observed, releases = moment.observed, is_releasing(state, moment)
    wanted = observed.pod_name(state) if observed.wants_pod(state) else None
    verifier = verifications.due(state, moment)
    strays = tuple(
        DeletePod(pod.name, pod.uid, releases, _is_leftover(pod, state, observed))
        # A claim is held by every Pod that mounts it, also by one that has ended.
        for pod in (observed.pods if releases else observed.live_pods)
        if pod.name not in (wanted, verifier) and not pod.deleting
    )
    if verifier is not None:
        return (*strays, *_verification(verifier, state, observed))
    if wanted is None or observed.pod(state) is not None or observed.live_pods:
        return (*strays, *resizes.due(state, observed))
    before = observed.state.resources.pods if observed.state else ()
    replaces = next((pod.uid for pod in before if pod.name == wanted), "")
    return (*_claims(state, observed), CreatePod(wanted, replaces))


def _verification(name: str, state: BuildState, observed: Observed) -> tuple[Act, ...]:
    is_there = any(pod.name == name for pod in observed.pods)
    if is_there or observed.live_pods:
        return ()
    return (CreateVerifier(name, verifications.wishes(observed, state)),)


def _is_leftover(pod: PodView, state: BuildState, observed: Observed) -> bool:
    """Say whether something may run that neither the present attempt nor the failure speaks of."""
    known = observed.pod_name(observed.state) if observed.state else ""
    failed = state.failure.pod if state.failure else ""
    verifier = verifications.pod_name(observed)
    return pod.is_live and pod.name not in (known, failed, verifier)


def _claims(state: BuildState, observed: Observed) -> tuple[Act, ...]:
    workspace = observed.spec.workspace
    if state.workspace_claim is None or workspace is None or not _may_lack_claim(state):
        return ()
    return (CreateClaim(state.workspace_claim, workspace),)


def _may_lack_claim(state: BuildState) -> bool:
    # The first Pod of a run, or of a clean-up, is made after the claim; the ones that follow know
    # that it is there.
    leaves_error = bool(state.history) and state.history[-1].origin is BuildPhase.ERROR
    return state.attempt == 1 and (len(state.phases) == 1 or leaves_error)


def _wake_after(state: BuildState, moment: Moment) -> float | None:
    limits = (
        *_limits(state, moment),
        *_store_times(state, moment),
        *allocations.due_times(state, moment),
        *volumes.look_times(state, moment),
        verifications.limit(state, moment),
    )
    # What is past has had its turn in this pass; it would wake for ever.
    ahead = [limit for limit in limits if limit is not None and limit > moment.now]
    return (min(ahead) - moment.now).total_seconds() if ahead else None


def _store_times(state: BuildState, moment: Moment) -> tuple[datetime | None, ...]:
    observed = moment.observed
    reading = (observed.recoverable, observed.objects)
    troubles = (observed.trouble, *(one.trouble for one in reading if one is not None))
    times = (trouble.retry_time for trouble in troubles if trouble is not None)
    return (*times, captures.next_time(state, moment))


def _limits(state: BuildState, moment: Moment) -> tuple[datetime | None, ...]:
    # What waits for the end of a Pod is woken by it.
    if state.phase is BuildPhase.ERROR:
        held = moment.spec.suspend or is_held(state, moment)
        waits = is_recovering(state, moment) and not held
        return (recovery_time(state, moment),) if waits else ()
    record, work, pod = state.record, moment.spec.work(state.phase), moment.observed.pod(state)
    if record is None or record.result is not WorkResult.RUNNING:
        return ()
    if work is None or pod is None or not pod.is_live:
        return ()
    return (
        outcomes.deadline(pod, work, record),
        outcomes.start_limit(pod, record),
        outcomes.schedule_limit(pod, record, moment.spec.resources),
    )
