from dataclasses import replace

import pytest
from tests.worlds import ABuild, a_build, after

from buildstate.domain.conditions import assess, summarise
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import PodPhase
from buildstate.domain.phases import BuildPhase, BuildStatus
from buildstate.domain.specs import Action, OnExhausted, WhenUnavailable
from buildstate.domain.states import MAX_TEXT, BuildState

WORKING = a_build().with_work().in_phase(BuildPhase.BUILD)
REACHED = a_build().asking_for(BuildPhase.BUILD).in_phase(BuildPhase.BUILD)

SITUATIONS = {
    # The statuses are those of Succeeded, Ready, Reconciling and Stalled.
    "Pending": (a_build().in_phase(BuildPhase.INIT), "Unknown False True False"),
    "Running": (WORKING.with_pod(), "Unknown False True False"),
    "Waiting": (WORKING.with_pod(waiting="Unschedulable"), "Unknown False True False"),
    "TargetReached": (REACHED, "Unknown True False False"),
    "Suspended": (a_build().suspended().in_phase(BuildPhase.INIT), "Unknown False False False"),
    "Recovering": (a_build().restarting().in_error(), "Unknown False True False"),
    "Succeeded": (a_build().in_phase(BuildPhase.COMPLETE), "True True False False"),
    "Failed": (a_build().in_error(), "False False False True"),
    "Aborted": (a_build().in_error(ErrorCategory.ABORTED), "False False False True"),
    "CleaningUp": (
        a_build()
        .with_work()
        .in_phase(BuildPhase.CLEANUP, failure=a_build().in_error().known.failure),
        "False False True False",
    ),
    "CleanedUp": (
        a_build().in_phase(BuildPhase.COMPLETE, failure=a_build().in_error().known.failure),
        "False False False True",
    ),
    "Archived": (a_build().in_phase(BuildPhase.COMPLETE).archived(), "True True False False"),
    "ArchivedInError": (a_build().in_error().archived(), "False True False False"),
    "RestoreWaits": (a_build().in_error().unread(), "Unknown False True False"),
}


def summary(world: ABuild, seconds: float = 0) -> BuildState:
    """The state as it is written."""
    return summarise(world.known, world.moment(after(seconds)))


@pytest.mark.parametrize(("world", "expected"), SITUATIONS.values(), ids=SITUATIONS)
def test_the_four_conditions_are(world: ABuild, expected: str) -> None:
    conditions = summary(world).conditions
    assert ["Succeeded", "Ready", "Reconciling", "Stalled"] == [c.type for c in conditions]
    assert expected == " ".join(c.status for c in conditions)


@pytest.mark.parametrize(("world", "_expected"), SITUATIONS.values(), ids=SITUATIONS)
def test_every_condition_has_a_reason_a_sentence_and_a_generation(
    world: ABuild, _expected: str
) -> None:
    for condition in summary(world).conditions:
        assert condition.reason.isalpha()
        assert condition.message
        assert world.generation == condition.observed_generation


@pytest.mark.parametrize(
    ("queue", "why"),
    [("", "gate a holds it"), ("fast", "Kueue's queue fast has not admitted it")],
)
def test_a_gated_pod_is_said_to_wait_for_whoever_holds_it(queue: str, why: str) -> None:
    gated = WORKING.with_pod(waiting="SchedulingGated", message="gate a holds it", queue=queue)
    situation = assess(gated.known, gated.moment())
    assert ("Waiting", "SchedulingGated") == (situation.status, situation.reason)
    assert situation.message.endswith(why)


@pytest.mark.parametrize("status", BuildStatus)
def test_every_status_is_one_that_some_build_has(status: BuildStatus) -> None:
    assert status in {
        assess(world.known, world.moment()).status for world, _ in SITUATIONS.values()
    }


def test_the_time_of_a_condition_moves_only_with_its_status() -> None:
    running = replace(WORKING, state=summary(WORKING.with_pod(), 0))
    waiting = summary(running.with_pod(waiting="Unschedulable"), 60)
    assert {after(0)} == {c.last_transition_time for c in waiting.conditions}
    assert {"Unschedulable"} == {c.reason for c in waiting.conditions}


def test_the_time_of_a_condition_moves_when_its_status_does() -> None:
    advancing = replace(REACHED, state=summary(a_build().in_phase(BuildPhase.BUILD), 0))
    reached = {c.type: c.last_transition_time for c in summary(advancing, 60).conditions}
    expected = {"Succeeded": 0, "Ready": 60, "Reconciling": 60, "Stalled": 0}
    assert {kind: after(seconds) for kind, seconds in expected.items()} == reached


def test_the_echo_of_the_intent_is_written() -> None:
    world = WORKING.wanting(metadata={"commit": "abc"}, phase=BuildPhase.TEST)
    state = summary(world)
    assert (world.generation, BuildPhase.TEST, {"commit": "abc"}) == (
        state.observed_generation,
        state.target,
        state.metadata,
    )


def test_a_wish_that_must_wait_is_not_noted_as_seen() -> None:
    world = a_build().in_error().with_stray().asking_for(BuildPhase.CLEANUP)
    assert BuildPhase.COMPLETE == summary(world).target


def test_a_long_message_is_cut() -> None:
    world = WORKING.refused("x" * 2 * MAX_TEXT, is_permanent=False)
    assert {MAX_TEXT} == {len(c.message) for c in summary(world).conditions}


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (WORKING.with_pod(), "attempt 1 of 1 of BUILD runs in Pod demo-build-"),
        (
            WORKING.with_pod(PodPhase.PENDING, waiting="InvalidImageName"),
            "attempt 1 of 1 of BUILD cannot start in Pod demo-build-",
        ),
        (REACHED, "BUILD was asked for and is reached; ask for a later phase to go on"),
        (a_build().in_phase(BuildPhase.BUILD), "on the way to COMPLETE"),
        (a_build().in_error(), "Error in BUILD, attempt 1, exit code 1"),
        (
            a_build().restarting().in_error(restarts=1),
            "restart 2 of 3 at 12:00:10Z; Error in BUILD, attempt 1, exit code 1",
        ),
        (
            a_build().restarting().in_error().suspended(),
            "recovery waits; Error in BUILD, attempt 1, exit code 1",
        ),
        (
            a_build().asking_for(BuildPhase.SETUP).in_phase(BuildPhase.TEST),
            "no way leads from TEST to SETUP; ask for one of TEST, CLEANUP, COMPLETE, ERROR",
        ),
        (a_build().in_phase(BuildPhase.COMPLETE), "every phase is done"),
        (a_build().in_error(failure=None), "the build is in ERROR"),
    ],
)
def test_the_sentence_says_what_to_know(world: ABuild, expected: str) -> None:
    assert assess(world.known, world.moment()).message.startswith(expected)


def test_the_kubelets_swing_between_two_reasons_is_no_change() -> None:
    pulling = WORKING.with_pod(waiting="ErrImagePull")
    waiting = WORKING.with_pod(waiting="ImagePullBackOff")
    assert assess(pulling.known, pulling.moment()) == assess(waiting.known, waiting.moment())


def test_a_condition_is_found_by_its_type() -> None:
    state = summary(a_build().in_phase(BuildPhase.COMPLETE))
    found = [state.condition(kind) for kind in ("Ready", "Stalled", "Unheard")]
    assert ["True", "False", None] == [one and one.status for one in found]


# What keeps a build in ERROR that would leave it.

WAITING = a_build().checkpointing(when_unavailable=WhenUnavailable.WAIT).in_trouble()
STORE = "the way out of ERROR waits for the store: the store is down; Error in BUILD"


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        pytest.param(
            a_build().resuming().in_error().unread(), "Recovering PersistenceError", id="resuming"
        ),
        pytest.param(
            a_build().in_error(ErrorCategory.ABORTED).requesting(Action.RESTORE).unread(),
            "Recovering PersistenceError",
            id="a Restore asked for",
        ),
        pytest.param(
            WAITING.restarting().in_error(), "Recovering PersistenceError", id="restarting"
        ),
        pytest.param(
            WAITING.in_error().requesting(Action.RESTART),
            "Recovering PersistenceError",
            id="a Restart asked for",
        ),
        pytest.param(
            WAITING.in_error().asking_for(BuildPhase.CLEANUP),
            "Recovering PersistenceError",
            id="CLEANUP asked for",
        ),
        pytest.param(WAITING.in_error(), "Failed PhaseFailed", id="nothing leads out"),
        pytest.param(
            WAITING.in_error().requesting(Action.ARCHIVE), "Failed PhaseFailed", id="an Archive"
        ),
        pytest.param(
            WAITING.restarting().in_error().suspended(), "Suspended Suspended", id="suspended"
        ),
        pytest.param(
            a_build().checkpointing().in_trouble().restarting().in_error(),
            "Recovering PhaseFailed",
            id="a policy that does not wait",
        ),
    ],
)
def test_what_waits_for_the_store_says_so(world: ABuild, expected: str) -> None:
    situation = assess(world.known, world.moment())
    assert expected == f"{situation.status} {situation.reason}"
    assert ("waits for the store" in situation.message) == ("PersistenceError" in expected)


def test_what_waits_for_the_store_says_what_had_failed() -> None:
    world = a_build().resuming().in_error().unread()
    assert assess(world.known, world.moment()).message.startswith(STORE)


def test_a_clean_up_that_waits_for_a_pod_does_not_count_one_more_recovery() -> None:
    cleaning = a_build().restarting(limit=1, then=OnExhausted.CLEANUP)
    world = cleaning.in_error(restarts=1).with_stray()
    message = assess(world.known, world.moment()).message
    assert message.startswith("CLEANUP follows, as no recovery is left; Error in BUILD")
