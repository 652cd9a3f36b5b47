from dataclasses import replace

import pytest
from tests.worlds import ABuild, a_build, a_product, a_report, a_trouble, after, an_artifact

from buildstate.domain import objects
from buildstate.domain.artifacts import earlier
from buildstate.domain.findings import Finding, Found, Lack
from buildstate.domain.observed import Objects, PodPhase
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import plan
from buildstate.domain.states import BuildState

BUILD, TEST, ERROR = BuildPhase.BUILD, BuildPhase.TEST, BuildPhase.ERROR
URI = "store://main/dist/app"
GOOD, OTHER = Found(7, "ab" * 32), Found(9, "cd" * 32)
THING = an_artifact("thing", path=None, uri=URI, sha256="ab" * 32)
WORKING = a_build().with_work().declaring(an_artifact(), THING).in_phase(BUILD)
SUCCEEDED = WORKING.with_pod(PodPhase.SUCCEEDED, report=a_report(GOOD))


def given(*found: Finding) -> ABuild:
    """The build with what was found in the store."""
    return replace(SUCCEEDED, objects=Objects(found=found))


def planned(world: ABuild) -> BuildState:
    """The state that is decided upon, or the one that stays."""
    return plan(world.observed(), after(5)).state or world.known


def test_a_uri_names_a_store_and_a_key() -> None:
    assert ("main", "dist/app") == objects.split(URI)


def test_objects_are_measured_once_the_work_has_succeeded() -> None:
    assert (URI,) == objects.due(SUCCEEDED.moment())


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(WORKING, id="no Pod yet"),
        pytest.param(WORKING.with_pod(), id="at work"),
        pytest.param(WORKING.with_pod(PodPhase.FAILED), id="failed"),
        pytest.param(replace(SUCCEEDED, state=None), id="no state yet"),
        pytest.param(a_build().with_work().in_phase(BUILD).with_pod(PodPhase.SUCCEEDED), id="none"),
        pytest.param(SUCCEEDED.declaring(replace(THING, phase=TEST)), id="of another phase"),
        pytest.param(SUCCEEDED.in_phase(TEST), id="gone on"),
    ],
)
def test_at_any_other_time_nothing_is_measured(world: ABuild) -> None:
    assert () == objects.due(world.moment())


def test_until_it_is_measured_the_phase_is_not_done() -> None:
    world = SUCCEEDED.written()
    found = plan(world.observed(), after(5))
    assert BUILD is planned(world).phase
    assert () == found.needs


def test_what_was_found_is_recorded_and_the_build_goes_on() -> None:
    state = planned(given(GOOD))
    assert TEST is state.phase
    assert (
        a_product("app", time=after(5)),
        a_product("thing", path=None, uri=URI, time=after(5)),
    ) == state.artifacts


@pytest.mark.parametrize(
    ("found", "reason", "says"),
    [
        (Lack.ABSENT, "ArtifactMissing", f"artifact thing of BUILD is missing: '{URI}' does not"),
        (OTHER, "ArtifactMismatch", f"'{URI}' has sha256 {'cd' * 32}, and {'ab' * 32} was declar"),
    ],
)
def test_what_is_not_there_fails_the_phase(found: Finding, reason: str, says: str) -> None:
    failure = planned(given(found)).failure
    assert failure is not None
    assert reason == failure.reason
    assert says in failure.message


def test_a_store_that_cannot_be_read_is_waited_for() -> None:
    # Who was unschedulable may be said to be so for long.
    ended = WORKING.with_pod(PodPhase.SUCCEEDED, report=a_report(GOOD), waiting="Unschedulable")
    world = replace(ended, objects=Objects(trouble=a_trouble(30)))
    found = plan(world.observed(), after(5))
    assert found.state is not None
    assert (BUILD, "Waiting") == (found.state.phase, found.state.status)
    ready = found.state.condition("Ready")
    assert ready is not None
    assert ("PersistenceError", True) == (ready.reason, "the store is down" in ready.message)
    assert 25.0 == found.wake_after


def test_an_object_is_looked_at_once_and_no_file_of_a_later_phase() -> None:
    world = WORKING.with_workspace().in_phase(TEST)
    left = world.having_left(a_product("thing", path=None, uri=URI))
    assert earlier(left.spec, left.known) == ()
