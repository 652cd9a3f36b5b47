import pytest
from tests.worlds import CLAIM, UID, a_build, after

from buildstate.domain import changes
from buildstate.domain.phases import BuildPhase
from buildstate.domain.states import MAX_HISTORY, WorkResult


def test_a_new_build_begins_in_init_with_the_identity_of_its_object() -> None:
    world = a_build()
    state = changes.begin(world.moment(after(1)))
    assert (UID, BuildPhase.INIT, 0, after(1)) == (
        state.id,
        state.phase,
        state.sequence,
        state.start_time,
    )


def test_a_step_that_is_no_edge_is_refused() -> None:
    world = a_build().in_phase(BuildPhase.BUILD)
    with pytest.raises(ValueError, match="BUILD -> COMPLETE is not a valid transition"):
        changes.enter(world.known, BuildPhase.COMPLETE, world.moment(), "Advanced")


def test_the_history_keeps_the_latest_steps() -> None:
    world = a_build().in_phase(BuildPhase.INIT)
    state = world.known
    for number in range(MAX_HISTORY):
        to = BuildPhase.ERROR if number % 2 == 0 else BuildPhase.INIT
        state = changes.enter(state, to, world.moment(), "again")
    state = changes.enter(state, BuildPhase.SETUP, world.moment(), "Advanced")
    assert MAX_HISTORY == len(state.history)
    assert (2, MAX_HISTORY + 1) == (state.history[0].sequence, state.history[-1].sequence)


def test_entering_a_phase_anew_forgets_how_its_work_went_before() -> None:
    failed = a_build().with_work(BuildPhase.CLEANUP).in_phase(BuildPhase.CLEANUP)
    moment = a_build().moment()  # The work was taken away while the build was in ERROR.
    in_error = changes.abort(failed.known, moment, "")
    assert changes.enter(in_error, BuildPhase.CLEANUP, moment, "CleanupAsked").record is None


def test_the_next_attempt_begins_now_and_the_phase_began_before() -> None:
    world = a_build().with_work().in_phase(BuildPhase.BUILD)
    state = changes.attempt(world.known, world.moment(after(30)))
    record = state.record
    assert record is not None
    assert (2, 2, after(0), after(30)) == (
        state.attempt,
        record.attempts,
        record.start_time,
        record.attempt_time,
    )


@pytest.mark.parametrize(
    ("workspace", "expected"),
    [({"size": "1Gi"}, CLAIM), ({"claim_name": "theirs"}, None), (None, None)],
)
def test_an_attempt_names_the_claim_that_is_the_builds_own(
    workspace: dict[str, str] | None, expected: str | None
) -> None:
    world = a_build().with_work().in_phase(BuildPhase.BUILD)
    world = world.with_workspace(**workspace) if workspace else world
    assert expected == changes.attempt(world.known, world.moment()).workspace_claim


def test_work_that_never_began_does_not_end() -> None:
    state = a_build().in_phase(BuildPhase.BUILD).known
    assert state == changes.finish(state, WorkResult.FAILED, after(0))


def test_what_ran_when_the_build_failed_has_failed() -> None:
    world = a_build().with_work().in_phase(BuildPhase.BUILD)
    state = changes.abort(world.known, world.moment(after(9)), "stop")
    assert (WorkResult.FAILED, after(9)) == (
        state.phases[-1].result,
        state.phases[-1].completion_time,
    )


def test_a_distrusted_state_keeps_where_it_stands_and_its_answers() -> None:
    world = a_build().in_error(id="copied", workspace_claim="theirs", restarts=2)
    state = changes.distrust(world.known, world.moment(after(1)))
    assert (world.known.phase, world.known.sequence, world.known.recovery) == (
        state.phase,
        state.sequence,
        state.recovery,
    )
    assert (UID, (), (), None) == (state.id, state.phases, state.history, state.workspace_claim)
