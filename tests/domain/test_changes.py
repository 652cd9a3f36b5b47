from dataclasses import replace

import pytest
from tests.worlds import CLAIM, UID, ABuild, a_build, a_product, a_ref, after, an_artifact

from buildstate.domain import changes
from buildstate.domain.observed import Held
from buildstate.domain.phases import WORK_PHASES, BuildPhase
from buildstate.domain.plan import plan
from buildstate.domain.specs import EnvVar, ReleasePolicy, WorkResources
from buildstate.domain.states import MAX_HISTORY, BuildState, RecoveryState, WorkResult


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
    left = (a_product(),)
    world = a_build().in_error(id="copied", workspace_claim="theirs", restarts=2, artifacts=left)
    state = changes.distrust(world.known, world.moment(after(1)))
    assert (world.known.phase, world.known.sequence, world.known.recovery) == (
        state.phase,
        state.sequence,
        state.recovery,
    )
    assert (UID, (), (), None) == (state.id, state.phases, state.history, state.workspace_claim)
    assert () == state.artifacts


# What a checkpoint holds.

SETUP, BUILD, TEST, CLEANUP = WORK_PHASES
BEFORE = a_build().with_work().with_workspace()
HELD = BEFORE.in_phase(CLEANUP).held()


def held_of(held: Held, world: ABuild) -> list[BuildPhase]:
    """The phases that need not run again."""
    return [record.phase for record in changes.held_records(held, world.spec)]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(BEFORE, [SETUP, BUILD, TEST], id="the same work"),
        pytest.param(BEFORE.with_work(SETUP, image="other"), [], id="another image in front"),
        pytest.param(BEFORE.with_work(TEST, image="other"), [SETUP, BUILD], id="another image"),
        pytest.param(BEFORE.with_work(BUILD, args=("-v",)), [SETUP], id="other arguments"),
        pytest.param(BEFORE.with_work(BUILD, command=("ls",)), [SETUP], id="another command"),
        pytest.param(
            BEFORE.with_work(BUILD, env=(EnvVar(name="A", value="b"),)), [SETUP], id="a variable"
        ),
        pytest.param(BEFORE.with_work(BUILD, working_dir="/tmp"), [SETUP], id="another directory"),
        pytest.param(
            BEFORE.with_work(
                BUILD,
                timeout_seconds=9,
                backoff_limit=3,
                resources=WorkResources(limits={"memory": "1Gi"}),
            ),
            [SETUP, BUILD, TEST],
            id="more time, tries and room",
        ),
        pytest.param(
            BEFORE.with_work(CLEANUP, image="other"), [SETUP, BUILD, TEST], id="another clean-up"
        ),
        pytest.param(BEFORE.with_workspace(size="2Gi"), [], id="another volume"),
        pytest.param(
            BEFORE.declaring(an_artifact(phase=TEST)), [SETUP, BUILD], id="another artifact"
        ),
        pytest.param(BEFORE.wanting(workspace=None), [], id="no volume any more"),
        pytest.param(
            BEFORE.with_workspace(size="1Gi", release=ReleasePolicy.ON_END),
            [SETUP, BUILD, TEST],
            id="given back at another time",
        ),
        pytest.param(
            BEFORE.wanting(phases=replace(BEFORE.spec.phases, build=None)), [SETUP], id="work less"
        ),
        pytest.param(
            BEFORE.wanting(service_account_name="a", phase=TEST, metadata={"a": "b"}),
            [SETUP, BUILD, TEST],
            id="what does not matter",
        ),
    ],
)
def test_what_was_done_counts_as_long_as_it_would_be_done_the_same(
    now: ABuild, expected: list[BuildPhase]
) -> None:
    assert expected == held_of(HELD, now)


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (BuildPhase.INIT, []),
        (SETUP, []),
        (BUILD, [SETUP]),
        (TEST, [SETUP, BUILD]),
        (CLEANUP, [SETUP, BUILD, TEST]),
        (BuildPhase.COMPLETE, [SETUP, BUILD, TEST, CLEANUP]),
    ],
)
def test_a_checkpoint_holds_what_was_done_before_it(
    phase: BuildPhase, expected: list[BuildPhase]
) -> None:
    assert expected == held_of(BEFORE.in_phase(phase).held(), BEFORE)


def test_a_phase_that_had_failed_is_not_held() -> None:
    world = BEFORE.in_phase(BUILD).attempted(1, WorkResult.FAILED)
    assert [SETUP] == held_of(world.held(), BEFORE)


def test_a_phase_whose_work_is_new_is_run_and_all_after_it() -> None:
    before = a_build().with_work(BUILD, TEST)
    assert [] == held_of(before.in_phase(CLEANUP).held(), before.with_work(SETUP))


def test_a_phase_without_work_hides_none_that_has_some() -> None:
    world = a_build().with_work(SETUP, TEST)
    assert [SETUP, TEST] == held_of(world.in_phase(CLEANUP).held(), world)


def test_without_any_work_nothing_is_held() -> None:
    assert [] == held_of(a_build().in_phase(TEST).held(), a_build())


def test_what_a_restore_had_held_is_held_again() -> None:
    restored = tuple(replace(one, result=WorkResult.RESTORED) for one in HELD.state.phases)
    again = replace(HELD, state=replace(HELD.state, phases=restored))
    assert [SETUP, BUILD, TEST] == held_of(again, BEFORE)


def test_a_restore_keeps_what_the_phases_left_that_are_not_run_again() -> None:
    before = BEFORE.declaring(an_artifact("lib", SETUP), an_artifact("app", BUILD))
    left = (a_product("lib", SETUP), a_product("app", BUILD))
    held = before.in_phase(TEST).having_left(*left).held()
    now = before.wanting(artifacts=before.spec.artifacts[:1]).in_error()
    assert left == restored(before.in_error(), held).artifacts
    assert left[:1] == restored(now, held).artifacts


def test_a_restart_keeps_nothing_that_was_left() -> None:
    world = BEFORE.in_error(artifacts=(a_product(),))
    state = changes.restart(world.known, world.moment(), RecoveryState(), "RestartRequested")
    assert () == state.artifacts


def restored(world: ABuild, held: Held = HELD) -> BuildState:
    """The state right after a restore of the policy."""
    moment = world.moment(after(5))
    return changes.restore(world.known, held, moment, RecoveryState(attempts=1), "RecoveryResume")


def test_a_restore_opens_an_epoch_in_which_what_is_held_is_done() -> None:
    state = restored(BEFORE.in_error())
    assert (BuildPhase.INIT, 1, None, HELD.ref.name, 1) == (
        state.phase,
        state.epoch,
        state.failure,
        state.recovery.checkpoint,
        state.recovery.attempts,
    )
    assert {WorkResult.RESTORED} == {record.result for record in state.phases}
    assert [one.attempt_time for one in HELD.state.phases[:3]] == [
        record.attempt_time for record in state.phases
    ]


def test_a_restore_keeps_the_history_and_counts_on() -> None:
    world = BEFORE.in_error()
    state = restored(world)
    assert world.known.history == state.history[:-1]
    assert (world.known.sequence + 1, "RecoveryResume") == (
        state.sequence,
        state.history[-1].reason,
    )


def test_a_build_that_lost_its_beginning_takes_that_of_the_checkpoint() -> None:
    assert after(0) == restored(BEFORE.in_error(start_time=None)).start_time


@pytest.mark.parametrize(("of_ref", "expected"), [(1, 1), (2, 2), (3, 2)])
def test_who_goes_back_behind_a_restart_goes_on_with_what_was_before_it(
    of_ref: int, expected: int
) -> None:
    world = BEFORE.in_error(epoch=3, recovery=RecoveryState(epoch=2))
    held = replace(HELD, ref=replace(HELD.ref, epoch=of_ref))
    assert expected == restored(world, held).recovery.epoch


def test_a_restart_lets_the_policy_go_back_no_further() -> None:
    world = BEFORE.in_error(epoch=3)
    known = RecoveryState(attempts=2, checkpoint="1-build-0f", epoch=1)
    state = changes.restart(world.known, world.moment(), known, "RecoveryRestart")
    assert (4, RecoveryState(attempts=2, epoch=4)) == (state.epoch, state.recovery)


def test_what_is_held_is_passed_through_without_a_pod() -> None:
    world = replace(BEFORE, state=restored(BEFORE.in_error()))
    for phase in (SETUP, BUILD, TEST):
        found = plan(world.observed(), after(6))
        assert found.state is not None
        assert (phase, 0, ()) == (found.state.phase, found.state.attempt, found.needs)
        world = replace(world, state=found.state)


def test_what_is_not_held_is_run_after_what_is() -> None:
    world = BEFORE.in_error()
    world = replace(world, state=restored(world, BEFORE.in_phase(TEST).held()))
    for _ in range(2):
        world = replace(world, state=plan(world.observed(), after(6)).state)
    found = plan(world.observed(), after(6))
    assert found.state is not None
    assert (TEST, 1, "CreatePod") == (
        found.state.phase,
        found.state.attempt,
        type(found.needs[-1]).__name__,
    )


def test_the_first_pod_after_a_restore_needs_no_new_claim() -> None:
    # What is held was done in it, and a restore is refused where it is gone.
    world = replace(BEFORE, state=restored(BEFORE.in_error(workspace_claim=CLAIM)))
    for _ in range(4):
        found = plan(world.observed(), after(6))
        world = replace(world, state=found.state)
    assert (CLEANUP, CLAIM) == (world.known.phase, world.known.workspace_claim)
    assert ["CreatePod"] == [type(act).__name__ for act in found.needs]


def test_a_distrusted_state_names_no_checkpoints() -> None:
    known = RecoveryState(attempts=2, exhausted=True, checkpoint="1-build-0f", epoch=1)
    world = a_build().in_error(recovery=known).with_refs(a_ref(1))
    state = changes.distrust(world.known, world.moment())
    expected = ((), RecoveryState(attempts=2, exhausted=True))
    assert expected == (state.checkpoints, state.recovery)
