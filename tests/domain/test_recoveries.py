import pytest
from tests.worlds import NOW, ABuild, a_build, after

from buildstate.domain.errors import ErrorCategory
from buildstate.domain.phases import BuildPhase
from buildstate.domain.recoveries import asks_cleanup, is_recovering, leave_error, recovery_time
from buildstate.domain.specs import OnExhausted
from buildstate.domain.states import RecoveryState

FAILED = a_build().restarting(limit=2, backoff_seconds=10).in_error()
CLEANING = a_build().restarting(limit=2, then=OnExhausted.CLEANUP)


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        pytest.param(FAILED, True, id="a policy that restarts"),
        pytest.param(a_build().in_error(), False, id="no policy"),
        pytest.param(
            a_build().restarting(limit=2).in_error(restarts=2), False, id="a limit used up"
        ),
        pytest.param(a_build().restarting(limit=0).in_error(), False, id="a limit of none"),
        pytest.param(CLEANING.in_error(restarts=2), True, id="a clean-up to come"),
        pytest.param(
            CLEANING.in_error(restarts=2, exhausted=True), False, id="a clean-up that was tried"
        ),
        pytest.param(a_build().restarting().in_error(ErrorCategory.ABORTED), False, id="an abort"),
        pytest.param(
            a_build().restarting().asking_for(BuildPhase.ERROR).in_error(), False, id="ERROR asked"
        ),
        pytest.param(
            a_build().restarting().in_error(ErrorCategory.STATE_CORRUPTION), True, id="corruption"
        ),
    ],
)
def test_the_policy_leads_out_of_error(world: ABuild, expected: bool) -> None:
    assert expected == is_recovering(world.known, world.moment())


def test_the_restart_comes_its_seconds_after_the_failure() -> None:
    assert after(10) == recovery_time(FAILED.known, FAILED.moment())


def test_without_a_history_the_restart_counts_from_the_state() -> None:
    world = a_build().restarting(backoff_seconds=3).in_error(history=(), timestamp=after(50))
    assert after(53) == recovery_time(world.known, world.moment())


@pytest.mark.parametrize(("at", "expected"), [(9.999, "ERROR"), (10, "INIT"), (11, "INIT")])
def test_it_waits_for_its_time(at: float, expected: str) -> None:
    assert expected == leave_error(FAILED.known, FAILED.moment(after(at))).phase


def test_each_restart_is_counted_up_to_the_limit() -> None:
    world = a_build().restarting(limit=2).in_error(restarts=1)
    state = leave_error(world.known, world.moment(after(10)))
    assert ("INIT", 2, "RecoveryRestart") == (
        state.phase,
        state.recovery.attempts,
        state.history[-1].reason,
    )


def test_a_used_up_limit_leads_to_the_clean_up_once() -> None:
    world = CLEANING.in_error(restarts=2)
    state = leave_error(world.known, world.moment())
    assert ("CLEANUP", RecoveryState(attempts=2, exhausted=True)) == (state.phase, state.recovery)
    assert world.known.failure == state.failure


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(FAILED.suspended(), id="suspended"),
        pytest.param(FAILED.with_stray(), id="a Pod that runs"),
        pytest.param(FAILED.with_stray(deleting=True), id="a Pod that is ending"),
        pytest.param(a_build().restarting().in_phase(BuildPhase.BUILD), id="not in ERROR"),
    ],
)
def test_it_does_not_leave(world: ABuild) -> None:
    assert world.known == leave_error(world.known, world.moment(after(60)))


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        pytest.param(a_build().in_error().asking_for(BuildPhase.CLEANUP), True, id="newly"),
        pytest.param(a_build().asking_for(BuildPhase.CLEANUP).in_error(), False, id="before"),
        pytest.param(a_build().in_error().asking_for(BuildPhase.TEST), False, id="another"),
        pytest.param(
            a_build().in_phase(BuildPhase.BUILD).asking_for(BuildPhase.CLEANUP),
            False,
            id="not in ERROR",
        ),
    ],
)
def test_cleanup_is_asked_for(world: ABuild, expected: bool) -> None:
    assert expected == asks_cleanup(world.known, world.moment())


def test_a_clean_up_that_is_asked_for_goes_before_a_restart() -> None:
    world = FAILED.asking_for(BuildPhase.CLEANUP)
    assert "CleanupAsked" == leave_error(world.known, world.moment(NOW)).history[-1].reason
