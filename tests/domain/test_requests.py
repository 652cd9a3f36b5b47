from dataclasses import replace

import pytest
from tests.worlds import ABuild, a_build, after

from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import plan
from buildstate.domain.requests import answer
from buildstate.domain.specs import Action
from buildstate.domain.states import BuildState, RequestOutcome

EVERYWHERE = [phase for phase in BuildPhase if phase is not BuildPhase.ERROR]
WORKING = a_build().with_work().in_phase(BuildPhase.BUILD)


def standing_in(phase: BuildPhase) -> ABuild:
    """A build in any phase."""
    return a_build().in_error() if phase is BuildPhase.ERROR else a_build().in_phase(phase)


def answered(world: ABuild, seconds: float = 5) -> BuildState:
    """The state after the request alone."""
    return answer(world.known, world.moment(after(seconds)))


@pytest.mark.parametrize("phase", BuildPhase)
@pytest.mark.parametrize(
    ("action", "possible", "leads_to"),
    [
        (Action.RESTART, "ERROR", "INIT"),
        (Action.CLEANUP, "ERROR", "CLEANUP"),
        (Action.ABORT, "INIT SETUP BUILD TEST CLEANUP ERROR", "ERROR"),
    ],
)
def test_where_an_act_is_possible(
    phase: BuildPhase, action: Action, possible: str, leads_to: str
) -> None:
    state = answered(standing_in(phase).requesting(action))
    assert state.last_request is not None
    expected = ("Done", leads_to) if phase in possible.split() else ("Refused", phase)
    assert expected == (state.last_request.outcome, state.phase)


@pytest.mark.parametrize(
    ("world", "message"),
    [
        pytest.param(
            a_build().in_phase(BuildPhase.BUILD).requesting(Action.RESTART),
            "Restart is refused: possible only in ERROR, and the build is in BUILD",
            id="not in ERROR",
        ),
        pytest.param(
            a_build().in_phase(BuildPhase.COMPLETE).requesting(Action.ABORT),
            "Abort is refused: COMPLETE is final; another run is another BuildState",
            id="complete",
        ),
        pytest.param(
            a_build().asking_for(BuildPhase.ERROR).in_error().requesting(Action.RESTART),
            "Restart is refused: spec.phase asks for ERROR; "
            "ask for another phase in the same change",
            id="ERROR asked for",
        ),
        pytest.param(
            a_build().in_error().suspended().requesting(Action.CLEANUP),
            "Cleanup is refused: the build is suspended; set spec.suspend to false first",
            id="suspended",
        ),
    ],
)
def test_a_refused_request_says_why_and_changes_nothing_else(world: ABuild, message: str) -> None:
    state = answered(world)
    result = state.last_request
    assert result is not None
    assert (RequestOutcome.REFUSED, "TransitionViolation", message) == (
        result.outcome,
        result.reason,
        result.message,
    )
    assert world.known == replace(state, last_request=None)


def test_a_restart_is_possible_while_suspended_and_then_waits() -> None:
    world = a_build().in_error().suspended().requesting(Action.RESTART)
    state = plan(world.observed(), after(0)).state
    assert state is not None
    assert ("INIT", "Suspended") == (state.phase, state.status)


@pytest.mark.parametrize("action", Action)
def test_the_same_id_is_answered_once(action: Action) -> None:
    first = answered(a_build().in_error().requesting(action), 5)
    again = replace(a_build().in_error().requesting(action), state=first)
    assert first == answered(again, 99)


def test_another_id_is_another_request() -> None:
    world = a_build().in_error().answered(Action.RESTART, "r1").requesting(Action.RESTART, "r2")
    result = answered(world).last_request
    assert result is not None
    assert ("r2", RequestOutcome.DONE, after(5)) == (result.id, result.outcome, result.time)


def test_nothing_is_answered_where_nothing_is_asked() -> None:
    world = a_build().in_error()
    assert world.known == answered(world)


@pytest.mark.parametrize("action", [Action.RESTART, Action.CLEANUP])
def test_what_ran_before_must_be_gone_first(action: Action) -> None:
    world = a_build().in_error().with_stray(deleting=True).requesting(action)
    assert world.known == answered(world)


def test_an_abort_waits_for_nothing() -> None:
    state = answered(WORKING.with_pod().requesting(Action.ABORT))
    assert ("ERROR", "Aborted") == (state.phase, state.failure and state.failure.category)


def test_an_abort_says_where_it_struck() -> None:
    failure = answered(WORKING.with_pod().requesting(Action.ABORT)).failure
    assert failure is not None
    assert (BuildPhase.BUILD, 1, "aborted by request") == (
        failure.phase,
        failure.attempt,
        failure.message,
    )


def test_a_cleanup_keeps_what_the_failure_was() -> None:
    world = a_build().in_error().requesting(Action.CLEANUP)
    assert world.known.failure == answered(world).failure


def test_a_restart_by_hand_gives_the_policy_all_its_restarts_again() -> None:
    world = a_build().restarting().in_error(restarts=3).requesting(Action.RESTART)
    assert 0 == answered(world).recovery.attempts
