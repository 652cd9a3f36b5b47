"""What a build holds is what exists, and it is written down when it costs nothing or has lasted."""

from dataclasses import replace
from datetime import datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.worlds import CLAIM, NOW, ABuild, a_build, a_pod, after

from buildstate.domain.allocations import counted, held_by
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import Obstruction, PodPhase, PodView
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import plan
from buildstate.domain.quantities import added, parse
from buildstate.domain.specs import WorkResources
from buildstate.domain.states import BuildState, HeldPod, HeldVolume, ResourceState, WorkResult
from buildstate.domain.validation import Law, Violation

INIT, SETUP, BUILD, TEST, CLEANUP, COMPLETE, ERROR = BuildPhase
PENDING, RUNNING, SUCCEEDED, FAILED, UNKNOWN = PodPhase
NEED = WorkResources(requests={"cpu": "500m"}, limits={"cpu": "1", "memory": "1Gi"})
GIVEN = {"cpu": "500m", "memory": "1Gi"}
HELD = {**GIVEN, "pods": "1"}
WORKING = a_build().with_work(resources=NEED).in_phase(BUILD)

amounts = st.dictionaries(
    st.sampled_from(["cpu", "memory", "ephemeral-storage", "example.com/gpu"]),
    st.sampled_from(["100m", "1", "1.5", "64Mi", "1Gi", "3k", "7"]),
)
some_pods = st.lists(
    st.builds(a_pod, st.uuids().map(str), st.sampled_from(PodPhase), requests=amounts), max_size=6
)
sizes = st.sampled_from(["1Gi", "20Mi", "1500M"])


def written(world: ABuild, now: datetime = NOW) -> BuildState:
    """The state that the plan writes, which it does."""
    state = plan(world.observed(), now).state
    assert state is not None
    return state


def total(pods: list[PodView], resource: str) -> Fraction:
    """The sum over what lives."""
    counted = (pod.requests.get(resource) for pod in pods if pod.is_live)
    return sum((parse(one) for one in counted if one), Fraction(0))


@given(some_pods, st.none() | sizes)
def test_what_is_allocated_is_the_sum_of_what_exists(pods: list[PodView], size: str | None) -> None:
    world = replace(WORKING.with_workspace(), pods=tuple(pods)).in_phase(BUILD)
    world = world.with_volume(size=size) if size else world
    resources = counted(world.known, world.moment())

    live = [pod for pod in pods if pod.is_live]
    names = {name for pod in live for name in pod.requests}
    expected = {name: total(live, name) for name in names}
    expected |= {"pods": Fraction(len(live))} if live else {}
    expected |= {"storage": parse(size)} if size else {}
    assert expected == {name: parse(one) for name, one in resources.allocated.items()}
    assert {pod.uid for pod in live} == {pod.uid for pod in resources.pods}


@given(some_pods, some_pods)
def test_parts_add_up_to_the_whole(some: list[PodView], others: list[PodView]) -> None:
    assert added(held_by(some), held_by(others)) == held_by([*some, *others])


def test_the_intent_of_a_pod_is_asked_for_before_it_is_there() -> None:
    world = a_build().with_work(resources=NEED).in_phase(INIT)
    resources = written(world).resources
    assert (HELD, {}, ()) == (resources.asked, resources.allocated, resources.pods)


def test_a_workspace_of_its_own_is_asked_for_as_long_as_there_is_one() -> None:
    world = a_build().with_work(SETUP).with_workspace(size="2Gi").in_phase(SETUP)
    assert {"pods": "1", "storage": "2Gi"} == counted(world.known, world.moment()).asked
    ended = world.written().with_pod(SUCCEEDED)
    assert {"storage": "2Gi"} == written(ended).resources.asked


def test_a_claim_of_somebody_else_is_named_and_not_counted() -> None:
    world = a_build().with_work().with_workspace(claim_name="theirs").in_phase(BUILD)
    resources = counted(world.known, world.with_volume("theirs").moment())
    assert ({}, "theirs") == (resources.allocated, resources.volumes[0].name)


def test_what_nothing_can_be_counted_with_is_left_out() -> None:
    odd = WorkResources(requests={"cpu": "1e999"})
    world = a_build().with_work(resources=odd).in_phase(BUILD)
    assert {"pods": "1"} == counted(world.known, world.moment()).asked


def test_a_pod_costs_no_write_before_it_has_lived_for_some_time() -> None:
    young = WORKING.written().with_pod(RUNNING, requests=GIVEN)
    found = plan(young.observed(), after(4))
    assert (None, 1.0) == (found.state, found.wake_after)


def test_a_pod_that_has_lived_for_some_time_is_written_down_by_itself() -> None:
    world = WORKING.written().with_pod(RUNNING, requests=GIVEN)
    resources = written(world, after(5)).resources
    assert (HELD, HELD) == (resources.asked, resources.allocated)
    pod = world.pods[0]
    assert (HeldPod(name=pod.name, uid=pod.uid),) == resources.pods


def test_a_write_for_something_else_takes_a_young_pod_along() -> None:
    world = WORKING.written().with_pod(RUNNING, requests=GIVEN).wanting(metadata={"a": "b"})
    assert HELD == written(world, after(1)).resources.allocated


def test_a_pod_that_ended_too_soon_to_be_seen_gave_back_what_it_had() -> None:
    world = WORKING.written().with_pod(SUCCEEDED, requests=GIVEN)
    resources = written(world, after(2)).resources
    assert ({}, HELD, ()) == (resources.allocated, resources.released, resources.pods)


def test_what_is_held_no_more_was_given_back_and_is_said_at_once() -> None:
    world = a_build().with_work().in_error().with_stray(requests=GIVEN).written()
    assert HELD == world.known.resources.allocated
    resources = written(replace(world, pods=()), after(1)).resources
    assert ({}, HELD, ()) == (resources.allocated, resources.released, resources.pods)


def test_what_was_given_back_last_stays_known() -> None:
    world = WORKING.written().with_pod(SUCCEEDED, requests=GIVEN)
    world = replace(world, state=written(world), pods=())
    assert HELD == written(world.wanting(metadata={"a": "b"})).resources.released


def test_a_pod_that_was_resized_holds_what_it_was_given() -> None:
    world = WORKING.with_pod(RUNNING, requests=GIVEN).written()
    (pod,) = world.pods
    resized = replace(world, pods=(replace(pod, requests={**GIVEN, "memory": "2Gi"}),))
    assert {**HELD, "memory": "2Gi"} == written(resized).resources.allocated


def test_a_pod_made_again_under_its_name_is_another_one() -> None:
    world = WORKING.with_pod(RUNNING).written()
    (pod,) = world.pods
    again = replace(world, pods=(replace(pod, uid="another"),))
    assert "another" == written(again, after(5)).resources.pods[0].uid


def test_a_workspace_that_is_given_back_is_held_no_more() -> None:
    world = a_build().with_work().with_workspace().with_volume()
    aborted = world.asking_for(ERROR).in_phase(BUILD).with_pod(RUNNING)
    state = written(aborted)
    assert (CLAIM, "1Gi") == (state.workspace_claim, state.resources.allocated["storage"])
    gone = written(replace(aborted, state=state, pods=()))
    resources = gone.resources
    assert ({}, (), "1Gi") == (
        resources.allocated,
        resources.volumes,
        resources.released["storage"],
    )


def test_a_claim_that_was_made_anew_is_another_one() -> None:
    world = a_build().with_work().with_workspace().in_phase(BUILD).with_volume(uid="old").written()
    again = world.with_volume(uid="new", size="2Gi").wanting(metadata={"a": "b"})
    expected = HeldVolume(name=CLAIM, uid="new", size="2Gi")
    assert (expected,) == written(again).resources.volumes


def test_a_volume_that_is_found_gone_is_held_no_more() -> None:
    world = a_build().with_work().with_workspace().in_phase(BUILD).with_volume().written()
    world = world.with_pod(PENDING, waiting="Unschedulable")
    gone = Obstruction(reason="ClaimMissing", message="it is gone", is_gone=True)
    state = plan(replace(world.observed(), obstruction=gone), NOW).state
    assert state is not None
    assert ((), None) == (state.resources.volumes, state.resources.allocated.get("storage"))
    assert "1Gi" == state.resources.released["storage"]


def test_what_an_altered_state_says_to_hold_is_not_believed() -> None:
    claimed = ResourceState(allocated={"cpu": "1k"}, pods=(HeldPod(name="p", uid="u"),))
    world = WORKING.in_phase(BUILD, resources=claimed)

    law = Violation(ErrorCategory.STATE_CORRUPTION, "digest", "does not match", Law.DIGEST_MISMATCH)
    assert ResourceState() == written(world.violating(law)).resources


@pytest.mark.parametrize("result", [WorkResult.FAILED, WorkResult.SUCCEEDED])
def test_nothing_is_asked_for_between_attempts(result: WorkResult) -> None:
    world = WORKING.suspended().attempted(1, result)
    assert {} == counted(world.known, world.moment()).asked
