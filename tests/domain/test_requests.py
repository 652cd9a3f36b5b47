from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.worlds import CLAIM, ABuild, a_build, a_ref, after

from buildstate.domain.actions import ArchiveState
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import PodPhase
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import plan
from buildstate.domain.requests import answer
from buildstate.domain.specs import Action, WhenUnavailable
from buildstate.domain.states import BuildState, RequestOutcome
from buildstate.domain.validation import Law, Violation

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
        (Action.RESTORE, "ERROR", "INIT"),
        (Action.ABORT, "INIT SETUP BUILD TEST CLEANUP ERROR", "ERROR"),
    ],
)
def test_where_an_act_is_possible(
    phase: BuildPhase, action: Action, possible: str, leads_to: str
) -> None:
    held = a_build().in_phase(BuildPhase.TEST).held()
    state = answered(standing_in(phase).requesting(action).given(held))
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


# Restore, Checkpoint, Archive.

FAILED = a_build().with_work().in_error()
HELD = a_build().with_work().in_phase(BuildPhase.TEST).held(2)
RESTORING = FAILED.requesting(Action.RESTORE)
DONE = a_build().in_phase(BuildPhase.COMPLETE)
WAITING = {"when_unavailable": WhenUnavailable.WAIT}


def refusal(world: ABuild) -> tuple[str, str] | None:
    """Why the request is refused, in one word and in a sentence; None where it is not."""
    result = answered(world).last_request
    is_refused = result is not None and result.outcome is RequestOutcome.REFUSED
    return (result.reason, result.message) if result and is_refused else None


@pytest.mark.parametrize(
    ("world", "reason", "message"),
    [
        pytest.param(
            a_build().in_phase(BuildPhase.BUILD).requesting(Action.RESTORE),
            "TransitionViolation",
            "Restore is refused: possible only in ERROR, and the build is in BUILD",
            id="a Restore outside of ERROR",
        ),
        pytest.param(
            RESTORING.asking_for(BuildPhase.ERROR).given(HELD),
            "TransitionViolation",
            "Restore is refused: spec.phase asks for ERROR; "
            "ask for another phase in the same change",
            id="a Restore while ERROR is asked for",
        ),
        pytest.param(
            RESTORING.given(),
            "RecoveryFailure",
            "Restore is refused: there is no checkpoint",
            id="a Restore of nothing",
        ),
        pytest.param(
            FAILED.requesting(Action.RESTORE, checkpoint="7-a").given(None, "7-a"),
            "RecoveryFailure",
            "Restore is refused: no checkpoint verifies: 7-a (is altered)",
            id="a Restore of what is damaged",
        ),
        pytest.param(
            RESTORING.given(HELD, obstacle="the workspace is gone"),
            "RecoveryFailure",
            "Restore is refused: the workspace is gone",
            id="a Restore that something stands in the way of",
        ),
        pytest.param(
            a_build().in_error(ErrorCategory.STATE_CORRUPTION).requesting(Action.CHECKPOINT),
            "TransitionViolation",
            "Checkpoint is refused: the state was altered;"
            " Restore what the store holds, or Restart",
            id="a state that was altered",
        ),
        pytest.param(
            DONE.requesting(Action.CHECKPOINT),
            "TransitionViolation",
            "Checkpoint is refused: COMPLETE is final; another run is another BuildState",
            id="a Checkpoint of what is complete",
        ),
        pytest.param(
            WORKING.requesting(Action.CHECKPOINT).in_trouble(is_permanent=True),
            "PersistenceError",
            "Checkpoint is refused: the store is down",
            id="a Checkpoint in a store that will not have it",
        ),
        pytest.param(
            WORKING.requesting(Action.ARCHIVE),
            "TransitionViolation",
            "Archive is refused: the build is in BUILD; Abort it first, or wait for its end",
            id="an Archive of what is at work",
        ),
        pytest.param(
            a_build().restarting().in_error().requesting(Action.ARCHIVE),
            "TransitionViolation",
            "Archive is refused: the build will recover by itself; "
            "set spec.recovery.strategy to None first",
            id="an Archive of what recovers",
        ),
        pytest.param(
            DONE.requesting(Action.ARCHIVE).in_trouble(is_permanent=True),
            "PersistenceError",
            "Archive is refused: the store is down",
            id="an Archive in a store that will not have it",
        ),
    ],
)
def test_it_is_refused_with_a_reason_and_changes_nothing_else(
    world: ABuild, reason: str, message: str
) -> None:
    assert (reason, message) == refusal(world)
    assert world.known == replace(answered(world), last_request=None)


@pytest.mark.parametrize("action", Action)
def test_nothing_can_be_asked_of_what_is_put_away(action: Action) -> None:
    expected = f"{action} is refused: the build is archived; nothing more happens to it"
    for world in (DONE, a_build().restarting().in_error()):
        found = refusal(world.archived().requesting(action))
        assert found is not None
        assert expected == found[1]


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(RESTORING, id="a Restore of which nothing was read yet"),
        pytest.param(RESTORING.unread(), id="a Restore from a store that cannot be read"),
        pytest.param(RESTORING.with_stray(), id="a Restore while a Pod runs"),
        pytest.param(
            RESTORING.given(HELD).with_stray(deleting=True), id="a Restore while a Pod is ending"
        ),
        pytest.param(
            a_build()
            .with_work()
            .with_workspace()
            .in_error(ErrorCategory.ABORTED, workspace_claim=CLAIM)
            .requesting(Action.RESTORE)
            .given(HELD),
            id="a Restore while a workspace is given back",
        ),
        pytest.param(
            RESTORING.given(HELD).checkpointing(**WAITING).in_trouble(),
            id="a Restore before which no checkpoint can be taken",
        ),
        pytest.param(
            FAILED.requesting(Action.RESTART).checkpointing(**WAITING).in_trouble(),
            id="a Restart while the store is waited for",
        ),
        pytest.param(
            FAILED.requesting(Action.CLEANUP).checkpointing(**WAITING).in_trouble(),
            id="a Cleanup while the store is waited for",
        ),
        pytest.param(
            WORKING.requesting(Action.CHECKPOINT).in_trouble(), id="a Checkpoint without a store"
        ),
        pytest.param(DONE.requesting(Action.ARCHIVE).in_trouble(), id="an Archive without a store"),
        pytest.param(
            FAILED.requesting(Action.ARCHIVE).with_stray(), id="an Archive while a Pod runs"
        ),
    ],
)
def test_it_waits_and_is_not_answered_yet(world: ABuild) -> None:
    assert world.known == answered(world, 5)


def test_a_restore_goes_on_from_what_was_found() -> None:
    state = answered(RESTORING.given(HELD))
    assert state.last_request is not None
    assert (RequestOutcome.DONE, "INIT", "RestoreRequested", HELD.ref.name, 1) == (
        state.last_request.outcome,
        state.phase,
        state.history[-1].reason,
        state.recovery.checkpoint,
        state.epoch,
    )


def test_a_restore_that_is_asked_for_marks_what_was_skipped() -> None:
    refs = (a_ref(2), a_ref(3))
    state = answered(RESTORING.given(HELD, refs[1].name, refs=refs))
    assert ["", "is altered"] == [ref.damage for ref in state.checkpoints]


def test_a_restore_by_hand_gives_the_policy_all_its_tries_again() -> None:
    world = a_build().resuming().in_error(restarts=3).requesting(Action.RESTORE).given(HELD)
    assert 0 == answered(world).recovery.attempts


def test_a_restore_is_possible_while_suspended_and_then_waits() -> None:
    state = plan(RESTORING.suspended().given(HELD).observed(), after(0)).state
    assert state is not None
    assert ("INIT", "Suspended") == (state.phase, state.status)


@pytest.mark.parametrize(
    "category",
    [ErrorCategory.ABORTED, ErrorCategory.RECOVERY_FAILURE, ErrorCategory.STATE_CORRUPTION],
)
def test_a_restore_leads_out_of_every_failure(category: ErrorCategory) -> None:
    world = a_build().with_work().in_error(category).requesting(Action.RESTORE).given(HELD)
    assert ("INIT", None) == (answered(world).phase, answered(world).failure)


def test_a_restore_waits_for_no_store_if_the_policy_does_not() -> None:
    world = RESTORING.given(HELD).checkpointing().in_trouble()
    found = plan(world.observed(), after(0))
    assert found.state is not None
    assert (BuildPhase.INIT, ()) == (found.state.phase, found.captures)


def test_a_checkpoint_changes_nothing_but_its_answer() -> None:
    world = WORKING.requesting(Action.CHECKPOINT)
    assert world.known == replace(answered(world), last_request=None)
    assert refusal(world) is None


def test_a_checkpoint_is_taken_as_soon_as_the_store_may_be_tried_again() -> None:
    world = WORKING.requesting(Action.CHECKPOINT).in_trouble(5, is_permanent=True)
    assert [RequestOutcome.DONE] == [
        result.outcome for result in [answered(world, 5).last_request] if result
    ]


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(DONE, id="complete"),
        pytest.param(a_build().restarting().in_phase(BuildPhase.COMPLETE), id="with a policy"),
        pytest.param(FAILED, id="failed"),
        pytest.param(
            a_build().restarting().in_error(ErrorCategory.ABORTED), id="aborted, with a policy"
        ),
        pytest.param(a_build().resuming(limit=1).in_error(restarts=1), id="out of recoveries"),
        pytest.param(a_build().asking_for(BuildPhase.ERROR).in_error(), id="asked into ERROR"),
    ],
)
def test_what_has_ended_is_put_away(world: ABuild) -> None:
    found = plan(world.requesting(Action.ARCHIVE).observed(), after(60))
    assert found.state is not None
    assert ("Archived", world.known.phase, (ArchiveState(),)) == (
        found.state.status,
        found.state.phase,
        found.releases,
    )
    assert found.wake_after is None


@pytest.mark.parametrize(
    "wish",
    [
        pytest.param(lambda world: world.asking_for(BuildPhase.CLEANUP), id="CLEANUP"),
        pytest.param(lambda world: world.asking_for(BuildPhase.ERROR), id="ERROR"),
        pytest.param(lambda world: world.suspended(), id="suspend"),
        pytest.param(lambda world: world.restarting(backoff_seconds=0), id="a restart"),
        pytest.param(lambda world: world.resuming(backoff_seconds=0).given(HELD), id="resuming"),
        pytest.param(lambda world: world.with_work(image="other"), id="other work"),
        pytest.param(lambda world: world.requesting(Action.RESTART, "r9"), id="a request"),
        pytest.param(lambda world: world.with_stray(PodPhase.SUCCEEDED), id="an ended Pod"),
        pytest.param(lambda world: world.checkpointing().in_trouble(), id="a store in trouble"),
        pytest.param(lambda world: world.checkpointing(interval_seconds=10), id="an interval"),
    ],
)
@pytest.mark.parametrize("ended", [DONE, FAILED], ids=["COMPLETE", "ERROR"])
def test_nothing_happens_to_what_is_put_away(
    ended: ABuild, wish: Callable[[ABuild], ABuild]
) -> None:
    world = wish(ended.archived().written())
    found = plan(world.observed(), after(600))
    state = found.state or world.known
    assert ((), (), ()) == (found.releases, found.captures, found.needs)
    assert ("Archived", ended.known.phase, ended.known.history) == (
        state.status,
        state.phase,
        state.history,
    )
    assert plan(replace(world, state=state).observed(), after(600)).state is None


def test_a_broken_state_that_says_it_is_put_away_is_not_believed() -> None:
    broken = Violation(
        ErrorCategory.STATE_CORRUPTION, "digest", "does not match", Law.DIGEST_MISMATCH
    )
    found = plan(WORKING.archived().violating(broken).observed(), after(0))
    assert found.state is not None
    assert ("ERROR", "Failed", ()) == (found.state.phase, found.state.status, found.releases)
