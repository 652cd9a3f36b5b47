from dataclasses import replace
from typing import Any

from tests.doubles import Call, Told
from tests.worlds import ABuild, a_build, after

from buildstate.domain.observed import PodPhase
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import plan
from buildstate.domain.specs import Action, WorkResources
from buildstate.domain.states import BuildState, Retry, WorkResult
from buildstate.engine.reports import Reporter

FAILED = a_build().with_work(BuildPhase.BUILD).in_phase(BuildPhase.BUILD)


def told(world: ABuild, state: BuildState | None = None) -> Told:
    """What is told of the plan's state, or of another, three seconds later."""
    decided = state or plan(world.observed(), after(3)).state
    assert decided is not None
    ear = Told()
    Reporter(ear, ear).committed(world.observed(), decided)
    return ear


def kinds(ear: Told) -> list[str]:
    """The figures that moved."""
    return [figure[0] for figure in ear.figures]


def event(ear: Told) -> dict[str, Any]:
    """The one Event."""
    (only,) = ear.events
    return only


def test_the_first_write_tells_of_the_first_edge() -> None:
    ear = told(a_build())
    assert [("state", "SETUP", "Pending"), ("transition", "INIT", "SETUP", 0.0)] == ear.figures
    assert ("Advanced", "INIT -> SETUP") == (event(ear)["reason"], event(ear)["message"])


def test_a_first_write_that_stays_in_init_is_one_change_and_no_event() -> None:
    ear = told(a_build().asking_for(BuildPhase.INIT))
    assert ([("state", "INIT", "Waiting")], []) == (ear.figures, ear.events)


def test_a_transition_is_told_with_the_time_that_the_phase_took() -> None:
    ear = told(a_build().in_phase(BuildPhase.SETUP))
    expected: list[Call] = [
        ("state", "BUILD", "Pending"),
        ("transition", "SETUP", "BUILD", 3.0),
    ]
    assert expected == ear.figures
    assert ("Advanced", "SETUP -> BUILD", "Normal") == (
        event(ear)["reason"],
        event(ear)["message"],
        event(ear)["type"],
    )


def test_the_first_phase_counts_from_the_start() -> None:
    ear = told(a_build().in_phase(BuildPhase.INIT))
    assert ("transition", "INIT", "SETUP", 3.0) in ear.figures


def test_a_phase_of_unknown_beginning_took_no_time() -> None:
    ear = told(a_build().in_phase(BuildPhase.INIT, start_time=None))
    assert ("transition", "INIT", "SETUP", 0.0) in ear.figures


def test_a_clock_that_went_back_makes_no_negative_time() -> None:
    ear = told(a_build().in_phase(BuildPhase.INIT, start_time=after(99)))
    assert ("transition", "INIT", "SETUP", 0.0) in ear.figures


def test_a_failure_is_a_warning_that_says_what_happened() -> None:
    ear = told(
        FAILED.with_pod(PodPhase.FAILED, exit_code=3, reason="Error", message="no such file")
    )
    pod = FAILED.observed().pod_name(FAILED.known)
    said = f"Error in BUILD, attempt 1, Pod {pod}, exit code 3: no such file"
    assert ("failed", "PhaseFailed") in ear.figures
    assert ("PhaseFailed", f"BUILD -> ERROR: {said}", "Warning") == (
        event(ear)["reason"],
        event(ear)["message"],
        event(ear)["type"],
    )


def test_a_failure_is_counted_once() -> None:
    world = a_build().in_error().written()
    again = replace(world.known, timestamp=after(9))
    assert ["state"] == kinds(told(world, again))


def test_a_retry_is_a_warning() -> None:
    world = a_build().with_work(backoff_limit=1).in_phase(BuildPhase.BUILD)
    ear = told(world.attempted(1, WorkResult.FAILED))
    assert ("Retrying", "attempt 1 of BUILD: failed; trying again", "Warning") == (
        event(ear)["reason"],
        event(ear)["message"],
        event(ear)["type"],
    )


def test_a_retry_with_more_memory_says_so() -> None:
    small = WorkResources(limits={"memory": "64Mi"})
    world = a_build().with_work(resources=small).in_phase(BuildPhase.BUILD)
    ear = told(world.with_pod(PodPhase.FAILED, reason="OOMKilled"))
    said = "attempt 1 of BUILD: OOMKilled with 64Mi; attempt 2 gets 128Mi"
    assert ("OOMKilled", said) == (event(ear)["reason"], event(ear)["message"])
    assert ("retried", "OOMKilled") in ear.figures


def test_a_retry_after_a_disruption_has_its_reason() -> None:
    ear = told(FAILED.with_departed(node="n1"))
    said = "attempt 1 of BUILD: PodDeleted on node n1; disruption 1 of 5 that do not count"
    assert ("PodDeleted", said) == (event(ear)["reason"], event(ear)["message"])
    assert ("retried", "PodDeleted") in ear.figures


def test_a_retry_is_counted_once() -> None:
    world = FAILED.attempted(2, retry=Retry(reason="Evicted", message="")).written()
    assert ["state"] == kinds(told(world, replace(world.known, timestamp=after(9))))


def test_a_request_that_was_done_is_told() -> None:
    ear = told(a_build().in_error().requesting(Action.RESTART, "r7"))
    assert ("answered", "Restart", "Done") in ear.figures
    assert ["RestartRequested", "RequestDone"] == [one["reason"] for one in ear.events]
    assert "Restart (r7): done" == ear.events[1]["message"]


def test_a_request_that_was_refused_is_a_warning() -> None:
    # It is answered in the pass that walks on.
    ear = told(a_build().in_phase(BuildPhase.BUILD).requesting(Action.RESTART))
    assert ("answered", "Restart", "Refused") in ear.figures
    assert ("RequestRefused", "Warning") == (ear.events[-1]["reason"], ear.events[-1]["type"])


def test_an_answer_is_told_once() -> None:
    world = a_build().in_phase(BuildPhase.BUILD).answered(Action.RESTART).written()
    assert ["state"] == kinds(told(world, replace(world.known, timestamp=after(9))))


def test_each_event_has_a_name_of_its_own() -> None:
    worlds = [
        a_build().in_phase(BuildPhase.SETUP),
        a_build().in_phase(BuildPhase.BUILD),
        a_build().in_error().requesting(Action.RESTART, "r1"),
        a_build().in_error().requesting(Action.RESTART, "r2"),
        a_build()
        .with_work(backoff_limit=1)
        .in_phase(BuildPhase.BUILD)
        .attempted(1, WorkResult.FAILED),
    ]
    names = {one["metadata"]["name"] for world in worlds for one in told(world).events}
    # The two restarts take the same edge, which is the same Event.
    assert 6 == len(names)


def test_the_same_commit_is_the_same_event() -> None:
    world = a_build().in_phase(BuildPhase.SETUP)
    assert event(told(world)) == event(told(world))


def test_that_a_dependency_was_replaced_is_told() -> None:
    base = a_build().depending_on("lib", "data").in_phase(BuildPhase.SETUP)
    waiting = replace(base, state=plan(base.beside("lib").observed(), after(1)).state)
    ear = told(waiting.beside("lib", uid="another").beside("data"))
    assert ("DependencyReplaced", "Warning") == (event(ear)["reason"], event(ear)["type"])
    assert "lib was removed and made anew; the new one is asked" == event(ear)["message"]
