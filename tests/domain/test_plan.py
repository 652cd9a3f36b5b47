"""The plan, situation by situation; `test_plan_laws` holds what is true of all of them."""

from dataclasses import dataclass, field, replace

import pytest
from tests.worlds import CLAIM, NOW, ABuild, a_build, after

from buildstate.domain.actions import Act, CreateClaim, CreatePod, DeleteClaim
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import PodPhase
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import Plan, plan
from buildstate.domain.specs import Action, OnExhausted
from buildstate.domain.states import MAX_TEXT, BuildState, RecoveryState, WorkResult
from buildstate.domain.validation import Law, Violation

INIT, SETUP, BUILD, TEST, CLEANUP, COMPLETE, ERROR = BuildPhase
PENDING, RUNNING, SUCCEEDED, FAILED, UNKNOWN = PodPhase

WORKING = a_build().with_work().in_phase(BUILD)
RETRYING = a_build().with_work(backoff_limit=1).in_phase(BUILD)
SLOW = a_build().with_work(timeout_seconds=60).in_phase(BUILD)
STOPPED = a_build().with_work().asking_for(BUILD).in_phase(BUILD)
CLAIMED = a_build().with_work().with_workspace()
BROKEN = Violation(ErrorCategory.STATE_CORRUPTION, "digest", "does not match", Law.DIGEST_MISMATCH)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One situation, and what should come of it."""

    world: ABuild
    phase: BuildPhase
    status: str
    reason: str
    acts: tuple[str, ...] = ()
    at: float = 0
    attempt: int | None = field(default=None)


SITUATIONS = {
    # Walking.
    "a new build takes its first edge with its first write": Case(
        world=a_build(), phase=SETUP, status="Pending", reason="Advancing"
    ),
    "a build that is asked to stay in INIT stays": Case(
        world=a_build().asking_for(INIT).in_phase(INIT),
        phase=INIT,
        status="Waiting",
        reason="TargetReached",
    ),
    "a phase without work is passed through": Case(
        world=a_build().in_phase(SETUP), phase=BUILD, status="Pending", reason="Advancing"
    ),
    "a phase without work is waited in when it was asked for": Case(
        world=a_build().asking_for(SETUP).in_phase(SETUP),
        phase=SETUP,
        status="Waiting",
        reason="TargetReached",
    ),
    "a later target leads on": Case(
        world=a_build().asking_for(SETUP).in_phase(SETUP).written().asking_for(TEST),
        phase=BUILD,
        status="Pending",
        reason="Advancing",
    ),
    "a target that lies behind is told of and waited for": Case(
        world=a_build().asking_for(SETUP).in_phase(CLEANUP),
        phase=CLEANUP,
        status="Waiting",
        reason="TransitionViolation",
    ),
    "the last edge completes the build": Case(
        world=a_build().in_phase(CLEANUP), phase=COMPLETE, status="Succeeded", reason="Completed"
    ),
    "a suspended build walks no edge": Case(
        world=a_build().suspended().in_phase(SETUP),
        phase=SETUP,
        status="Suspended",
        reason="Suspended",
    ),
    "a suspended build that is where it was asked to be has reached its target": Case(
        world=a_build().suspended().asking_for(SETUP).in_phase(SETUP),
        phase=SETUP,
        status="Waiting",
        reason="TargetReached",
    ),
    # Working.
    "entering a phase with work commits to its first attempt and makes its Pod": Case(
        world=a_build().with_work().in_phase(INIT),
        phase=SETUP,
        status="Running",
        reason="PhaseRunning",
        acts=("CreatePod",),
        attempt=1,
    ),
    "a Pod that is missing is made": Case(
        world=WORKING,
        phase=BUILD,
        status="Running",
        reason="PhaseRunning",
        acts=("CreatePod",),
    ),
    "a Pod that is there is left alone": Case(
        world=WORKING.with_pod(PENDING), phase=BUILD, status="Running", reason="PhaseRunning"
    ),
    "a Pod of an unknown phase still counts": Case(
        world=WORKING.with_pod(UNKNOWN, node="n1"),
        phase=BUILD,
        status="Waiting",
        reason="NodeLost",
    ),
    "a Pod of an unknown phase that is too late is stopped, and nothing follows it": Case(
        world=SLOW.with_pod(UNKNOWN),
        phase=ERROR,
        status="Failed",
        reason="PhaseFailed",
        acts=("DeletePod",),
        at=65,
    ),
    "after a lost Pod the next attempt waits": Case(
        world=RETRYING.attempted(1, WorkResult.FAILED).with_pod(UNKNOWN, deleting=True),
        phase=BUILD,
        status="Waiting",
        reason="NodeLost",
    ),
    "a Pod whose node is lost is waited for however long it takes to go": Case(
        world=WORKING.with_pod(deleting=True, disruption="DeletionByTaintManager"),
        phase=BUILD,
        status="Waiting",
        reason="NodeLost",
    ),
    "a Pod that no node has room for is waited for": Case(
        world=WORKING.with_pod(PENDING, waiting="Unschedulable"),
        phase=BUILD,
        status="Waiting",
        reason="Unschedulable",
    ),
    "a Pod that others hold back is waited for": Case(
        world=WORKING.with_pod(PENDING, waiting="SchedulingGated", message="a gate holds it"),
        phase=BUILD,
        status="Waiting",
        reason="SchedulingGated",
        at=10**6,
    ),
    "a Pod that only just fails to start is waited for": Case(
        world=WORKING.with_pod(PENDING, waiting="ErrImagePull"),
        phase=BUILD,
        status="Waiting",
        reason="ImagePullBackOff",
        at=29,
    ),
    "a Pod that ended well leads to the next phase in the same pass": Case(
        world=WORKING.with_pod(SUCCEEDED),
        phase=TEST,
        status="Running",
        reason="PhaseRunning",
        acts=("CreatePod",),
        attempt=1,
    ),
    "a Pod that ended well where the build should stop reaches the target": Case(
        world=STOPPED.with_pod(SUCCEEDED), phase=BUILD, status="Waiting", reason="TargetReached"
    ),
    "a Pod that ended well while suspended is noted, and no edge is walked": Case(
        world=WORKING.suspended().with_pod(SUCCEEDED),
        phase=BUILD,
        status="Suspended",
        reason="Suspended",
    ),
    "a Pod that runs while suspended goes on": Case(
        world=WORKING.suspended().with_pod(), phase=BUILD, status="Running", reason="PhaseRunning"
    ),
    "a stray Pod is stopped, and the wanted one waits for its end": Case(
        world=WORKING.with_stray(),
        phase=BUILD,
        status="Running",
        reason="PhaseRunning",
        acts=("DeletePod",),
    ),
    "a stray Pod that is being deleted is not deleted again": Case(
        world=WORKING.with_stray(deleting=True),
        phase=BUILD,
        status="Running",
        reason="PhaseRunning",
    ),
    # Failing and trying again.
    "a failed attempt leads to ERROR when no other is left": Case(
        world=WORKING.with_pod(FAILED, exit_code=3),
        phase=ERROR,
        status="Failed",
        reason="PhaseFailed",
        attempt=0,
    ),
    "a failed attempt is tried again": Case(
        world=RETRYING.with_pod(FAILED, exit_code=3),
        phase=BUILD,
        status="Running",
        reason="PhaseRunning",
        acts=("CreatePod",),
        attempt=2,
    ),
    "the last attempt that fails leads to ERROR": Case(
        world=RETRYING.attempted(2).with_pod(FAILED, exit_code=3),
        phase=ERROR,
        status="Failed",
        reason="PhaseFailed",
    ),
    "a failed attempt is not tried again while suspended": Case(
        world=RETRYING.suspended().with_pod(FAILED),
        phase=BUILD,
        status="Suspended",
        reason="Suspended",
        attempt=1,
    ),
    "a failed attempt that waits for its next try has not reached the target": Case(
        world=a_build()
        .asking_for(BUILD)
        .with_work(backoff_limit=1)
        .in_phase(BUILD)
        .suspended()
        .with_pod(FAILED),
        phase=BUILD,
        status="Suspended",
        reason="Suspended",
    ),
    "a failed attempt is tried again once suspend ends": Case(
        world=RETRYING.attempted(1, WorkResult.FAILED),
        phase=BUILD,
        status="Running",
        reason="PhaseRunning",
        acts=("CreatePod",),
        attempt=2,
    ),
    "an attempt that is too slow is stopped before the next": Case(
        world=a_build()
        .with_work(timeout_seconds=60, backoff_limit=1)
        .in_phase(BUILD)
        .with_pod(RUNNING),
        phase=BUILD,
        status="Running",
        reason="Stopping",
        acts=("DeletePod",),
        at=65,
        attempt=1,
    ),
    "an attempt that is too slow is stopped when it was the last": Case(
        world=SLOW.with_pod(RUNNING),
        phase=ERROR,
        status="Failed",
        reason="PhaseFailed",
        acts=("DeletePod",),
        at=65,
    ),
    "an image that cannot be pulled fails the attempt after a while": Case(
        world=WORKING.with_pod(PENDING, waiting="ImagePullBackOff"),
        phase=ERROR,
        status="Failed",
        reason="PhaseFailed",
        acts=("DeletePod",),
        at=30,
    ),
    "a Pod that can never be made fails the build": Case(
        world=WORKING.refused(),
        phase=ERROR,
        status="Failed",
        reason="ResourceAllocationFailure",
    ),
    "a Pod that has no room now is asked for again": Case(
        world=WORKING.refused("QuotaExceeded", is_permanent=False),
        phase=BUILD,
        status="Waiting",
        reason="QuotaExceeded",
        acts=("CreatePod",),
    ),
    # ERROR and out of it.
    "a failed build stays in ERROR": Case(
        world=a_build().in_error(), phase=ERROR, status="Failed", reason="PhaseFailed"
    ),
    "a target beyond ERROR does not lead out of it": Case(
        world=a_build().in_error().written().asking_for(TEST),
        phase=ERROR,
        status="Failed",
        reason="PhaseFailed",
    ),
    "asking for CLEANUP leads out of ERROR": Case(
        world=a_build().with_work(CLEANUP).in_error().written().asking_for(CLEANUP),
        phase=CLEANUP,
        status="Running",
        reason="PhaseRunning",
        acts=("CreatePod",),
    ),
    "having asked for CLEANUP before the failure does not": Case(
        world=a_build().asking_for(CLEANUP).in_error(),
        phase=ERROR,
        status="Failed",
        reason="PhaseFailed",
    ),
    "asking for CLEANUP waits while suspended": Case(
        world=a_build().in_error().written().suspended().asking_for(CLEANUP),
        phase=ERROR,
        status="Failed",
        reason="PhaseFailed",
    ),
    "a recovery waits for its time": Case(
        world=a_build().restarting().in_error(),
        phase=ERROR,
        status="Recovering",
        reason="PhaseFailed",
        at=9,
    ),
    "a recovery goes back to INIT when it is time": Case(
        world=a_build().restarting().in_error(),
        phase=INIT,
        status="Pending",
        reason="Advancing",
        at=10,
    ),
    "a recovery waits while suspended": Case(
        world=a_build().restarting().in_error().suspended(),
        phase=ERROR,
        status="Suspended",
        reason="Suspended",
        at=10,
    ),
    "a recovery waits for the Pods of before": Case(
        world=a_build().restarting().in_error().with_stray(deleting=True),
        phase=ERROR,
        status="Recovering",
        reason="PhaseFailed",
        at=10,
    ),
    "a recovery that is used up stops": Case(
        world=a_build().restarting(limit=2).in_error(restarts=2),
        phase=ERROR,
        status="Failed",
        reason="PhaseFailed",
        at=10,
    ),
    "a recovery that is used up cleans up where that is wished": Case(
        world=a_build().restarting(limit=2, then=OnExhausted.CLEANUP).in_error(restarts=2),
        phase=CLEANUP,
        status="Pending",
        reason="Advancing",
    ),
    "a clean-up that fails is not cleaned up again": Case(
        world=a_build()
        .restarting(limit=2, then=OnExhausted.CLEANUP)
        .in_error(restarts=2, exhausted=True),
        phase=ERROR,
        status="Failed",
        reason="PhaseFailed",
    ),
    "an aborted build does not recover": Case(
        world=a_build().restarting().in_error(ErrorCategory.ABORTED),
        phase=ERROR,
        status="Aborted",
        reason="Aborted",
        at=10,
    ),
    "a build that was cleaned up after a failure has failed": Case(
        world=a_build().in_phase(CLEANUP, failure=a_build().in_error().known.failure),
        phase=COMPLETE,
        status="Failed",
        reason="PhaseFailed",
    ),
    # Abort.
    "asking for ERROR aborts and stops the Pod": Case(
        world=WORKING.with_pod().asking_for(ERROR),
        phase=ERROR,
        status="Aborted",
        reason="Aborted",
        acts=("DeletePod",),
    ),
    "asking for ERROR aborts also while suspended": Case(
        world=a_build().suspended().in_phase(SETUP).asking_for(ERROR),
        phase=ERROR,
        status="Aborted",
        reason="Aborted",
    ),
    "asking for ERROR ends the recovery": Case(
        world=a_build().restarting().in_error().written().asking_for(ERROR),
        phase=ERROR,
        status="Aborted",
        reason="Aborted",
        at=10,
    ),
    "an aborted build gives its workspace back": Case(
        world=CLAIMED.in_error(ErrorCategory.ABORTED, workspace_claim=CLAIM),
        phase=ERROR,
        status="Aborted",
        reason="Aborted",
        acts=("DeleteClaim",),
    ),
    "an aborted build keeps its workspace while a Pod uses it": Case(
        world=CLAIMED.in_error(ErrorCategory.ABORTED, workspace_claim=CLAIM).with_stray(
            deleting=True
        ),
        phase=ERROR,
        status="Aborted",
        reason="Aborted",
    ),
    "an aborted build removes ended Pods too, since they hold its workspace": Case(
        world=CLAIMED.in_error(ErrorCategory.ABORTED, workspace_claim=CLAIM).with_stray(SUCCEEDED),
        phase=ERROR,
        status="Aborted",
        reason="Aborted",
        acts=("DeletePod",),
    ),
    "a restart waits until the workspace is given back": Case(
        world=CLAIMED.in_error(ErrorCategory.ABORTED, workspace_claim=CLAIM)
        .with_stray(SUCCEEDED, deleting=True)
        .requesting(Action.RESTART),
        phase=ERROR,
        status="Aborted",
        reason="Aborted",
    ),
    "an aborted build without a workspace keeps the logs of its ended Pods": Case(
        world=a_build().with_work().in_error(ErrorCategory.ABORTED).with_stray(SUCCEEDED),
        phase=ERROR,
        status="Aborted",
        reason="Aborted",
    ),
    "a failed build keeps its workspace": Case(
        world=CLAIMED.in_error(workspace_claim=CLAIM),
        phase=ERROR,
        status="Failed",
        reason="PhaseFailed",
    ),
    # Workspaces.
    "the first Pod of a run is made after its claim": Case(
        world=CLAIMED.in_phase(INIT),
        phase=SETUP,
        status="Running",
        reason="PhaseRunning",
        acts=("CreateClaim", "CreatePod"),
    ),
    "the Pods that follow know that the claim is there": Case(
        world=CLAIMED.in_phase(SETUP).with_pod(SUCCEEDED),
        phase=BUILD,
        status="Running",
        reason="PhaseRunning",
        acts=("CreatePod",),
    ),
    "a clean-up after an abort makes the claim again": Case(
        world=CLAIMED.in_error().written().asking_for(CLEANUP),
        phase=CLEANUP,
        status="Running",
        reason="PhaseRunning",
        acts=("CreateClaim", "CreatePod"),
    ),
    "a claim that exists is not made": Case(
        world=a_build().with_work().with_workspace(claim_name="theirs").in_phase(INIT),
        phase=SETUP,
        status="Running",
        reason="PhaseRunning",
        acts=("CreatePod",),
    ),
    # Laws that are broken.
    "a state that breaks a law stops the build and its Pod": Case(
        world=WORKING.with_pod().violating(BROKEN),
        phase=ERROR,
        status="Failed",
        reason="StateCorruption",
        acts=("DeletePod",),
    ),
    "a state that breaks a law in ERROR says so": Case(
        world=a_build().in_error().violating(BROKEN),
        phase=ERROR,
        status="Failed",
        reason="StateCorruption",
    ),
    "a state that breaks a law says so before anything else is done": Case(
        world=a_build().in_error().written().violating(BROKEN).requesting(Action.RESTART),
        phase=ERROR,
        status="Failed",
        reason="StateCorruption",
    ),
    "a state that breaks a law in COMPLETE stays there and has failed": Case(
        world=a_build().in_phase(COMPLETE).violating(BROKEN),
        phase=COMPLETE,
        status="Failed",
        reason="StateCorruption",
    ),
    # Requests.
    "the request Abort stops the Pod": Case(
        world=WORKING.with_pod().requesting(Action.ABORT),
        phase=ERROR,
        status="Aborted",
        reason="Aborted",
        acts=("DeletePod",),
    ),
    "the request Restart leads back to INIT": Case(
        world=a_build().in_error().requesting(Action.RESTART),
        phase=INIT,
        status="Pending",
        reason="Advancing",
    ),
    "the request Cleanup leads to CLEANUP": Case(
        world=a_build().in_error().requesting(Action.CLEANUP),
        phase=CLEANUP,
        status="Pending",
        reason="Advancing",
    ),
    "the request Restart waits for the Pods of before": Case(
        world=a_build().in_error().with_stray().requesting(Action.RESTART),
        phase=ERROR,
        status="Failed",
        reason="PhaseFailed",
        acts=("DeletePod",),
    ),
    "a request that was answered is not answered again": Case(
        world=a_build().in_error().answered(Action.RESTART).requesting(Action.RESTART),
        phase=ERROR,
        status="Failed",
        reason="PhaseFailed",
    ),
}


@pytest.mark.parametrize("case", SITUATIONS.values(), ids=SITUATIONS)
def test_in_this_situation(case: Case) -> None:
    decision = plan(case.world.observed(), after(case.at))
    state = decided(decision, case.world)
    found = (state.phase, state.status, ready(state), done(decision))
    assert (case.phase, case.status, case.reason, case.acts) == found
    assert state.attempt == (state.attempt if case.attempt is None else case.attempt)


def decided(decision: Plan, world: ABuild) -> BuildState:
    """The state after the plan."""
    return decision.state or world.known


def ready(state: BuildState) -> str:
    """The reason that people see."""
    return next(c.reason for c in state.conditions if c.type == "Ready")


def done(decision: Plan) -> tuple[str, ...]:
    """The names of the acts, in their order."""
    return tuple(type(wanted).__name__ for wanted in (*decision.releases, *decision.needs))


def test_nothing_is_done_for_a_build_that_is_being_deleted() -> None:
    world = WORKING.with_pod(FAILED).being_deleted()
    assert Plan() == plan(world.observed(), NOW)


def test_a_state_is_written_only_when_it_changes() -> None:
    world = WORKING.with_pod(RUNNING).written()
    assert Plan() == plan(world.observed(), after(5))


def test_the_pod_is_named_for_its_attempt() -> None:
    world = a_build().with_work().in_phase(INIT)
    decision = plan(world.observed(), NOW)
    assert decision.state is not None
    assert (CreatePod(world.observed().pod_name(decision.state)),) == decision.needs


def test_each_attempt_has_a_pod_of_its_own() -> None:
    world = RETRYING
    first, second = world.known, world.attempted(2).known
    assert world.observed().pod_name(first) != world.observed().pod_name(second)


def test_the_claim_has_the_wanted_size() -> None:
    world = CLAIMED.in_phase(INIT)
    workspace = world.spec.workspace
    assert workspace is not None
    assert CreateClaim(CLAIM, workspace) == plan(world.observed(), NOW).needs[0]


def test_the_claim_is_released_before_the_write_that_forgets_it() -> None:
    world = CLAIMED.in_error(ErrorCategory.ABORTED, workspace_claim=CLAIM)
    decision = plan(world.observed(), NOW)
    expected: tuple[Act, ...] = (DeleteClaim(CLAIM),)
    assert (expected, ()) == (decision.releases, decision.needs)
    assert decided(decision, world).workspace_claim is None


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_failed_attempt_is_tried_again_until_the_limit(number: int) -> None:
    world = a_build().with_work(backoff_limit=2).in_phase(BUILD).attempted(number).with_pod(FAILED)
    state = decided(plan(world.observed(), NOW), world)
    assert ((BUILD, number + 1) if number < 3 else (ERROR, 0)) == (state.phase, state.attempt)


def test_a_failure_says_what_the_pod_said() -> None:
    world = WORKING.with_pod(FAILED, exit_code=2, reason="Error", message="no such file")
    failure = decided(plan(world.observed(), NOW), world).failure
    assert failure is not None
    found = (failure.phase, failure.attempt, failure.reason, failure.message, failure.exit_code)
    assert (BUILD, 1, "Error", "no such file", 2) == found
    assert world.observed().pod_name(world.known) == failure.pod


def test_of_a_long_message_the_end_is_kept() -> None:
    world = WORKING.with_pod(FAILED, message="x" * MAX_TEXT + "the end")
    failure = decided(plan(world.observed(), NOW), world).failure
    assert failure is not None
    assert ("the end", MAX_TEXT) == (failure.message[-7:], len(failure.message))


def test_the_record_tells_how_the_work_ended() -> None:
    world = WORKING.with_pod(SUCCEEDED)
    state = decided(plan(world.observed(), after(7)), world)
    record = next(record for record in state.phases if record.phase is BUILD)
    assert (WorkResult.SUCCEEDED, after(7)) == (record.result, record.completion_time)


def test_a_restart_holds_nothing_of_the_run_before_but_its_history() -> None:
    world = a_build().with_work().in_error(restarts=2).requesting(Action.RESTART)
    state = decided(plan(world.observed(), NOW), world)
    assert ((), None, RecoveryState(epoch=1)) == (state.phases, state.failure, state.recovery)
    assert world.known.history == state.history[:-1]


def test_an_automatic_restart_is_counted() -> None:
    world = a_build().restarting().in_error(restarts=1)
    state = decided(plan(world.observed(), after(10)), world)
    assert RecoveryState(attempts=2, epoch=1) == state.recovery


def test_a_pass_takes_one_edge_at_most() -> None:
    world = a_build().in_phase(INIT)
    state = decided(plan(world.observed(), NOW), world)
    assert 1 == state.sequence - world.known.sequence


def test_a_build_that_completes_says_when() -> None:
    world = a_build().in_phase(CLEANUP)
    assert after(3) == decided(plan(world.observed(), after(3)), world).completion_time


def test_only_the_identity_of_this_build_survives_a_broken_law() -> None:
    world = a_build().in_phase(BUILD, id="somebody-else").violating(BROKEN)
    state = decided(plan(world.observed(), NOW), world)
    assert (world.observed().uid, 1) == (state.id, len(state.history))


def test_a_claim_that_a_broken_state_names_is_not_believed() -> None:
    world = a_build().in_error(workspace_claim="of-somebody-else").violating(BROKEN)
    state = decided(plan(world.observed(), NOW), world)
    assert state.workspace_claim is None


def test_a_claim_that_a_broken_state_names_is_not_deleted() -> None:
    world = a_build().in_error(workspace_claim="of-somebody-else").violating(BROKEN)
    decision = plan(world.observed(), NOW)
    assert () == decision.releases


def test_a_broken_state_cannot_ask_for_a_pod_where_there_is_no_work() -> None:
    running = replace(WORKING.known.phases[-1], phase=COMPLETE)
    world = a_build().with_work().in_phase(COMPLETE, phases=(running,)).violating(BROKEN)
    assert () == plan(world.observed(), NOW).needs


# When to look again.


@pytest.mark.parametrize(
    ("world", "at", "expected"),
    [
        pytest.param(SLOW.with_pod(), 5, 60.0, id="at the deadline, which counts from the Pod"),
        pytest.param(
            WORKING.with_pod(PENDING, waiting="ImagePullBackOff"), 5, 25.0, id="after the grace"
        ),
        pytest.param(a_build().restarting().in_error(), 4, 6.0, id="at the restart"),
        pytest.param(WORKING.with_pod(), 0, None, id="never without a limit"),
        pytest.param(SLOW, 0, None, id="never before the Pod is there"),
        pytest.param(a_build().in_error(), 0, None, id="never in ERROR without recovery"),
        pytest.param(a_build().restarting().in_error().suspended(), 0, None, id="never suspended"),
        pytest.param(
            a_build().restarting(backoff_seconds=0).in_error().with_stray(deleting=True),
            5,
            None,
            id="never before what ran has ended",
        ),
        pytest.param(
            SLOW.attempted(1, WorkResult.FAILED).with_pod(deleting=True),
            70,
            None,
            id="never for a deadline that has passed",
        ),
    ],
)
def test_the_next_look_is(world: ABuild, at: float, expected: float | None) -> None:
    assert expected == plan(world.observed(), after(at)).wake_after
