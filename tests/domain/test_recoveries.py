from dataclasses import replace

import pytest
from tests.worlds import NOW, ABuild, a_build, a_ref, after

from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import Damaged
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import plan
from buildstate.domain.recoveries import (
    asks_cleanup,
    explain,
    is_recovering,
    leave_error,
    recovery_time,
)
from buildstate.domain.specs import Action, OnExhausted, WhenUnavailable
from buildstate.domain.states import MAX_TEXT, BuildState, RecoveryState

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
    assert after(53) == recovery_time(world.known, world.moment(after(50)))


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


# Resume: with what the newest checkpoint holds.

WORKED = a_build().with_work()
HELD = WORKED.in_phase(BuildPhase.TEST).held(2)
RESUMING = WORKED.resuming(limit=2, backoff_seconds=10).in_error()
LAST = WORKED.resuming(limit=2, then=OnExhausted.CLEANUP)


def left(world: ABuild, seconds: float = 10) -> BuildState:
    """The state after the recovery alone."""
    return leave_error(world.known, world.moment(after(seconds)))


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(RESUMING, id="nothing was read"),
        pytest.param(RESUMING.unread(), id="the store could not be read"),
        pytest.param(RESUMING.given(HELD).archived(), id="put away"),
        pytest.param(RESUMING.given(HELD).suspended(), id="suspended"),
        pytest.param(RESUMING.given(HELD).with_stray(), id="a Pod that runs"),
        pytest.param(
            RESUMING.given(HELD).checkpointing(when_unavailable=WhenUnavailable.WAIT).in_trouble(),
            id="a store that is waited for",
        ),
        pytest.param(
            RESUMING.requesting(Action.RESTORE).unread(), id="a Restore asked for that waits"
        ),
        pytest.param(
            FAILED.requesting(Action.RESTORE).unread(), id="the same, and a policy that restarts"
        ),
        pytest.param(
            LAST.in_error(restarts=2).requesting(Action.RESTORE).unread(),
            id="the same, and a clean-up that would be next",
        ),
    ],
)
def test_it_waits(world: ABuild) -> None:
    assert world.known == left(world)


def test_it_goes_on_with_what_the_checkpoint_holds_and_is_counted() -> None:
    state = left(RESUMING.given(HELD))
    assert ("INIT", "RecoveryResume", 1, HELD.ref.name, 1) == (
        state.phase,
        state.history[-1].reason,
        state.recovery.attempts,
        state.recovery.checkpoint,
        state.epoch,
    )
    assert ["SETUP", "BUILD"] == [record.phase for record in state.phases]


def test_what_was_skipped_is_marked() -> None:
    refs = (a_ref(2), a_ref(3))
    state = left(RESUMING.given(HELD, refs[1].name, refs=refs))
    assert ["", "is altered"] == [ref.damage for ref in state.checkpoints]


def test_a_long_damage_fits_into_the_status() -> None:
    ref = a_ref(3)
    long = (Damaged(name=ref.name, message="x" * 2 * MAX_TEXT),)
    state = left(RESUMING.given(HELD, refs=(ref,), damaged=long))
    assert MAX_TEXT == len(state.checkpoints[0].damage)


def test_what_was_found_in_the_store_is_referred_to_again() -> None:
    refs = (a_ref(1), a_ref(2))
    assert refs == left(RESUMING.given(HELD, refs=refs)).checkpoints


def test_where_nothing_was_ever_stored_it_begins_anew() -> None:
    state = left(RESUMING.given())
    assert ("INIT", "RecoveryRestart", 1, "") == (
        state.phase,
        state.history[-1].reason,
        state.recovery.attempts,
        state.recovery.checkpoint,
    )


def test_where_nothing_verifies_it_stays_and_says_what_to_do() -> None:
    world = RESUMING.given(None, "2-build-0b", "1-setup-0a")
    state = left(world)
    assert state.failure is not None
    assert ("ERROR", "RecoveryFailure", "RecoveryFailure", BuildPhase.BUILD, 0) == (
        state.phase,
        state.failure.category,
        state.failure.reason,
        state.failure.phase,
        state.recovery.attempts,
    )
    assert (
        "no checkpoint verifies: 2-build-0b (is altered), 1-setup-0a (is altered); "
        "request Restart to begin anew; it had failed with Error"
    ) == state.failure.message
    assert world.known.history == state.history


def test_of_many_damaged_ones_the_first_are_named() -> None:
    given = RESUMING.given(None, *(f"{number}-a" for number in range(6))).recoverable
    assert given is not None
    assert explain(given).endswith("3-a (is altered) and 2 more")


def test_what_stands_in_the_way_is_said() -> None:
    state = left(RESUMING.given(HELD, obstacle="the workspace is gone"))
    assert state.failure is not None
    assert state.failure.message.startswith("the workspace is gone; request Restart")


def test_a_failure_without_a_reason_before_is_told_too() -> None:
    world = WORKED.resuming(backoff_seconds=0).in_error(failure=None).given(None, "1-a")
    failure = left(world).failure
    assert failure is not None
    assert ("ERROR", True) == (failure.phase, failure.message.endswith("begin anew"))


def test_what_could_not_be_restored_is_not_tried_again() -> None:
    failed = left(RESUMING.given(None, "1-a"))
    world = replace(RESUMING, state=failed)
    assert not is_recovering(failed, world.moment())
    assert failed == left(world.given(HELD), 999)


def test_after_a_failed_recovery_the_clean_up_comes_where_it_is_wanted() -> None:
    failed = left(LAST.in_error().given(None, "1-a"))
    state = left(replace(LAST, state=failed), 999)
    assert ("CLEANUP", "RecoveryExhausted", True) == (
        state.phase,
        state.history[-1].reason,
        state.recovery.exhausted,
    )
    assert failed.failure == state.failure


def test_a_used_up_limit_restores_nothing() -> None:
    state = left(LAST.in_error(restarts=2).given(HELD))
    assert ("CLEANUP", 2) == (state.phase, state.recovery.attempts)


def test_what_was_read_for_a_request_is_not_what_the_policy_goes_on_from() -> None:
    # The named one is damaged, and the request refused; the newest may well be sound.
    asked = RESUMING.requesting(Action.RESTORE, checkpoint="1-a").given(None, "1-a")
    state = plan(asked.observed(), after(10)).state
    assert state is not None
    assert state.last_request is not None
    assert ("ERROR", "Refused", asked.known.failure) == (
        state.phase,
        state.last_request.outcome,
        state.failure,
    )
    later = replace(asked, state=state).given(HELD)
    assert "INIT" == left(later).phase


@pytest.mark.parametrize("phase", [phase for phase in BuildPhase if phase is not BuildPhase.ERROR])
def test_only_what_is_in_error_recovers(phase: BuildPhase) -> None:
    world = a_build().restarting().in_phase(phase)
    assert not is_recovering(world.known, world.moment())
