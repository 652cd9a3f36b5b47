from dataclasses import replace
from typing import Any

import pytest
from tests.worlds import NOW, ABuild, a_build, a_product, a_report, after, an_artifact

from buildstate.domain import artifacts
from buildstate.domain.artifacts import declared, earlier, hold
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.findings import Found, Lack
from buildstate.domain.observed import PodPhase
from buildstate.domain.outcomes import Outcome
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import plan
from buildstate.domain.states import BuildState

SETUP, BUILD, TEST, CLEANUP = (
    BuildPhase.SETUP,
    BuildPhase.BUILD,
    BuildPhase.TEST,
    BuildPhase.CLEANUP,
)
RIGHT, WRONG = "ab" * 32, "cd" * 32
GOOD = Found(7, RIGHT)
WELL, BADLY = Outcome(succeeded=True), Outcome(succeeded=False, reason="Error", exit_code=1)
WORKING = a_build().with_work().with_workspace()
AT_WORK = WORKING.declaring(an_artifact(), an_artifact("doc")).in_phase(BUILD)


# Which files it is about.


@pytest.mark.parametrize(
    "path", ["dist/app", "/workspace/dist/app", "./dist//app", "/workspace/./dist/app"]
)
def test_a_path_is_one_below_the_workspace_however_it_is_written(path: str) -> None:
    world = WORKING.declaring(an_artifact(path=path))
    assert ["dist/app"] == [wish.path for wish in declared(world.spec, BUILD)]


def test_each_phase_is_asked_for_its_own() -> None:
    world = WORKING.declaring(an_artifact("lib", SETUP), an_artifact("app", BUILD))
    assert [[], ["lib"], ["app"]] == [
        [wish.name for wish in declared(world.spec, phase)] for phase in (TEST, SETUP, BUILD)
    ]


def earlier_names(world: ABuild) -> list[str]:
    """The artifacts that are looked at again before the present phase."""
    return [wish.name for wish in earlier(world.spec, world.known)]


LEFT = (a_product("lib", SETUP), a_product("app", BUILD), a_product("log", TEST))


@pytest.mark.parametrize(
    ("phase", "names"),
    [
        (SETUP, []),
        (BUILD, ["lib"]),
        (TEST, ["lib", "app"]),
        (CLEANUP, ["lib", "app", "log"]),
        (BuildPhase.COMPLETE, []),
    ],
)
def test_what_the_phases_before_left_is_looked_at_again(
    phase: BuildPhase, names: list[str]
) -> None:
    assert names == earlier_names(WORKING.in_phase(phase).having_left(*LEFT))


def test_the_digest_that_was_recorded_is_the_one_that_counts() -> None:
    world = WORKING.declaring(an_artifact()).in_phase(TEST).having_left(a_product(sha256=WRONG))
    assert [WRONG] == [wish.sha256 for wish in earlier(world.spec, world.known)]


def test_a_file_that_a_later_phase_left_anew_is_held_to_the_later_one() -> None:
    signed = a_product("signed", TEST, path="dist/app", sha256=WRONG)
    world = WORKING.in_phase(CLEANUP).having_left(a_product(), signed)
    assert [("signed", WRONG)] == [
        (wish.name, wish.sha256) for wish in earlier(world.spec, world.known)
    ]


def test_without_a_workspace_nothing_is_left_to_look_at() -> None:
    assert [] == earlier_names(a_build().with_work().in_phase(CLEANUP).having_left(*LEFT))


def test_what_cleans_up_after_a_failure_asks_for_nothing() -> None:
    failed = WORKING.in_error().known.failure
    world = WORKING.in_phase(CLEANUP, failure=failed).having_left(*LEFT)
    assert [] == earlier_names(world)


# Whether what was found is that.


def held(world: ABuild, outcome: Outcome, **said: Any) -> Outcome:
    """The outcome with what our containers said."""
    pod = world.with_pod(**said).pods[-1]
    return hold(outcome, pod, world.known, world.moment())


def test_what_was_found_is_recorded() -> None:
    found = held(AT_WORK, WELL, report=a_report(GOOD, Found(0, WRONG)))
    assert found.succeeded
    assert (a_product(), a_product("doc", size=0, sha256=WRONG)) == found.artifacts


def test_a_phase_without_artifacts_needs_no_report() -> None:
    assert WELL == held(WORKING.in_phase(BUILD), WELL)


@pytest.mark.parametrize("lack", Lack)
def test_what_is_missing_is_named_with_its_place_and_why(lack: Lack) -> None:
    found = held(AT_WORK, WELL, report=a_report(GOOD, lack))
    message = f"artifact doc of BUILD is missing: '/workspace/dist/doc' {lack.words}"
    assert Outcome(succeeded=False, reason="ArtifactMissing", message=message) == found


def test_another_file_than_was_declared_is_told_with_both_digests() -> None:
    world = WORKING.declaring(an_artifact(sha256=WRONG)).in_phase(BUILD)
    found = held(world, WELL, report=a_report(GOOD))
    assert "ArtifactMismatch" == found.reason
    assert f"'/workspace/dist/app' has sha256 {RIGHT}, and {WRONG} was declared" in found.message


def test_the_declared_file_is_fine() -> None:
    world = WORKING.declaring(an_artifact(sha256=RIGHT)).in_phase(BUILD)
    assert held(world, WELL, report=a_report(GOOD)).succeeded


def test_every_fault_is_told() -> None:
    found = held(AT_WORK, WELL, report=a_report(Lack.ABSENT, Lack.DIRECTORY))
    assert ["artifact app", "artifact doc"] == [one[:12] for one in found.message.split("; ")]


@pytest.mark.parametrize("report", ["", "hello", a_report(GOOD), a_report(GOOD, GOOD, GOOD)])
def test_success_without_a_report_that_can_be_read_is_none(report: str) -> None:
    found = held(AT_WORK, WELL, report=report)
    assert ("ArtifactUnreported", ()) == (found.reason, found.artifacts)
    assert repr(report) in found.message


def test_a_pod_that_failed_for_its_artifacts_says_which() -> None:
    found = held(AT_WORK, BADLY, report=a_report(GOOD, Lack.ABSENT))
    assert ("ArtifactMissing", None) == (found.reason, found.exit_code)


@pytest.mark.parametrize("report", ["", "Traceback", a_report(GOOD, GOOD)])
def test_a_pod_that_failed_for_something_else_says_that(report: str) -> None:
    assert BADLY == held(AT_WORK, BADLY, report=report)


LATER = AT_WORK.in_phase(TEST).having_left(a_product())


@pytest.mark.parametrize(
    ("found", "reason", "says"),
    [
        (Lack.ABSENT, "ArtifactMissing", "artifact app of BUILD is missing"),
        (Found(7, WRONG), "ArtifactMismatch", f"has sha256 {WRONG}, and {RIGHT} was recorded"),
    ],
)
def test_what_was_altered_since_fails_the_later_phase(
    found: Found | Lack, reason: str, says: str
) -> None:
    outcome = held(LATER, BADLY, verification=a_report(found))
    assert reason == outcome.reason
    assert says in outcome.message


def test_nothing_is_made_of_a_verification_that_is_as_it_must_be() -> None:
    assert BADLY == held(LATER, BADLY, verification=a_report(GOOD))


# What comes of it in the plan.


def after_the_pod(world: ABuild, phase: PodPhase, **said: str) -> BuildState:
    """The state once the Pod of the present attempt has ended like that."""
    state = plan(world.with_pod(phase, **said).observed(), after(5)).state
    assert state is not None
    return state


def test_a_phase_whose_artifacts_are_there_is_done_and_goes_on() -> None:
    state = after_the_pod(AT_WORK, PodPhase.SUCCEEDED, report=a_report(GOOD, GOOD))
    assert (TEST, ["app", "doc"]) == (state.phase, [one.name for one in state.artifacts])
    assert {after(5)} == {one.time for one in state.artifacts}


def test_a_phase_whose_artifact_is_missing_fails_as_its_work_would() -> None:
    state = after_the_pod(AT_WORK, PodPhase.FAILED, report=a_report(GOOD, Lack.ABSENT))
    assert state.failure is not None
    assert (BuildPhase.ERROR, ErrorCategory.PHASE_FAILED, "ArtifactMissing") == (
        state.phase,
        state.failure.category,
        state.failure.reason,
    )


def test_it_is_an_attempt_like_any_other() -> None:
    world = AT_WORK.with_work(backoff_limit=1)
    state = after_the_pod(world, PodPhase.FAILED, report=a_report(Lack.ABSENT, GOOD))
    assert (BUILD, 2) == (state.phase, state.attempt)


def test_a_phase_that_is_run_again_begins_without_what_it_left() -> None:
    failed = WORKING.declaring(an_artifact("log", CLEANUP)).in_error()
    state = replace(failed.known, artifacts=(a_product(), a_product("log", CLEANUP)))
    again = replace(failed, state=state).asking_for(CLEANUP)
    found = plan(again.observed(), NOW).state
    assert found is not None
    assert (CLEANUP, ["app"]) == (found.phase, [one.name for one in found.artifacts])


def test_artifacts_are_those_of_the_phases_that_are_asked_for() -> None:
    assert LEFT[:2] == artifacts.of_phases(LEFT, (BUILD, SETUP))
