from dataclasses import replace

import pytest
from tests.worlds import NOW, ABuild, a_build

from buildstate.domain.actions import ResizePod
from buildstate.domain.observed import PodPhase, Resize
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import Plan, plan
from buildstate.domain.specs import WorkResources
from buildstate.domain.states import Retry

BUILD = BuildPhase.BUILD
SMALL = WorkResources(requests={"cpu": "100m"}, limits={"memory": "64Mi"})
LARGE = WorkResources(requests={"cpu": "100m"}, limits={"memory": "128Mi"})


def working(wanted: WorkResources = LARGE, given: WorkResources | None = SMALL) -> ABuild:
    """A phase whose Pod was made with something else than is wanted now."""
    return a_build().with_work(resources=wanted).in_phase(BUILD).with_pod(given=given)


def asked_of(world: ABuild) -> list[ResizePod]:
    """What the plan asks of the Pod at work."""
    return [act for act in plan(world.observed(), NOW).needs if isinstance(act, ResizePod)]


def said_of(world: ABuild) -> tuple[str, str, str]:
    """How the build fares, by the plan."""
    state = plan(world.observed(), NOW).state or world.known
    ready = state.condition("Ready")
    assert ready is not None
    return state.status, ready.reason, ready.message


def test_a_pod_that_runs_is_asked_to_have_what_is_wanted_now() -> None:
    (asked,) = asked_of(working())
    (pod,) = working().pods
    assert ResizePod(pod.name, pod.uid, LARGE) == asked


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(working(SMALL), id="it has it"),
        pytest.param(working(given=None), id="what it has is not known"),
        pytest.param(working(WorkResources()), id="nothing is wanted"),
        pytest.param(
            working(WorkResources(limits={"memory": "67108864"})), id="the same in other words"
        ),
        pytest.param(
            working(WorkResources(limits={"memory": "1e999"})), id="what cannot be compared"
        ),
        pytest.param(
            working(WorkResources(limits={"ephemeral-storage": "9Gi"})),
            id="what cannot change in place",
        ),
        pytest.param(
            working(
                SMALL, WorkResources(requests={"cpu": "100m", "memory": "1"}, limits=SMALL.limits)
            ),
            id="a default that nobody asked for",
        ),
    ],
)
def test_nothing_is_asked_of_a_pod_that_has_what_it_should(world: ABuild) -> None:
    assert [] == asked_of(world)
    assert "PhaseRunning" == said_of(world)[1]


@pytest.mark.parametrize("fields", [{"deleting": True}, {"phase": PodPhase.FAILED}])
def test_nothing_is_asked_of_a_pod_that_ends(fields: dict[str, object]) -> None:
    world = working()
    (pod,) = world.pods
    assert [] == asked_of(replace(world, pods=(replace(pod, **fields),)))  # type: ignore[arg-type]


def test_what_is_new_is_asked_for() -> None:
    wanted = WorkResources(limits={"memory": "64Mi", "cpu": "1"})
    assert [wanted] == [one.wanted for one in asked_of(working(wanted))]


def test_what_has_grown_is_not_taken_back() -> None:
    retry = Retry(reason="OOMKilled", message="", growths=1)
    world = a_build().with_work(resources=SMALL).in_phase(BUILD)
    world = world.attempted(2, memory="128Mi", retry=retry)
    assert [] == asked_of(world.with_pod(given=LARGE))


# Once.


def answered(world: ABuild, refusal: str = "", **fields: object) -> ABuild:
    """That world after the Pod was asked."""
    (pod,) = world.pods
    answer = Resize(uid=pod.uid, wanted=LARGE, refusal=refusal)
    return replace(world, resize=replace(answer, **fields))  # type: ignore[arg-type]


def test_what_was_asked_is_not_asked_again_whatever_came_of_it() -> None:
    for refusal in ("", "the cluster is too old"):
        assert [] == asked_of(answered(working(), refusal))


def test_another_wish_and_another_pod_are_asked() -> None:
    assert 1 == len(asked_of(answered(working(), "no", wanted=SMALL)))
    assert 1 == len(asked_of(answered(working(), "no", uid="of the attempt before")))


# What is said.


def test_a_refusal_is_said_and_the_pod_goes_on() -> None:
    status, reason, message = said_of(answered(working(), "the cluster is too old"))
    assert ("Running", "ResizeRefused") == (status, reason)
    assert message.endswith("with the resources that it has: the cluster is too old")


def test_a_refusal_of_something_else_is_not_said() -> None:
    assert "PhaseRunning" == said_of(answered(working(), "no", wanted=SMALL))[1]
    assert "PhaseRunning" == said_of(answered(working(), "no", uid="another"))[1]
    assert "PhaseRunning" == said_of(answered(working()))[1]


@pytest.mark.parametrize(
    ("kubelet", "reason"),
    [
        ("Infeasible", "ResizeInfeasible"),
        ("Deferred", "ResizeDeferred"),
        ("Else", "PhaseRunning"),
        ("", "PhaseRunning"),
    ],
)
def test_what_the_kubelet_does_not_give_is_said(kubelet: str, reason: str) -> None:
    world = working(LARGE, LARGE)
    (pod,) = world.pods
    pod = replace(pod, resize=kubelet, resize_message="the node is small")
    assert reason == said_of(replace(world, pods=(pod,)))[1]


def test_what_was_said_is_not_said_again() -> None:
    world = answered(working(), "no")
    state = plan(world.observed(), NOW).state
    assert Plan() == plan(replace(world, state=state).observed(), NOW)
