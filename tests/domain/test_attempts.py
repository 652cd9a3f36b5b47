"""What follows an attempt that has ended: which count, which do not, and what the next one gets."""

from dataclasses import replace

import pytest
from tests.worlds import NOW, ABuild, a_build, after

from buildstate.domain.actions import CreatePod, DeletePod
from buildstate.domain.attempts import limit
from buildstate.domain.disruptions import MAX_DISRUPTIONS
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import PodPhase
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import Plan, plan
from buildstate.domain.specs import MemoryGrowth, ResourcePolicy, WorkResources
from buildstate.domain.states import BuildState, Failure, PhaseRecord, Retry, WorkResult

BUILD = BuildPhase.BUILD
RUNNING, FAILED, SUCCEEDED = PodPhase.RUNNING, PodPhase.FAILED, PodPhase.SUCCEEDED
SMALL = WorkResources(limits={"memory": "64Mi"})
HUNGRY = a_build().with_work(resources=SMALL).in_phase(BUILD)
WORKING = a_build().with_work().in_phase(BUILD)


def state_after(world: ABuild, at: float = 0) -> BuildState:
    """What is written of that world."""
    return plan(world.observed(), after(at)).state or world.known


def record_of(state: BuildState) -> PhaseRecord:
    """The record of BUILD, which a test that asks for it expects."""
    record = state.record_of(BUILD)
    assert record is not None
    return record


def retry_of(state: BuildState) -> Retry:
    """Why BUILD is tried again, which a test that asks for it expects."""
    retry = record_of(state).retry
    assert retry is not None
    return retry


def failure_of(state: BuildState) -> Failure:
    """Why the build failed, which a test that asks for it expects."""
    assert state.failure is not None
    return state.failure


def again(world: ABuild, **pod: object) -> ABuild:
    """The world after the present attempt's Pod has failed so."""
    state = state_after(world.with_pod(FAILED, **pod))
    return replace(world, state=state, pods=())


# Memory.


def test_what_had_too_little_memory_gets_more_at_once_and_it_does_not_count() -> None:
    decision = plan(HUNGRY.with_pod(FAILED, reason="OOMKilled", exit_code=137).observed(), NOW)
    assert decision.state is not None
    assert ("128Mi", 2) == (record_of(decision.state).memory, decision.state.attempt)
    assert Retry(
        reason="OOMKilled", message="OOMKilled with 64Mi; attempt 2 gets 128Mi", growths=1
    ) == retry_of(decision.state)
    assert [CreatePod] == [type(one) for one in decision.needs]


def test_memory_grows_again_and_again_until_its_maximum() -> None:
    world = HUNGRY
    for memory in ("128Mi", "256Mi"):
        world = again(world, reason="OOMKilled")
        assert memory == record_of(world.known).memory
    failed = state_after(world.with_pod(FAILED, reason="OOMKilled", message="no more memory"))
    failure = failure_of(failed)
    assert (ErrorCategory.PHASE_FAILED, "OOMKilled", 3) == (
        failure.category,
        failure.reason,
        failure.attempt,
    )
    said = "256Mi was not enough, and is the most; see spec.resources.memoryGrowth: no more memory"
    assert said == failure.message


def test_without_a_memory_limit_it_is_a_failure_like_others() -> None:
    failure = failure_of(state_after(WORKING.with_pod(FAILED, reason="OOMKilled")))
    assert "no memory limit is set to grow; see spec.resources.memoryGrowth" == failure.message


def test_at_the_maximum_it_counts_like_other_failures() -> None:
    policy = ResourcePolicy(memory_growth=MemoryGrowth(maximum="64Mi"))
    world = a_build().with_work(resources=SMALL, backoff_limit=1).wanting(resources=policy)
    world = again(world.in_phase(BUILD), reason="OOMKilled")
    assert (2, None) == (world.known.attempt, record_of(world.known).memory)
    assert BuildPhase.ERROR is state_after(world.with_pod(FAILED, reason="OOMKilled")).phase


def test_other_failures_count_and_keep_the_memory() -> None:
    world = a_build().with_work(resources=SMALL, backoff_limit=1).in_phase(BUILD)
    world = again(again(world, reason="OOMKilled"), reason="Error", exit_code=3)
    retry = retry_of(world.known)
    assert ("128Mi", 3) == (record_of(world.known).memory, world.known.attempt)
    assert ("Error", "Error, exit code 3; trying again", 1) == (
        retry.reason,
        retry.message,
        retry.growths,
    )
    assert BuildPhase.ERROR is state_after(world.with_pod(FAILED)).phase


def test_a_later_phase_begins_with_what_it_asks_for() -> None:
    world = again(HUNGRY, reason="OOMKilled")
    state = state_after(world.with_pod(SUCCEEDED))
    record = state.record_of(BuildPhase.TEST)
    assert record is not None
    assert (None, None) == (record.memory, record.retry)
    assert "128Mi" == record_of(state).memory


# Disruptions.


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        ({"reason": "Evicted"}, "Evicted"),
        ({"disruption": "PreemptionByScheduler"}, "Preempted"),
        ({"disruption": "DeletionByTaintManager"}, "NodeLost"),
        ({"deleting": True, "reason": "Error"}, "PodDeleted"),
    ],
)
def test_what_was_disrupted_is_tried_again_elsewhere_and_it_does_not_count(
    pod: dict[str, object], reason: str
) -> None:
    state = again(WORKING, node="n1", message="for a reason", **pod).known
    assert (2, ("n1",)) == (state.attempt, record_of(state).avoid_nodes)
    said = f"{reason} on node n1; disruption 1 of 5 that do not count: for a reason"
    assert Retry(reason=reason, message=said, disruptions=1) == retry_of(state)


def test_only_some_disruptions_do_not_count() -> None:
    world = WORKING
    for number in range(1, MAX_DISRUPTIONS + 1):
        world = again(world, reason="Evicted", node=f"n{number}")
    assert 6 == world.known.attempt
    assert ("n5", "n4", "n3", "n2", "n1") == record_of(world.known).avoid_nodes
    failure = failure_of(state_after(world.with_pod(FAILED, reason="Evicted")))
    assert ("Evicted", 6) == (failure.reason, failure.attempt)


def test_one_disruption_too_many_counts_like_other_failures() -> None:
    retry = Retry(reason="Evicted", message="", disruptions=MAX_DISRUPTIONS)
    world = a_build().with_work(backoff_limit=1).in_phase(BUILD).attempted(6, retry=retry)
    world = again(world, reason="Evicted", node="n1")
    assert (7, MAX_DISRUPTIONS) == (world.known.attempt, retry_of(world.known).disruptions)
    assert BuildPhase.ERROR is state_after(world.with_pod(FAILED)).phase


def test_where_an_image_cannot_be_had_the_next_attempt_goes_elsewhere() -> None:
    world = a_build().with_work(backoff_limit=1).in_phase(BUILD)
    stuck = world.with_pod(PodPhase.PENDING, waiting="ErrImagePull", node="n1")
    record = record_of(state_after(stuck, at=40))
    assert (WorkResult.FAILED, ("n1",)) == (record.result, record.avoid_nodes)


def test_a_pod_that_somebody_deletes_is_waited_for() -> None:
    decision = plan(WORKING.with_pod(deleting=True).observed(), NOW)
    assert decision.state is not None
    ready = decision.state.condition("Ready")
    assert ready is not None
    assert (1, "Stopping", ()) == (decision.state.attempt, ready.reason, decision.needs)


@pytest.mark.parametrize("suspended", [False, True])
def test_a_pod_that_was_seen_to_go_is_followed_by_another_attempt(suspended: bool) -> None:
    world = WORKING.suspended() if suspended else WORKING
    state = state_after(world.with_departed(node="n1"))
    assert "PodDeleted" == retry_of(state).reason
    expected = (1, WorkResult.FAILED) if suspended else (2, WorkResult.RUNNING)
    assert expected == (state.attempt, record_of(state).result)


def test_a_pod_that_had_succeeded_before_it_went_has_succeeded() -> None:
    assert BuildPhase.TEST is state_after(WORKING.with_departed(SUCCEEDED)).phase


def test_a_pod_that_had_failed_before_it_went_has_failed() -> None:
    state = state_after(WORKING.with_departed(FAILED, reason="Error", exit_code=3))
    assert ("Error", 3) == (failure_of(state).reason, failure_of(state).exit_code)


def test_the_pod_of_an_earlier_attempt_that_went_says_nothing() -> None:
    gone = WORKING.with_departed().departed
    world = replace(WORKING.attempted(2), departed=gone)
    assert 2 == state_after(world).attempt


def test_a_pod_that_was_seen_to_go_and_is_there_has_not_gone() -> None:
    assert 1 == state_after(WORKING.with_departed().with_pod()).attempt


def test_no_attempt_follows_before_the_pod_is_gone() -> None:
    world = a_build().with_work(timeout_seconds=60, backoff_limit=1).in_phase(BUILD)
    decision = plan(world.with_pod(PodPhase.UNKNOWN).observed(), after(65))
    assert decision.state is not None
    assert (1, [DeletePod]) == (decision.state.attempt, [type(one) for one in decision.needs])


# Room.

WAITING = WORKING.with_pod(PodPhase.PENDING, waiting="Unschedulable", message="0/3 nodes fit")


def test_a_pod_without_a_node_is_waited_for_since_it_was_seen_so() -> None:
    decision = plan(WAITING.observed(), NOW)
    assert decision.state is not None
    assert NOW == record_of(decision.state).unschedulable_time
    assert 600 == decision.wake_after


def test_what_no_node_has_room_for_too_long_fails_for_good() -> None:
    world = replace(WAITING, spec=replace(WAITING.spec, phases=WAITING.spec.phases))
    world = world.wanting(resources=ResourcePolicy(schedule_timeout_seconds=5))
    world = replace(world, state=state_after(world))
    assert BUILD is state_after(world, at=4.999).phase
    failure = failure_of(state_after(world, at=5))
    assert (ErrorCategory.RESOURCE_ALLOCATION_FAILURE, "Unschedulable") == (
        failure.category,
        failure.reason,
    )
    assert "no node had room for 5 s: 0/3 nodes fit" == failure.message


def test_no_other_attempt_follows_what_no_node_has_room_for() -> None:
    world = a_build().with_work(backoff_limit=3).in_phase(BUILD).attempted(1)
    world = world.with_pod(PodPhase.PENDING, waiting="Unschedulable")
    world = replace(world, state=state_after(world))
    assert BuildPhase.ERROR is state_after(world, at=600).phase


def test_a_pod_that_gets_a_node_waits_no_more() -> None:
    world = replace(WAITING, state=state_after(WAITING), pods=())
    state = state_after(world.with_pod(PodPhase.PENDING, waiting="ContainerCreating"), at=599)
    assert record_of(state).unschedulable_time is None


def test_a_pod_behind_gates_does_not_wait_for_a_node() -> None:
    gated = WORKING.with_pod(PodPhase.PENDING, waiting="SchedulingGated")
    assert record_of(state_after(gated)).unschedulable_time is None


# Counting.


def test_the_limit_counts_what_does_not_count() -> None:
    retry = Retry(reason="Evicted", message="", growths=2, disruptions=3)
    record = WORKING.attempted(6, retry=retry).known.record
    assert 6 == limit(WORKING.spec.work(BUILD), record)
    assert 1 == limit(None, None)


def test_a_retry_that_was_written_plans_nothing() -> None:
    world = again(HUNGRY, reason="OOMKilled").with_pod(RUNNING)
    world = replace(world, state=state_after(world))
    assert Plan(wake_after=4.0) == plan(world.observed(), after(1))
