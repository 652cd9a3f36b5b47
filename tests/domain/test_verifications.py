from dataclasses import replace
from typing import Any

import pytest
from tests.worlds import NOW, ABuild, a_build, a_pod, a_product, a_report, after, an_artifact

from buildstate.domain import names
from buildstate.domain.actions import CreateVerifier, DeletePod
from buildstate.domain.artifacts import Wish
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.findings import Found, Lack
from buildstate.domain.observed import PodPhase, Refusal
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import Plan, plan
from buildstate.domain.specs import Action
from buildstate.domain.states import RequestResult, WorkResult

INIT, SETUP, BUILD, TEST, CLEANUP, COMPLETE, ERROR = BuildPhase
GOOD, ALTERED = Found(7, "ab" * 32), Found(7, "cd" * 32)
MADE = (
    a_build()
    .with_work()
    .with_workspace(claim_name="theirs")
    .declaring(an_artifact(), an_artifact("doc"))
)
COMPLETED = MADE.in_phase(COMPLETE).having_left(a_product(), a_product("doc"))
ASKED = COMPLETED.written().requesting(Action.VERIFY)
NAME = names.verifier_name("demo", ASKED.observed().uid, "r1")


def with_pod(world: ABuild, phase: PodPhase = PodPhase.RUNNING, **fields: Any) -> ABuild:
    """Have the Pod that looks at the artifacts."""
    return replace(world, pods=(*world.pods, a_pod(NAME, phase, **fields)))


def answer(world: ABuild, seconds: float = 5) -> RequestResult:
    """The answer that is given."""
    state = plan(world.observed(), after(seconds)).state
    assert state is not None
    assert state.last_request is not None
    return state.last_request


def needs(decision: Plan) -> list[str]:
    """What is made or deleted."""
    return [type(act).__name__ for act in decision.needs]


def test_a_pod_is_made_that_looks_at_all_that_was_recorded() -> None:
    found = plan(ASKED.observed(), NOW)
    wish = Wish("app", BUILD, "dist/app", "ab" * 32, "was recorded")
    assert (
        CreateVerifier(NAME, (wish, replace(wish, name="doc", path="dist/doc"))),
    ) == found.needs


def test_its_name_follows_from_the_request() -> None:
    other = COMPLETED.requesting(Action.VERIFY, "r2")
    [first, second] = [plan(world.observed(), NOW).needs[0] for world in (ASKED, other)]
    assert isinstance(first, CreateVerifier)
    assert isinstance(second, CreateVerifier)
    assert first.name != second.name


def test_nothing_is_answered_and_no_other_one_is_made_while_it_looks() -> None:
    found = plan(with_pod(ASKED).observed(), NOW)
    assert [] == needs(found)
    assert found.state is None or found.state.last_request is None


def test_all_is_as_it_was() -> None:
    world = with_pod(ASKED, PodPhase.SUCCEEDED, verification=a_report(GOOD, GOOD))
    result = answer(world)
    assert ("Done", "Accepted") == (result.outcome, result.reason)
    assert (
        "Verify is done: the state is valid, and 2 artifacts are as they were recorded"
        == result.message
    )


@pytest.mark.parametrize(
    ("found", "reason", "says"),
    [
        (ALTERED, "ArtifactMismatch", "artifact doc of BUILD is another one"),
        (Lack.ABSENT, "ArtifactMissing", "artifact doc of BUILD is missing"),
    ],
)
def test_what_is_not_as_it_was_is_named(found: Found | Lack, reason: str, says: str) -> None:
    world = with_pod(ASKED, PodPhase.FAILED, verification=a_report(GOOD, found), reason="Error")
    result = answer(world)
    assert ("Refused", reason) == (result.outcome, result.reason)
    assert f"Verify is refused: {says}" in result.message


def test_nothing_of_the_build_changes_but_the_answer() -> None:
    world = with_pod(ASKED, PodPhase.FAILED, verification=a_report(GOOD, Lack.ABSENT))
    state = plan(world.observed(), after(5)).state
    assert state is not None
    before = replace(ASKED.known, last_request=state.last_request, observed_generation=0)
    assert (before.phase, before.history, before.artifacts, before.failure) == (
        state.phase,
        state.history,
        state.artifacts,
        state.failure,
    )


@pytest.mark.parametrize("text", ["", "hello", a_report(GOOD)])
@pytest.mark.parametrize("phase", [PodPhase.SUCCEEDED, PodPhase.FAILED])
def test_what_cannot_be_read_is_no_answer_that_all_is_well(phase: PodPhase, text: str) -> None:
    result = answer(with_pod(ASKED, phase, verification=text))
    assert ("Refused", "Error") == (result.outcome, result.reason)


def test_a_pod_that_failed_with_a_fine_report_is_not_believed() -> None:
    killed = with_pod(ASKED, PodPhase.FAILED, verification=a_report(GOOD, GOOD), reason="OOMKilled")
    assert "OOMKilled" == answer(killed).reason


# What it needs no Pod for.


@pytest.mark.parametrize(
    ("world", "outcome", "reason"),
    [
        pytest.param(MADE.in_phase(COMPLETE), "Done", "Accepted", id="nothing was left"),
        pytest.param(COMPLETED.wanting(workspace=None), "Done", "Accepted", id="nothing is kept"),
        pytest.param(
            COMPLETED.with_workspace(), "Refused", "ArtifactMissing", id="the workspace is gone"
        ),
        pytest.param(
            MADE.in_phase(BUILD).with_pod(), "Refused", "WorkRunning", id="work is running"
        ),
        pytest.param(
            MADE.in_phase(BUILD).attempted(1, WorkResult.FAILED).with_pod().suspended(),
            "Refused",
            "WorkRunning",
            id="work will be tried again",
        ),
        pytest.param(
            MADE.in_error(ErrorCategory.STATE_CORRUPTION),
            "Refused",
            "StateCorruption",
            id="the state was altered",
        ),
        pytest.param(COMPLETED.archived(), "Refused", "TransitionViolation", id="it is put away"),
    ],
)
def test_what_is_answered_at_once(world: ABuild, outcome: str, reason: str) -> None:
    asked = world.requesting(Action.VERIFY)
    result = answer(asked)
    assert (outcome, reason) == (result.outcome, result.reason)
    assert "CreateVerifier" not in needs(plan(asked.observed(), NOW))


# When it is made, and what comes of the build meanwhile.


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(MADE.in_error(), id="in ERROR"),
        pytest.param(MADE.asking_for(CLEANUP).in_phase(CLEANUP), id="at its target"),
        pytest.param(MADE.in_phase(COMPLETE).suspended(), id="suspended"),
    ],
)
def test_it_is_made_wherever_no_work_runs(world: ABuild) -> None:
    done = world.known.record
    if done is not None:
        world = world.attempted(1, WorkResult.SUCCEEDED)
    asked = world.having_left(a_product()).requesting(Action.VERIFY)
    assert ["CreateVerifier"] == needs(plan(asked.observed(), NOW))


def test_it_waits_for_what_is_still_ending() -> None:
    world = MADE.in_error().having_left(a_product()).requesting(Action.VERIFY).with_stray()
    assert ["DeletePod"] == needs(plan(world.observed(), NOW))


def test_the_build_goes_on_only_when_it_is_answered() -> None:
    done = MADE.in_phase(BUILD).attempted(1, WorkResult.SUCCEEDED).having_left(a_product())
    asked = done.requesting(Action.VERIFY)
    for world in (asked, with_pod(asked)):
        state = plan(world.observed(), NOW).state
        assert state is None or BUILD is state.phase
    ended = with_pod(asked, PodPhase.SUCCEEDED, verification=a_report(GOOD))
    state = plan(ended.observed(), NOW).state
    assert state is not None
    assert TEST is state.phase


def test_a_pod_of_a_request_that_nobody_makes_any_more_is_stopped() -> None:
    world = with_pod(COMPLETED.requesting(Action.VERIFY, "r2"))
    assert isinstance(plan(world.observed(), NOW).needs[0], DeletePod)


def test_an_aborted_build_gives_its_workspace_back_first() -> None:
    aborted = MADE.with_workspace().in_error(
        ErrorCategory.ABORTED, workspace_claim="demo-workspace", artifacts=(a_product(),)
    )
    held = with_pod(aborted.requesting(Action.VERIFY), PodPhase.SUCCEEDED)
    found = plan(held.observed(), NOW)
    assert ["DeletePod"] == needs(found)
    gone = replace(held, pods=(), state=replace(held.known, workspace_claim=None))
    assert "ArtifactMissing" == answer(gone).reason


# What goes wrong.


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"waiting": "ImagePullBackOff", "message": "no such image"}, 30),
        ({"waiting": "Unschedulable", "message": "no node"}, 600),
    ],
)
def test_a_pod_that_cannot_begin_is_given_up(fields: dict[str, str], seconds: float) -> None:
    world = with_pod(ASKED, PodPhase.PENDING, **fields)
    before = plan(world.observed(), after(seconds - 1))
    assert 1.0 == before.wake_after
    result = answer(world, seconds)
    assert ("Refused", fields["waiting"]) == (result.outcome, result.reason)
    assert fields["message"] in result.message
    again = plan(world.observed(), after(seconds))
    assert ["DeletePod"] == needs(again)


@pytest.mark.parametrize("is_permanent", [True, False])
def test_a_pod_that_is_refused_is_an_answer(is_permanent: bool) -> None:
    said = Refusal(reason="QuotaExceeded", message="no room", is_permanent=is_permanent)
    result = answer(replace(ASKED, refusal=said))
    assert ("Refused", "QuotaExceeded") == (result.outcome, result.reason)


def test_planning_again_plans_nothing() -> None:
    world = with_pod(ASKED, PodPhase.SUCCEEDED, verification=a_report(GOOD, GOOD))
    state = plan(world.observed(), NOW).state
    assert state is not None
    assert Plan() == plan(replace(world, state=state).observed(), NOW)
