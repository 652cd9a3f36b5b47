"""How a lost build begins that is made again from what its store holds."""

from dataclasses import replace

import pytest
from tests.worlds import NOW, ABuild, a_build, after

from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import Plan, plan
from buildstate.domain.specs import Action
from buildstate.domain.states import BuildState

INIT, SETUP, BUILD, TEST, CLEANUP, COMPLETE, ERROR = BuildPhase
HELD = a_build().with_work().in_phase(TEST).held(7)
AGAIN = a_build().with_work()


def made_again(world: ABuild, passes: int = 1) -> BuildState:
    """The state after so many passes."""
    for _ in range(passes):
        world = replace(world, state=plan(world.observed(), after(5)).state or world.state)
    return world.known


def test_what_is_made_again_goes_on_where_the_lost_one_was() -> None:
    lost = replace(HELD, state=replace(HELD.state, epoch=2))
    state = made_again(AGAIN.given(lost))
    assert (INIT, HELD.state.sequence, 3, HELD.ref.name, NOW) == (
        state.phase,
        state.sequence,
        state.epoch,
        state.recovery.checkpoint,
        state.start_time,
    )
    assert [(SETUP, "Restored"), (BUILD, "Restored")] == [
        (record.phase, record.result) for record in state.phases
    ]


def test_what_is_made_again_was_seen_first_now_where_nobody_knows_better() -> None:
    lost = replace(HELD, state=replace(HELD.state, start_time=None))
    assert after(5) == made_again(AGAIN.given(lost)).start_time


def test_what_was_complete_is_complete_again_and_runs_nothing() -> None:
    lost = AGAIN.in_phase(COMPLETE).held()
    world = AGAIN.given(lost, obstacle="the workspace is gone")
    for _ in range(6):
        found = plan(world.observed(), after(5))
        assert () == found.needs
        world = replace(world, state=found.state)
    assert (COMPLETE, "Succeeded") == (world.known.phase, world.known.status)


@pytest.mark.parametrize("phase", [ERROR, CLEANUP, COMPLETE])
def test_what_had_failed_has_failed_again_and_runs_nothing(phase: BuildPhase) -> None:
    failed = AGAIN.in_error(restarts=1).known
    lost = AGAIN.in_phase(phase, failure=failed.failure, recovery=failed.recovery).held()
    state = made_again(AGAIN.given(lost), 2)
    assert (ERROR, failed.failure, 1) == (state.phase, state.failure, state.recovery.attempts)


@pytest.mark.parametrize(
    ("world", "says"),
    [
        pytest.param(AGAIN.given(), "there is no checkpoint", id="nothing"),
        pytest.param(AGAIN.given(None, "1-a"), "no checkpoint verifies: 1-a", id="what is damaged"),
        pytest.param(
            AGAIN.given(HELD, obstacle="the workspace is gone"),
            "the workspace is gone",
            id="what something is missing for",
        ),
    ],
)
def test_what_cannot_be_made_again_from_its_store_says_why(world: ABuild, says: str) -> None:
    state = made_again(world, 2)
    assert state.failure is not None
    assert (ERROR, "RecoveryFailure", ()) == (state.phase, state.failure.category, state.phases)
    assert state.failure.message.startswith(says)


def test_a_request_that_the_lost_build_had_answered_is_not_done_again() -> None:
    lost = AGAIN.in_error().answered(Action.RESTART).held()
    world = AGAIN.requesting(Action.RESTART).given(lost, obstacle="the workspace is gone")
    assert ERROR is made_again(world, 3).phase


def test_while_the_store_cannot_be_read_nothing_begins() -> None:
    assert Plan(wake_after=30.0) == plan(AGAIN.unread().observed(), NOW)


def test_an_old_trouble_wakes_at_once() -> None:
    assert Plan(wake_after=0.0) == plan(AGAIN.unread(1).observed(), after(2))
