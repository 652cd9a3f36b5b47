"""What becomes of a build that nobody has written yet: it is in INIT, and one write leads on."""

import pytest
from tests.worlds import NOW, ABuild, a_build

from buildstate.domain.actions import CreatePod
from buildstate.domain.dependencies import asked
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import plan
from buildstate.domain.states import BuildState


def first_state(world: ABuild) -> BuildState:
    """The state that the first write holds."""
    state = plan(world.observed(), NOW).state
    assert state is not None
    return state


@pytest.mark.parametrize(
    ("world", "status"),
    [
        pytest.param(a_build().asking_for(BuildPhase.INIT), "Waiting", id="asked to stay"),
        pytest.param(a_build().suspended(), "Suspended", id="suspended"),
    ],
)
def test_what_may_not_go_on_waits_in_init_and_says_so(world: ABuild, status: str) -> None:
    state = first_state(world)
    assert (BuildPhase.INIT, status, ()) == (state.phase, state.status, state.history)
    assert {"Succeeded", "Ready", "Reconciling", "Stalled"} == {c.type for c in state.conditions}


def test_what_asks_for_error_is_aborted_with_its_first_write() -> None:
    state = first_state(a_build().asking_for(BuildPhase.ERROR))
    assert (BuildPhase.ERROR, "Aborted") == (state.phase, state.status)


def test_the_first_write_is_the_intent_of_the_first_pod() -> None:
    world = a_build().with_work()
    decision = plan(world.observed(), NOW)
    assert decision.state is not None
    assert BuildPhase.SETUP is decision.state.phase
    assert (CreatePod(world.observed().pod_name(decision.state)),) == decision.needs


def test_the_gate_before_setup_holds_back_a_new_build_too() -> None:
    world = a_build().depending_on("lib", before=BuildPhase.SETUP)
    state = first_state(world.beside("lib"))
    assert (BuildPhase.INIT, "Waiting") == (state.phase, state.status)
    assert asked(world.spec, None) == ("lib",)


def test_the_history_begins_with_the_way_out_of_init() -> None:
    state = first_state(a_build())
    steps = [(step.sequence, step.origin, step.to) for step in state.history]
    assert [(1, BuildPhase.INIT, BuildPhase.SETUP)] == steps
    assert NOW == state.start_time
