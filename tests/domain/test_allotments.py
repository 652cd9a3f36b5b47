"""The gate before work: what waits, what it says, and what it keeps."""

from dataclasses import replace

import pytest
from tests.lines_of_worlds import a_namespace
from tests.worlds import ABuild, a_build, a_record, after, some_work

from buildstate.domain import admissions, allotments
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.lines import Allotment
from buildstate.domain.observed import Moment, Observed, PodPhase
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import plan
from buildstate.domain.specs import Action, PhasesWork, WorkResources
from buildstate.domain.states import BuildState, ResourceState, WorkResult
from buildstate.domain.terms import ONE, Terms

INIT, SETUP, BUILD, TEST, CLEANUP, COMPLETE, ERROR = BuildPhase
ROOM = a_namespace(requests_cpu="4")
WAITING = Allotment(lack="requests.cpu is short", place=12, waiting=50)


def needing(*cpus: str, **fields: int) -> ABuild:
    """A build whose SETUP, BUILD and TEST need that much."""
    works = {
        name: some_work(resources=WorkResources(requests={"cpu": cpu}), **fields)
        for name, cpu in zip(("setup", "build", "test"), cpus, strict=False)
    }
    return a_build().wanting(phases=PhasesWork(**works))


def seen(world: ABuild, terms: Terms | None = ROOM, **promised: str) -> Observed:
    """The world in a namespace with those terms, with what it was promised before."""
    observed = replace(world.observed(), terms=terms)
    if observed.state is None or not promised:
        return observed
    named = {name.replace("_", "."): value for name, value in promised.items()}
    return replace(observed, state=replace(observed.state, resources=ResourceState(promised=named)))


def wanted(observed: Observed, seconds: float = 0) -> dict[str, int]:
    """What the line is asked for."""
    found = admissions.wanted(Moment(observed=observed, now=after(seconds)))
    return dict(allotments.promise_of(found, observed.terms or Terms())) if found else {}


def decided(observed: Observed, seconds: float = 0) -> BuildState:
    """What is written down, or what was."""
    state = plan(observed, after(seconds)).state or observed.state
    assert state is not None
    return state


def granted(observed: Observed, seconds: float = 0) -> Observed:
    """The same with what it asks for promised."""
    return replace(observed, allotment=Allotment(promise=wanted(observed, seconds)))


def said(state: BuildState) -> tuple[str, str, str]:
    """How people are told that it fares."""
    ready = state.condition("Ready")
    assert ready is not None
    return state.status, ready.reason, ready.message


def test_a_build_asks_for_the_most_that_any_of_its_phases_needs() -> None:
    assert {"requests.cpu": 3 * ONE} == wanted(seen(needing("1", "3", "2")))


def test_a_promise_is_written_with_the_edge_that_it_is_for() -> None:
    state = decided(granted(seen(needing("1", "3").in_phase(INIT))))
    assert (SETUP, {"requests.cpu": "3"}) == (state.phase, state.resources.promised)


def test_without_a_promise_a_build_waits_where_it_is_and_says_its_place() -> None:
    state = decided(replace(seen(needing("1").in_phase(INIT)), allotment=WAITING))
    says = "waits in line: requests.cpu is short; place 12 of 50 at 12:00:00Z"
    assert (INIT, ("Waiting", "QuotaExceeded", says)) == (state.phase, said(state))


@pytest.mark.parametrize(("place", "is_told"), [(11, False), (7, False), (6, True), (1, True)])
def test_the_place_is_told_anew_when_it_is_half_of_what_was_said(place: int, is_told: bool) -> None:
    waiting = replace(seen(needing("1").in_phase(INIT)), allotment=WAITING)
    state = decided(waiting)
    later = replace(waiting, state=state, allotment=replace(WAITING, place=place))
    assert is_told == (plan(later, after(9)).state is not None)
    assert f"place {place if is_told else 12} of 50" in said(decided(later, 9))[2]


def test_a_promise_becomes_less_with_the_phases_that_need_most() -> None:
    world = needing("3", "1").in_phase(SETUP).with_pod(PodPhase.SUCCEEDED)
    state = decided(seen(world, requests_cpu="3"))
    assert (BUILD, {"requests.cpu": "1"}) == (state.phase, state.resources.promised)


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(needing("1").in_phase(SETUP).asking_for(ERROR), id="an abort"),
        pytest.param(needing("1").in_phase(SETUP).with_pod(PodPhase.FAILED), id="a failure"),
        pytest.param(needing("1").in_phase(CLEANUP), id="the end"),
        pytest.param(needing("1").in_phase(INIT).suspended(), id="a suspension"),
        pytest.param(needing("1").in_phase(INIT).asking_for(INIT), id="a target"),
    ],
)
def test_a_promise_ends_with(ending: ABuild) -> None:
    assert {} == decided(seen(ending, requests_cpu="1")).resources.promised


def test_a_pod_at_work_keeps_its_promise_while_the_build_is_suspended() -> None:
    world = needing("1").in_phase(SETUP).with_pod().suspended()
    assert {"requests.cpu": "1"} == decided(seen(world, requests_cpu="1")).resources.promised


def test_who_needs_more_for_its_next_attempt_gives_up_what_it_has_while_it_waits() -> None:
    work = some_work(resources=WorkResources(limits={"memory": "64Mi"}), backoff_limit=2)
    world = a_build().wanting(phases=PhasesWork(setup=work)).in_phase(SETUP)
    grown = replace(a_record(SETUP, WorkResult.FAILED), memory="128Mi")
    world = replace(world, state=world.known.with_record(grown))
    terms = a_namespace(limits_memory="1Gi")
    observed = seen(world, terms, limits_memory="64Mi")
    assert {"limits.memory": 2**27 * ONE} == wanted(observed)
    state = decided(replace(observed, allotment=WAITING))
    assert (1, {}, "Waiting") == (state.attempt, state.resources.promised, state.status)
    state = decided(granted(observed))
    assert (2, {"limits.memory": "128Mi"}) == (state.attempt, state.resources.promised)


def test_what_can_never_fit_fails_at_once_and_is_not_asked_for() -> None:
    world = seen(needing("1", "9").in_phase(INIT).restarting())
    state = decided(world)
    assert state.failure is not None
    assert ({}, ERROR, "ExceedsQuota", ErrorCategory.RESOURCE_ALLOCATION_FAILURE) == (
        wanted(world),
        state.phase,
        state.failure.reason,
        state.failure.category,
    )
    again = replace(world, state=state)
    assert ERROR is decided(again, 3600).phase


def test_a_quota_that_is_too_small_by_now_fails_who_was_refused_because_of_it() -> None:
    world = needing("3").in_phase(SETUP).refused("QuotaExceeded", is_permanent=False)
    state = decided(seen(world, a_namespace(requests_cpu="2"), requests_cpu="3"))
    assert (ERROR, "ExceedsQuota") == (state.phase, state.failure and state.failure.reason)


def test_out_of_error_a_build_waits_for_its_promise_first() -> None:
    observed = seen(needing("1", "1").restarting(backoff_seconds=0).in_error())
    state = decided(replace(observed, allotment=WAITING), 60)
    assert (ERROR, ("Recovering", "QuotaExceeded")) == (state.phase, said(state)[:2])
    state = decided(granted(observed, 60), 60)
    assert (INIT, {"requests.cpu": "1"}) == (state.phase, state.resources.promised)


def test_before_its_time_a_recovery_does_not_stand_in_line() -> None:
    observed = seen(needing("1", "1").restarting(backoff_seconds=10).in_error())
    assert ({}, {"requests.cpu": ONE}) == (wanted(observed, 9), wanted(observed, 10))


@pytest.mark.parametrize("action", [Action.RESTART, Action.CLEANUP])
def test_a_request_out_of_error_waits_for_its_promise(action: Action) -> None:
    world = needing("1", "1").with_work(CLEANUP).in_error().requesting(action)
    silent = a_namespace("1Mi", requests_memory="4Gi")
    observed = seen(world, silent)
    assert decided(replace(observed, allotment=WAITING)).last_request is None
    answered = decided(granted(observed)).last_request
    assert "Done" == (answered and answered.outcome)


def test_a_request_that_can_never_be_met_is_refused_with_the_numbers() -> None:
    world = needing("9", "1").in_error().requesting(Action.RESTART)
    state = decided(seen(world))
    assert state.last_request is not None
    assert (ERROR, "Refused", "ExceedsQuota") == (
        state.phase,
        state.last_request.outcome,
        state.last_request.reason,
    )
    assert "SETUP needs requests.cpu 9" in state.last_request.message


def test_a_clean_up_that_fits_is_done_although_the_rest_can_never_fit() -> None:
    world = needing("9", "1").with_work(CLEANUP).in_error().requesting(Action.CLEANUP)
    state = decided(granted(seen(world, a_namespace(requests_cpu="4", pods="1"))))
    assert CLEANUP is not state.phase, "CLEANUP says nothing of what the quota counts"
    state = decided(granted(seen(world, a_namespace(pods="1"))))
    assert CLEANUP is state.phase


def test_where_nothing_is_limited_nothing_is_asked_and_nothing_written() -> None:
    world = needing("1").in_phase(INIT)
    assert ({}, {}) == (wanted(seen(world, None)), decided(seen(world, None)).resources.promised)
