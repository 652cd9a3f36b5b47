from dataclasses import replace

import pytest
from tests.worlds import ABuild, a_build, after

from buildstate.domain.errors import ErrorCategory
from buildstate.domain.phases import BuildPhase
from buildstate.domain.restores import Wanted, wanted
from buildstate.domain.specs import Action, OnExhausted, WhenUnavailable
from buildstate.domain.states import RecoveryState
from buildstate.domain.validation import Law, Violation

BROKEN = Violation(ErrorCategory.STATE_CORRUPTION, "digest", "does not match", Law.DIGEST_MISMATCH)
FAILED = a_build().in_error()
ASKED = FAILED.requesting(Action.RESTORE)
RESUMING = a_build().resuming(limit=2, backoff_seconds=10).in_error()
WAITING = {"when_unavailable": WhenUnavailable.WAIT}


@pytest.mark.parametrize(
    ("world", "at"),
    [
        pytest.param(FAILED, 60, id="without a policy and a request"),
        pytest.param(a_build().resuming(), 60, id="before the first write"),
        pytest.param(a_build().restarting().in_error(), 60, id="a policy that restarts"),
        pytest.param(RESUMING, 9.9, id="before its time"),
        pytest.param(RESUMING.suspended(), 60, id="suspended"),
        pytest.param(RESUMING.with_stray(), 60, id="a Pod that runs"),
        pytest.param(RESUMING.asking_for(BuildPhase.ERROR), 60, id="ERROR is asked for"),
        pytest.param(RESUMING.asking_for(BuildPhase.CLEANUP), 60, id="CLEANUP is asked for"),
        pytest.param(RESUMING.violating(BROKEN), 60, id="a state not believed"),
        pytest.param(RESUMING.being_deleted(), 60, id="deleted"),
        pytest.param(
            a_build().made_from("lost").being_deleted(), 60, id="of a lost build, when deleted"
        ),
        pytest.param(RESUMING.archived(), 60, id="put away"),
        pytest.param(
            RESUMING.checkpointing(**WAITING).in_trouble(99), 60, id="a store that is waited for"
        ),
        pytest.param(a_build().resuming().in_error(restarts=3), 60, id="a limit used up"),
        pytest.param(
            a_build().resuming(then=OnExhausted.CLEANUP).in_error(restarts=3),
            60,
            id="only a clean-up is left",
        ),
        pytest.param(
            a_build().resuming().in_error(ErrorCategory.RECOVERY_FAILURE), 60, id="it failed"
        ),
        pytest.param(a_build().resuming().in_error(ErrorCategory.ABORTED), 60, id="aborted"),
        pytest.param(
            a_build().resuming().in_phase(BuildPhase.BUILD), 60, id="a build that is not in ERROR"
        ),
        pytest.param(
            a_build().in_phase(BuildPhase.BUILD).requesting(Action.RESTORE),
            60,
            id="asked for outside of ERROR",
        ),
        pytest.param(FAILED.requesting(Action.RESTART), 60, id="another request"),
        pytest.param(ASKED.answered(Action.RESTORE), 60, id="a request that was answered"),
        pytest.param(ASKED.with_stray(deleting=True), 60, id="asked for while a Pod is ending"),
        pytest.param(
            ASKED.asking_for(BuildPhase.ERROR), 60, id="asked for while ERROR is asked for"
        ),
        pytest.param(ASKED.archived(), 60, id="asked for of what is put away"),
        pytest.param(ASKED.being_deleted(), 60, id="asked for of what is deleted"),
        pytest.param(ASKED.violating(BROKEN), 60, id="asked for of a state not believed"),
        pytest.param(
            ASKED.checkpointing(**WAITING).in_trouble(99), 60, id="asked for, and waited for"
        ),
    ],
)
def test_no_checkpoint_is_read(world: ABuild, at: float) -> None:
    assert wanted(world.moment(after(at))) is None


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        pytest.param(RESUMING, Wanted(), id="by the policy"),
        pytest.param(ASKED, Wanted(), id="by request"),
        pytest.param(ASKED.suspended(), Wanted(), id="by request while suspended"),
        pytest.param(
            FAILED.requesting(Action.RESTORE, checkpoint="3-build-0f"),
            Wanted("3-build-0f"),
            id="by name",
        ),
        pytest.param(
            RESUMING.requesting(Action.RESTORE, checkpoint="3-build-0f"),
            Wanted("3-build-0f"),
            id="by name, before the policy",
        ),
        pytest.param(
            RESUMING.asking_for(BuildPhase.ERROR).asking_for(BuildPhase.COMPLETE),
            Wanted(),
            id="when ERROR is not asked for any more",
        ),
        pytest.param(
            RESUMING.checkpointing().in_trouble(99), Wanted(), id="while it cannot be written"
        ),
        pytest.param(
            a_build().resuming().in_error(ErrorCategory.STATE_CORRUPTION),
            Wanted(),
            id="after a corruption",
        ),
        pytest.param(a_build().made_from("lost"), Wanted(origin="lost"), id="of a lost build"),
        pytest.param(replace(RESUMING, origin="lost"), Wanted(), id="of its own once it has begun"),
    ],
)
def test_a_checkpoint_is_read(world: ABuild, expected: Wanted) -> None:
    assert expected == wanted(world.moment(after(10)))


def test_the_policy_goes_back_no_further_than_the_last_restart() -> None:
    known = replace(RESUMING.known, epoch=5, recovery=RecoveryState(epoch=3))
    world = replace(RESUMING, state=known)
    assert Wanted(least_epoch=3) == wanted(world.moment(after(10)))


def test_who_asks_for_a_checkpoint_may_go_back_behind_a_restart() -> None:
    known = replace(FAILED.known, epoch=5, recovery=RecoveryState(epoch=3))
    world = replace(FAILED, state=known).requesting(Action.RESTORE)
    assert Wanted(least_epoch=0) == wanted(world.moment())
