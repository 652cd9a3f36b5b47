"""The imperative acts: each request is answered once, and a refused one changes nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from buildstate.domain import allotments, changes, recoveries, verifications
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import Moment
from buildstate.domain.phases import BuildPhase, BuildStatus
from buildstate.domain.specs import Action, Request
from buildstate.domain.states import BuildState, RecoveryState, RequestOutcome, RequestResult
from buildstate.domain.transitions import TRANSITION_VIOLATION, Verdict

GRANTED = Verdict(accepted=True)


def answer(state: BuildState, moment: Moment) -> BuildState:
    """Do what `spec.request` asks for, or refuse it; do nothing when it was answered before."""
    request = pending(state, moment)
    if request is None:
        return state
    verdict = judge(state, moment, request.action)
    if not verdict.accepted:
        return _echo(state, request, moment, verdict)
    if _is_waiting(state, moment, request.action):
        return state
    return _echo(_EFFECTS[request.action](state, moment), request, moment, verdict)


def asked_checkpoint(state: BuildState, moment: Moment) -> Request | None:
    """Give the request that waits for a checkpoint to be read, or None."""
    request = pending(state, moment)
    if request is None or request.action is not Action.RESTORE:
        return None
    is_possible = judge(state, moment, Action.RESTORE).accepted
    is_kept = recoveries.is_kept(state, moment, BuildPhase.INIT)
    return request if is_possible and not is_kept else None


def pending(state: BuildState, moment: Moment) -> Request | None:
    """Give the request that is not answered yet, or None."""
    request = moment.spec.request
    return None if request is None or _is_answered(state, request) else request


def asks_to_leave(state: BuildState, moment: Moment) -> bool:
    """Say whether a request to leave ERROR waits for something."""
    request = pending(state, moment)
    return request is not None and request.action in _LEAVING


def way_out(state: BuildState, moment: Moment) -> BuildPhase | None:
    """Give the phase for which a request leads out of ERROR, or None where there is none."""
    request = pending(state, moment)
    if request is None or request.action not in _ENTERED:
        return None
    return _ENTERED[request.action] if judge(state, moment, request.action).accepted else None


def _is_waiting(state: BuildState, moment: Moment, action: Action) -> bool:
    """Say whether the act must wait; what it waits for wakes us."""
    if action in _AFTER_THE_END and recoveries.is_kept(state, moment, _ENTERED.get(action)):
        return True  # What was before must be gone first, and the policy may wait for the store.
    if action is Action.VERIFY:
        return verifications.judge(state, moment) is None
    if action is Action.RESTORE:
        given = moment.observed.recoverable
        return given is None or given.trouble is not None
    return action in _STORING and moment.trouble is not None


def judge(state: BuildState, moment: Moment, action: Action) -> Verdict:
    """Say whether the build can do `action` where it stands."""
    verdict = GRANTED
    for law in _LAWS[action]:
        verdict = law(state, moment)
        if not verdict.accepted:
            break
    return verdict


def _is_in_error(state: BuildState, _moment: Moment) -> Verdict:
    if state.phase is BuildPhase.ERROR:
        return GRANTED
    return _refused(f"possible only in ERROR, and the build is in {state.phase}")


def _is_not_complete(state: BuildState, _moment: Moment) -> Verdict:
    if state.phase is not BuildPhase.COMPLETE:
        return GRANTED
    return _refused("COMPLETE is final; another run is another BuildState")


def _is_not_archived(state: BuildState, _moment: Moment) -> Verdict:
    return (
        _refused("the build is archived; nothing more happens to it")
        if state.is_archived
        else GRANTED
    )


def _has_ended(state: BuildState, moment: Moment) -> Verdict:
    if state.phase not in (BuildPhase.COMPLETE, BuildPhase.ERROR):
        return _refused(f"the build is in {state.phase}; Abort it first, or wait for its end")
    if recoveries.is_recovering(state, moment):
        return _refused(
            "the build will recover by itself; set spec.recovery.strategy to None first"
        )
    return GRANTED


def _is_believed(state: BuildState, _moment: Moment) -> Verdict:
    """What was altered knows of no checkpoint any more: a new one would hide those in the store."""
    failure = state.failure
    is_corrupt = failure is not None and failure.category is ErrorCategory.STATE_CORRUPTION
    if not is_corrupt or state.checkpoints or state.phase is not BuildPhase.ERROR:
        return GRANTED
    return _refused("the state was altered; Restore what the store holds, or Restart")


def _store_may_help(_state: BuildState, moment: Moment) -> Verdict:
    trouble = moment.trouble
    if trouble is None or not trouble.is_permanent:
        return GRANTED
    return Verdict(accepted=False, reason=trouble.reason, message=f"refused: {trouble.message}")


def _has_something_to_restore(_state: BuildState, moment: Moment) -> Verdict:
    given = moment.observed.recoverable
    if given is None or given.trouble is not None:
        return GRANTED
    if given.found is not None and not given.obstacle:
        return GRANTED
    return Verdict(
        accepted=False,
        reason=ErrorCategory.RECOVERY_FAILURE,
        message=f"refused: {recoveries.explain(given)}",
    )


def _is_as_it_was(state: BuildState, moment: Moment) -> Verdict:
    return verifications.judge(state, moment) or GRANTED


def _wants_out_of_error(_state: BuildState, moment: Moment) -> Verdict:
    if moment.target is not BuildPhase.ERROR:
        return GRANTED
    return _refused("spec.phase asks for ERROR; ask for another phase in the same change")


def _is_not_suspended(_state: BuildState, moment: Moment) -> Verdict:
    if not moment.spec.suspend:
        return GRANTED
    return _refused("the build is suspended; set spec.suspend to false first")


def _fits_anew(state: BuildState, moment: Moment) -> Verdict:
    return _fits(state, moment, BuildPhase.INIT)


def _cleanup_fits(state: BuildState, moment: Moment) -> Verdict:
    return _fits(state, moment, BuildPhase.CLEANUP)


def _fits(state: BuildState, moment: Moment, entering: BuildPhase) -> Verdict:
    never = allotments.obstacle(state, moment, entering)
    if never is None:
        return GRANTED
    return Verdict(accepted=False, reason=never.reason, message=f"refused: {never.message}")


def _refused(message: str) -> Verdict:
    return Verdict(accepted=False, reason=TRANSITION_VIOLATION, message=f"refused: {message}")


Law = Callable[[BuildState, Moment], Verdict]

_LAWS: Mapping[Action, tuple[Law, ...]] = {
    Action.ABORT: (_is_not_archived, _is_not_complete),
    Action.RESTART: (_is_not_archived, _is_in_error, _wants_out_of_error, _fits_anew),
    Action.RESTORE: (
        _is_not_archived,
        _is_in_error,
        _wants_out_of_error,
        _has_something_to_restore,
        _fits_anew,
    ),
    Action.CLEANUP: (
        _is_not_archived,
        _is_in_error,
        _wants_out_of_error,
        _is_not_suspended,
        _cleanup_fits,
    ),
    Action.CHECKPOINT: (_is_not_archived, _is_not_complete, _is_believed, _store_may_help),
    Action.ARCHIVE: (_is_not_archived, _has_ended, _store_may_help),
    Action.VERIFY: (_is_not_archived, _is_as_it_was),
}
_ENTERED: Mapping[Action, BuildPhase] = {
    Action.RESTART: BuildPhase.INIT,
    Action.RESTORE: BuildPhase.INIT,
    Action.CLEANUP: BuildPhase.CLEANUP,
}
_LEAVING = frozenset(_ENTERED)
_AFTER_THE_END = _LEAVING | {Action.ARCHIVE}
_STORING = frozenset({Action.CHECKPOINT, Action.ARCHIVE})


def _abort(state: BuildState, moment: Moment) -> BuildState:
    return changes.abort(state, moment, "aborted by request")


def _restart(state: BuildState, moment: Moment) -> BuildState:
    return changes.restart(state, moment, RecoveryState(), "RestartRequested")


def _cleanup(state: BuildState, moment: Moment) -> BuildState:
    return changes.enter(state, BuildPhase.CLEANUP, moment, "CleanupRequested")


def _restore(state: BuildState, moment: Moment) -> BuildState:
    given = moment.observed.recoverable
    assert given is not None
    assert given.found is not None
    known = recoveries.learn(state, given)
    return changes.restore(known, given.found, moment, RecoveryState(), "RestoreRequested")


def _only_answer(state: BuildState, _moment: Moment) -> BuildState:
    return state  # A checkpoint is taken for the answer, and a verification was the answer.


def _archive(state: BuildState, _moment: Moment) -> BuildState:
    return replace(state, status=BuildStatus.ARCHIVED)


_EFFECTS: Mapping[Action, Callable[[BuildState, Moment], BuildState]] = {
    Action.ABORT: _abort,
    Action.RESTART: _restart,
    Action.RESTORE: _restore,
    Action.CLEANUP: _cleanup,
    Action.CHECKPOINT: _only_answer,
    Action.ARCHIVE: _archive,
    Action.VERIFY: _only_answer,
}


def _is_answered(state: BuildState, request: Request) -> bool:
    return state.last_request is not None and state.last_request.id == request.id


def _echo(state: BuildState, request: Request, moment: Moment, verdict: Verdict) -> BuildState:
    result = RequestResult(
        id=request.id,
        action=request.action,
        outcome=RequestOutcome.DONE if verdict.accepted else RequestOutcome.REFUSED,
        reason=verdict.reason,
        message=f"{request.action} is {verdict.message}" if verdict.message else "done",
        time=moment.now,
    )
    return replace(state, last_request=result)
