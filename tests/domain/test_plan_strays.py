"""What is there and should not be is stopped, what is not and should be is made, and it is said."""

from dataclasses import replace

from tests.worlds import NAME, NOW, UID, a_build, a_pod

from buildstate.domain import names
from buildstate.domain.actions import CreatePod, DeletePod
from buildstate.domain.observed import PodPhase
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import plan
from buildstate.domain.specs import Action

RUNNING = PodPhase.RUNNING
ERROR = BuildPhase.ERROR
WORKING = a_build().with_work().in_phase(BuildPhase.BUILD)


def test_a_pod_that_no_state_speaks_of_is_stopped_and_said_to_be_left_over() -> None:
    for world in (WORKING.with_stray(RUNNING), a_build().in_error().with_stray(RUNNING)):
        (act,) = plan(world.observed(), NOW).needs
        assert isinstance(act, DeletePod)
        assert act.is_leftover


def test_a_pod_whose_attempt_is_over_is_stopped_and_not_left_over() -> None:
    aborted = WORKING.with_pod(RUNNING).asking_for(ERROR)
    decision = plan(aborted.observed(), NOW)
    again = plan(replace(aborted, state=decision.state).observed(), NOW)
    for act in (*decision.needs, *again.needs):
        assert isinstance(act, DeletePod)
        assert not act.is_leftover
    assert 1 == len(decision.needs) == len(again.needs)


def test_a_pod_that_somebody_took_away_is_made_again_and_said_to_be() -> None:
    world = WORKING.with_pod(RUNNING).written()
    (pod,) = world.pods
    assert (CreatePod(pod.name, pod.uid),) == plan(replace(world, pods=()).observed(), NOW).needs
    assert (CreatePod(pod.name),) == plan(WORKING.written().observed(), NOW).needs


def test_exactly_the_stray_pod_is_stopped() -> None:
    world = WORKING.with_pod().with_stray(uid="that-one")
    expected = DeletePod("demo-build-of-before", "that-one", is_leftover=True)
    assert (expected,) == plan(world.observed(), NOW).needs


def test_a_pod_that_looked_at_artifacts_and_is_not_needed_any_more_is_not_left_over() -> None:
    world = a_build().requesting(Action.VERIFY).in_phase(BuildPhase.COMPLETE)
    verifier = a_pod(names.verifier_name(NAME, UID, "r1"))
    world = replace(world.answered(Action.VERIFY), pods=(verifier,))
    assert (DeletePod(verifier.name, verifier.uid),) == plan(world.observed(), NOW).needs
