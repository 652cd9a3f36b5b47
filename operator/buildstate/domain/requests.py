"""The imperative acts: each request is answered once, and a refused one changes nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from buildstate.domain import changes
from buildstate.domain.observed import Moment
from buildstate.domain.phases import BuildPhase
from buildstate.domain.specs import Action, Request
from buildstate.domain.states import BuildState, RecoveryState, RequestOutcome, RequestResult
from buildstate.domain.transitions import TRANSITION_VIOLATION, Verdict

GRANTED = Verdict(accepted=True)


def answer(state: BuildState, moment: Moment) -> BuildState:
    """Do what `spec.request` asks for, or refuse it; do nothing when it was answered before."""
    request = moment.spec.request
    if request is None or _is_answered(state, request):
        return state
    verdict = judge(state, moment, request.action)
    if not verdict.accepted:
        return _echo(state, request, moment, verdict)
    if moment.observed.is_held(state) and request.action is not Action.ABORT:
        return state  # What was before must be gone first; its end wakes us.
    return _echo(_EFFECTS[request.action](state, moment), request, moment, verdict)


def judge(state: BuildState, moment: Moment, action: Action) -> Verdict:
    """Say whether the build can do `action` where it stands."""
    return next(
        (verdict for law in _LAWS[action] if not (verdict := law(state, moment)).accepted),
        GRANTED,
    )


def _is_in_error(state: BuildState, _moment: Moment) -> Verdict:
    if state.phase is BuildPhase.ERROR:
        return GRANTED
    return _refused(f"possible only in ERROR, and the build is in {state.phase}")


def _is_not_complete(state: BuildState, _moment: Moment) -> Verdict:
    if state.phase is not BuildPhase.COMPLETE:
        return GRANTED
    return _refused("COMPLETE is final; another run is another BuildState")


def _wants_out_of_error(_state: BuildState, moment: Moment) -> Verdict:
    if moment.target is not BuildPhase.ERROR:
        return GRANTED
    return _refused("spec.phase asks for ERROR; ask for another phase in the same change")


def _is_not_suspended(_state: BuildState, moment: Moment) -> Verdict:
    if not moment.spec.suspend:
        return GRANTED
    return _refused("the build is suspended; set spec.suspend to false first")


def _refused(message: str) -> Verdict:
    return Verdict(accepted=False, reason=TRANSITION_VIOLATION, message=f"refused: {message}")


Law = Callable[[BuildState, Moment], Verdict]

_LAWS: Mapping[Action, tuple[Law, ...]] = {
    Action.ABORT: (_is_not_complete,),
    Action.RESTART: (_is_in_error, _wants_out_of_error),
    Action.CLEANUP: (_is_in_error, _wants_out_of_error, _is_not_suspended),
}


def _abort(state: BuildState, moment: Moment) -> BuildState:
    return changes.abort(state, moment, "aborted by request")


def _restart(state: BuildState, moment: Moment) -> BuildState:
    return changes.restart(state, moment, RecoveryState(), "RestartRequested")


def _cleanup(state: BuildState, moment: Moment) -> BuildState:
    return changes.enter(state, BuildPhase.CLEANUP, moment, "CleanupRequested")


_EFFECTS: Mapping[Action, Callable[[BuildState, Moment], BuildState]] = {
    Action.ABORT: _abort,
    Action.RESTART: _restart,
    Action.CLEANUP: _cleanup,
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
