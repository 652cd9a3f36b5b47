from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.worlds import ABuild, a_build, a_ref, after

from buildstate.domain.captures import kind_of_next, next_time, retain
from buildstate.domain.checkpoints import CheckpointKind, CheckpointRef
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import PodPhase
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import Plan, plan
from buildstate.domain.specs import Action, DeletionPolicy, WhenUnavailable
from buildstate.domain.states import (
    MAX_CHECKPOINTS,
    MAX_FULL_EVERY,
    MAX_KEPT,
    BuildState,
    Condition,
)
from buildstate.domain.validation import Law, Violation

BUILD = BuildPhase.BUILD
WAIT, CONTINUE = WhenUnavailable.WAIT, WhenUnavailable.CONTINUE
BROKEN = Violation(ErrorCategory.STATE_CORRUPTION, "digest", "does not match", Law.DIGEST_MISMATCH)

ADVANCING = a_build().in_phase(BUILD)
WORKING = a_build().with_work().in_phase(BUILD).with_pod()
TIMED = WORKING.checkpointing(on_transition=False, interval_seconds=60)
FAILED = a_build().with_work().in_error()
DONE = a_build().with_work().in_phase(BuildPhase.TEST).held()
RESTORING = FAILED.requesting(Action.RESTORE).given(DONE)


def decision(world: ABuild, seconds: float = 0) -> Plan:
    """What the plan says so many seconds after NOW."""
    return plan(world.observed(), after(seconds))


def triggers(world: ABuild, seconds: float = 0) -> list[str]:
    """Why checkpoints are taken then, in their order."""
    return [capture.trigger for capture in decision(world, seconds).captures]


def checkpointed(world: ABuild, seconds: float = 0) -> Condition | None:
    """The condition that is written then."""
    state = decision(world, seconds).state or world.known
    return state.condition("Checkpointed")


# None is taken.


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(a_build().suspended().checkpointing(), id="a build that begins in INIT"),
        pytest.param(ADVANCING, id="a step without a policy"),
        pytest.param(ADVANCING.checkpointing(on_transition=False), id="a step if none is wanted"),
        pytest.param(WORKING.checkpointing(), id="no step"),
        pytest.param(FAILED.checkpointing().requesting(Action.CLEANUP).with_stray(), id="held up"),
        pytest.param(FAILED.requesting(Action.RESTART), id="a restart without a policy"),
        pytest.param(ADVANCING.checkpointing().violating(BROKEN), id="a state not believed"),
        pytest.param(
            ADVANCING.requesting(Action.CHECKPOINT).violating(BROKEN), id="asked of a broken state"
        ),
        pytest.param(
            ADVANCING.checkpointing().being_deleted().missing_one(), id="a build that is deleted"
        ),
        pytest.param(ADVANCING.checkpointing().in_trouble(1), id="a store in trouble"),
        pytest.param(
            ADVANCING.requesting(Action.CHECKPOINT).in_trouble(1), id="asked of a store in trouble"
        ),
        pytest.param(
            a_build().in_phase(BuildPhase.COMPLETE).archived().checkpointing().missing_one(),
            id="a build that is put away",
        ),
        pytest.param(
            FAILED.checkpointing().missing_one().requesting(Action.ARCHIVE),
            id="a build that is being put away",
        ),
        pytest.param(
            ADVANCING.answered(Action.CHECKPOINT).requesting(Action.CHECKPOINT),
            id="a request that was answered",
        ),
    ],
)
def test_no_checkpoint_is_taken_of(world: ABuild) -> None:
    assert [] == triggers(world)


def test_a_request_that_is_refused_takes_none() -> None:
    world = a_build().in_phase(BuildPhase.COMPLETE).requesting(Action.CHECKPOINT)
    assert [] == triggers(world)


def test_a_restore_that_is_refused_takes_none() -> None:
    assert [] == triggers(FAILED.checkpointing().requesting(Action.RESTORE).given(None, "1-a"))


# One is taken.


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        pytest.param(ADVANCING.checkpointing(), ["Transition"], id="a step"),
        pytest.param(WORKING.requesting(Action.CHECKPOINT), ["Request"], id="asked for"),
        pytest.param(
            ADVANCING.checkpointing().requesting(Action.CHECKPOINT),
            ["Request"],
            id="asked for as a step is taken",
        ),
        pytest.param(
            FAILED.suspended().requesting(Action.CHECKPOINT), ["Request"], id="asked for in ERROR"
        ),
        pytest.param(
            FAILED.checkpointing(on_transition=False).requesting(Action.RESTART),
            ["Transition"],
            id="the first of an epoch, whatever the policy",
        ),
        pytest.param(RESTORING, ["Restore", "Transition"], id="a restore without a policy"),
        pytest.param(
            RESTORING.checkpointing(on_transition=False), ["Restore", "Transition"], id="a restore"
        ),
        pytest.param(
            FAILED.resuming(backoff_seconds=0).given(DONE), ["Restore", "Transition"], id="resuming"
        ),
        pytest.param(WORKING.checkpointing().missing_one(), ["Transition"], id="a missed one"),
        pytest.param(
            FAILED.checkpointing().missing_one(), ["Transition"], id="a missed one in ERROR"
        ),
        pytest.param(
            WORKING.checkpointing().missing_one().in_trouble(0),
            ["Transition"],
            id="when the store is tried again",
        ),
        pytest.param(
            ADVANCING.checkpointing().requesting(Action.CHECKPOINT).missing_one(),
            ["Request"],
            id="one for everything that is due",
        ),
    ],
)
def test_checkpoints_are_taken_of(world: ABuild, expected: list[str]) -> None:
    assert expected == triggers(world)


def test_a_checkpoint_holds_the_state_that_is_written() -> None:
    found = decision(ADVANCING.checkpointing())
    assert [found.state] == [capture.state for capture in found.captures]
    assert found.state is not None
    assert BuildPhase.TEST is found.state.phase


def test_the_checkpoint_before_a_restore_holds_what_was_before_it() -> None:
    found = decision(RESTORING)
    assert [RESTORING.known, found.state] == [capture.state for capture in found.captures]


def test_with_a_checkpoint_there_is_always_a_write_that_refers_to_it() -> None:
    # Nothing of the state is new, not even its time: only the reference will be.
    same = replace(TIMED, state=decision(TIMED, 60).state)
    found = decision(same, 60)
    assert (same.known, 1) == (found.state, len(found.captures))


# By time.


def test_by_time_one_is_taken_when_the_newest_is_old_enough() -> None:
    world = TIMED.with_refs(a_ref(time=after(5)))
    assert [[], ["Interval"], ["Interval"]] == [triggers(world, at) for at in (64.9, 65, 500)]


def test_the_first_one_by_time_counts_from_the_beginning() -> None:
    assert [[], ["Interval"]] == [triggers(TIMED, at) for at in (59, 60)]


def test_a_build_that_does_not_know_its_beginning_takes_one_at_once() -> None:
    world = replace(TIMED, state=replace(TIMED.known, start_time=None))
    assert ["Interval"] == triggers(world)


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(a_build().asking_for(BUILD).in_phase(BUILD), id="waits for a pipeline"),
        pytest.param(FAILED, id="is in ERROR"),
        pytest.param(a_build().in_phase(BuildPhase.COMPLETE), id="is complete"),
        pytest.param(
            a_build().with_work().asking_for(BUILD).in_phase(BUILD).with_pod(PodPhase.SUCCEEDED),
            id="has just done its work",
        ),
    ],
)
def test_by_time_none_is_taken_of_a_build_that(world: ABuild) -> None:
    world = world.checkpointing(on_transition=False, interval_seconds=10)
    assert ([], None) == (triggers(world, 3600), decision(world, 3600).wake_after)


def test_a_build_wakes_when_the_next_one_is_due() -> None:
    world = TIMED.with_refs(a_ref(time=after(5)))
    assert 55 == decision(world, 10).wake_after
    assert after(65) == next_time(world.known, world.moment())


def test_once_taken_the_next_one_by_time_is_a_whole_interval_away() -> None:
    taken = decision(TIMED, 60).state
    assert taken is not None
    refs = (a_ref(time=after(60)),)
    settled = replace(TIMED, state=replace(taken, checkpoints=refs))
    assert Plan(wake_after=60.0) == decision(settled, 60)


def test_while_the_store_is_in_trouble_only_its_next_try_wakes() -> None:
    world = TIMED.missing_one().in_trouble(100)
    assert ([], 30.0) == (triggers(world, 70), decision(world, 70).wake_after)


# When the store cannot be written.


def test_a_build_goes_on_without_a_checkpoint_and_says_so() -> None:
    world = ADVANCING.checkpointing(when_unavailable=CONTINUE).in_trouble()
    state, said = decision(world).state, checkpointed(world)
    assert state is not None
    assert said is not None
    assert (BuildPhase.TEST, "False", "PersistenceError", "the store is down") == (
        state.phase,
        said.status,
        said.reason,
        said.message,
    )


def test_a_build_that_is_to_wait_enters_no_phase_and_says_why() -> None:
    world = ADVANCING.checkpointing(when_unavailable=WAIT).in_trouble()
    state = decision(world).state
    assert state is not None
    ready = state.condition("Ready")
    assert ready is not None
    assert (BUILD, "Waiting", "PersistenceError") == (state.phase, state.status, ready.reason)
    assert "TEST is entered once the checkpoint can be stored: the store is down" == ready.message
    assert 30 == decision(world).wake_after


def test_the_work_that_ended_while_the_build_waits_is_written_down() -> None:
    world = WORKING.checkpointing(when_unavailable=WAIT).in_trouble()
    ended = replace(world, pods=()).with_pod(PodPhase.SUCCEEDED)
    state = decision(ended).state
    assert state is not None
    assert state.record is not None
    assert (BUILD, "Succeeded") == (state.phase, state.record.result)


def test_a_failure_waits_for_no_store() -> None:
    world = a_build().with_work().in_phase(BUILD).with_pod(PodPhase.FAILED)
    state = decision(world.checkpointing(when_unavailable=WAIT).in_trouble()).state
    assert state is not None
    assert BuildPhase.ERROR is state.phase


def test_an_abort_waits_for_no_store() -> None:
    world = WORKING.checkpointing(when_unavailable=WAIT).in_trouble().requesting(Action.ABORT)
    state = decision(world).state
    assert state is not None
    assert BuildPhase.ERROR is state.phase


def test_when_it_is_tried_again_the_build_goes_on_with_a_checkpoint() -> None:
    world = ADVANCING.checkpointing(when_unavailable=WAIT).missing_one().in_trouble(30)
    said = checkpointed(world, 30)
    assert said is not None
    assert (["Transition"], "True", "Stored") == (triggers(world, 30), said.status, said.reason)


def test_with_no_policy_nothing_is_said_about_checkpoints() -> None:
    assert checkpointed(ADVANCING.missing_one()) is None


def test_before_the_first_one_it_is_not_known_whether_they_can_be_stored() -> None:
    said = checkpointed(WORKING.checkpointing())
    assert said is not None
    assert ("Unknown", "NoneDue") == (said.status, said.reason)


def test_what_was_said_stays_until_something_else_is_true() -> None:
    stored = checkpointed(TIMED, 60)
    later = replace(TIMED, state=decision(TIMED, 60).state).with_refs(a_ref(time=after(60)))
    assert stored is not None
    assert stored == checkpointed(later, 70)


def test_what_somebody_else_wrote_about_checkpoints_is_not_repeated() -> None:
    world = ADVANCING.checkpointing().missing_one().violating(BROKEN)
    said = checkpointed(world)
    assert said is not None
    assert "Unknown" == said.status


# What stays.


def test_a_full_one_comes_first_and_then_as_often_as_is_asked() -> None:
    refs: tuple[CheckpointRef, ...] = ()
    for number in range(1, 8):
        refs = (*refs, a_ref(number, kind=kind_of_next(refs, 3)))
    assert "Full Delta Delta Full Delta Delta Full" == " ".join(ref.kind for ref in refs)


def test_with_one_of_one_every_one_is_full() -> None:
    assert CheckpointKind.FULL is kind_of_next((a_ref(1),), 1)


@pytest.mark.parametrize("damaged", [1, 2])
def test_nothing_is_built_upon_what_is_damaged(damaged: int) -> None:
    refs = (a_ref(1), a_ref(2, kind=CheckpointKind.DELTA))
    marked = [replace(r, damage="is altered" if r.number == damaged else "") for r in refs]
    assert CheckpointKind.FULL is kind_of_next(tuple(marked), 8)


def test_a_full_one_after_a_damaged_one_is_built_upon() -> None:
    refs = (a_ref(1, damage="is altered"), a_ref(2))
    assert CheckpointKind.DELTA is kind_of_next(refs, 8)


@st.composite
def chains(draw: st.DrawFn) -> tuple[CheckpointRef, ...]:
    """References as they are made one after another, while policies and damages come and go."""
    refs: tuple[CheckpointRef, ...] = ()
    for number in range(1, draw(st.integers(1, 130)) + 1):
        full_every = draw(st.integers(MAX_FULL_EVERY - 4, MAX_FULL_EVERY))
        damage = draw(st.sampled_from(["", "", "", "is altered"]))
        refs = (*refs, a_ref(number, kind=kind_of_next(refs, full_every), damage=damage))
    return refs


def needs(refs: tuple[CheckpointRef, ...], ref: CheckpointRef) -> Iterator[CheckpointRef]:
    """What has to be read to read `ref`."""
    known = {one.digest: one for one in refs}
    while ref.kind is CheckpointKind.DELTA:
        ref = known[ref.parent]
        yield ref


@given(refs=chains(), keep=st.integers(1, MAX_KEPT))
def test_what_stays_can_be_read_and_is_bounded(refs: tuple[CheckpointRef, ...], keep: int) -> None:
    kept = retain(refs, keep)
    assert kept[-keep:] == refs[-keep:]
    assert list(kept) == [ref for ref in refs if ref in kept]
    assert len(kept) <= MAX_CHECKPOINTS
    assert all(needed in kept for ref in kept for needed in needs(refs, ref))
    assert kept == retain(kept, keep)


@given(refs=chains(), keep=st.integers(1, MAX_KEPT))
def test_the_newest_sound_one_stays(refs: tuple[CheckpointRef, ...], keep: int) -> None:
    sound = [ref for ref in refs if not ref.damage]
    assert sound[-1:] == [ref for ref in retain(refs, keep) if not ref.damage][-1:]


def test_nothing_stays_of_nothing() -> None:
    assert () == retain((), 1)


# What holds the object until its outside store is erased.

ERASING = WORKING.checkpointing(deletion_policy=DeletionPolicy.DELETE).written()
OUTSIDE = replace(ERASING, is_outside=True)
FINALIZED = replace(OUTSIDE, is_finalized=True)


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        pytest.param(ERASING, [], id="a store that goes with the object"),
        pytest.param(replace(ERASING, is_finalized=True), ["RemoveFinalizer"], id="not any more"),
        pytest.param(OUTSIDE, ["AddFinalizer"], id="an outside store"),
        pytest.param(FINALIZED, [], id="once"),
        pytest.param(FINALIZED.checkpointing(), ["RemoveFinalizer"], id="what is retained"),
        pytest.param(
            FINALIZED.wanting(checkpoints=None), ["RemoveFinalizer"], id="what has no policy"
        ),
        pytest.param(
            replace(WORKING.checkpointing(), is_outside=True), [], id="what was always retained"
        ),
        pytest.param(
            FINALIZED.being_deleted(), ["EraseStore", "RemoveFinalizer"], id="erased at the end"
        ),
        pytest.param(
            FINALIZED.checkpointing().being_deleted(), ["RemoveFinalizer"], id="retained at the end"
        ),
        pytest.param(
            FINALIZED.wanting(checkpoints=None).being_deleted(),
            ["RemoveFinalizer"],
            id="without a policy at the end",
        ),
        pytest.param(OUTSIDE.being_deleted(), [], id="held by somebody else"),
        pytest.param(
            replace(FINALIZED, state=None).being_deleted(),
            ["EraseStore", "RemoveFinalizer"],
            id="deleted before it began",
        ),
    ],
)
def test_an_outside_store_is_erased_where_that_was_asked(
    world: ABuild, expected: list[str]
) -> None:
    assert expected == [type(act).__name__ for act in decision(world).releases]


def test_a_build_that_goes_does_nothing_else() -> None:
    found = decision(FINALIZED.requesting(Action.CHECKPOINT).being_deleted())
    nothing: tuple[BuildState | None, tuple[()], tuple[()]] = (None, (), ())
    assert nothing == (found.state, found.captures, found.needs)
