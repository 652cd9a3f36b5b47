"""What a build sees of others, and whether they wait for each other."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.worlds import NOW, ABuild, a_build

from buildstate.domain.dependencies import asked
from buildstate.domain.neighbours import (
    MAX_NEIGHBOURS,
    Neighbour,
    find_cycle,
    gather,
    neighbour_of,
    reached,
)
from buildstate.domain.observed import Observed
from buildstate.domain.phases import WAY, BuildPhase
from buildstate.domain.plan import Plan, plan
from buildstate.domain.specs import BuildSpec, Dependency
from buildstate.domain.states import BuildState, Transition

INIT, SETUP, BUILD, TEST, CLEANUP, COMPLETE, ERROR = BuildPhase


def view(world: ABuild) -> Neighbour:
    """What others see of that build."""
    return neighbour_of("u", world.spec, world.written().state)


def walked(*phases: BuildPhase, **fields: Any) -> BuildState:
    """The state of a build that went that way."""
    steps = tuple(
        Transition(sequence=number, origin=origin, to=to, reason="Advanced", time=NOW)
        for number, (origin, to) in enumerate(itertools.pairwise(phases), 1)
    )
    return replace(a_build().in_phase(INIT).known, phase=phases[-1], history=steps, **fields)


FAILURE = a_build().in_error().known.failure


@pytest.mark.parametrize(
    ("state", "phases"),
    [
        pytest.param(walked(INIT), {INIT}, id="just begun"),
        pytest.param(walked(INIT, SETUP, BUILD), {INIT, SETUP, BUILD}, id="under way"),
        pytest.param(walked(*WAY), {*WAY}, id="complete"),
        pytest.param(
            walked(INIT, SETUP, ERROR, failure=FAILURE), {INIT, SETUP}, id="failed behind it"
        ),
        pytest.param(
            walked(INIT, SETUP, BUILD, ERROR, INIT, SETUP), {INIT, SETUP}, id="begun anew"
        ),
        pytest.param(
            walked(INIT, SETUP, ERROR, CLEANUP, COMPLETE, failure=FAILURE),
            {INIT, SETUP},
            id="cleaned up",
        ),
        pytest.param(
            walked(ERROR, CLEANUP, ERROR, CLEANUP, failure=FAILURE), {INIT}, id="forgotten"
        ),
    ],
)
def test_what_counts_is_what_the_present_run_has_entered(
    state: BuildState, phases: set[BuildPhase]
) -> None:
    assert phases == reached(state)


@pytest.mark.parametrize(
    ("world", "has_ended"),
    [
        pytest.param(a_build().in_phase(BUILD), False, id="under way"),
        pytest.param(a_build().in_error(), True, id="failed"),
        pytest.param(a_build().restarting().in_error(), False, id="recovering"),
        pytest.param(a_build().restarting().suspended().in_error(), False, id="suspended in ERROR"),
        pytest.param(a_build().in_phase(COMPLETE), True, id="complete"),
        pytest.param(a_build().in_error().archived(), True, id="put away"),
    ],
)
def test_a_build_has_ended_when_nothing_comes_of_it_by_itself(
    world: ABuild, has_ended: bool
) -> None:
    assert has_ended == view(world).has_ended


def test_words_say_how_it_ended() -> None:
    assert "failed in ERROR: Error" == view(a_build().in_error()).words
    assert "succeeded in COMPLETE" == view(a_build().in_phase(COMPLETE)).words


def test_a_build_that_is_put_away_waits_for_nothing() -> None:
    assert () == view(a_build().depending_on("lib").in_phase(SETUP).archived()).waits_for


def test_a_build_without_a_status_waits_for_all_that_it_names() -> None:
    spec = a_build().depending_on("lib", before=COMPLETE).spec
    assert spec.dependencies == neighbour_of("u", spec, None).waits_for


def test_no_more_builds_are_gathered_than_the_limit_says() -> None:
    endless = itertools.count()

    def look(_name: str) -> Neighbour:
        further = Dependency(name=f"b-{next(endless)}")
        return Neighbour(uid="u", phase=INIT, waits_for=(further,))

    assert MAX_NEIGHBOURS == len(gather(("first",), look))


def test_each_build_is_looked_at_once() -> None:
    looked: list[str] = []
    rows = {f"{row}-{side}": row for row in range(20) for side in "ab"}

    def look(name: str) -> Neighbour | None:
        looked.append(name)
        below = [other for other, row in rows.items() if row == rows[name] + 1]
        waits_for = tuple(Dependency(name=other) for other in below)
        return Neighbour(uid="u", phase=INIT, waits_for=waits_for)

    gather(("0-a", "0-b"), look)
    assert sorted(rows) == sorted(looked)


# A whole namespace, in which nothing happens but what builds do.

Town = dict[str, tuple[BuildSpec, BuildState | None]]


def look_at(town: Town, name: str) -> Neighbour | None:
    """What others see of one build."""
    found = town.get(name)
    return neighbour_of(f"uid-of-{name}", *found) if found else None


def planned(town: Town, name: str) -> Plan:
    """What one pass over one build says."""
    spec, state = town[name]
    others = gather(asked(spec, state), lambda other: look_at(town, other))
    observed = Observed(
        namespace="team",
        name=name,
        uid=f"uid-of-{name}",
        resource_version="1",
        generation=1,
        spec=spec,
        state=state,
        others=others,
    )
    return plan(observed, NOW)


def settled(town: Town, order: list[str]) -> Town:
    """The namespace when no pass over any build writes anything."""
    is_moving = True
    while is_moving:
        is_moving = False
        for name in order:
            state = planned(town, name).state
            if state is not None:
                town[name] = (town[name][0], state)
                is_moving = True
    return town


NAMES = tuple("abcdef")
gates = st.builds(
    Dependency,
    name=st.sampled_from(NAMES),
    phase=st.sampled_from(WAY[1:]),
    before=st.sampled_from(WAY[1:]),
)


def named_once(wanted: list[Dependency]) -> tuple[Dependency, ...]:
    return tuple({one.name: one for one in wanted}.values())


towns = st.fixed_dictionaries(
    {name: st.lists(gates, max_size=3).map(named_once) for name in NAMES}
).map(
    lambda found: {
        name: tuple(one for one in wanted if one.name != name) for name, wanted in found.items()
    }
)
Wants = Mapping[str, tuple[Dependency, ...]]


def furthest(wants: Wants) -> dict[str, BuildPhase]:
    """How far each build could come if none gave up: a reckoning without any search."""
    at = dict.fromkeys(wants, INIT)

    def is_open(name: str, phase: BuildPhase) -> bool:
        return all(
            WAY.index(at[one.name]) >= WAY.index(one.phase)
            for one in wants[name]
            if one.before is phase
        )

    moved = True
    while moved:
        moved = False
        for name, phase in at.items():
            following = WAY[WAY.index(phase) + 1] if phase is not COMPLETE else None
            if following is not None and is_open(name, following):
                at[name], moved = following, True
    return at


@given(wants=towns, order=st.permutations(NAMES))
def test_whoever_waits_for_whom_all_come_to_an_end(wants: Wants, order: list[str]) -> None:
    town: Town = {name: (BuildSpec(dependencies=wants[name]), None) for name in NAMES}
    settled(town, order)
    ends = {name: state for name, (_, state) in town.items() if state}
    assert {COMPLETE, ERROR} >= {state.phase for state in ends.values()}
    complete = {name for name, state in ends.items() if state.phase is COMPLETE}
    could = {name for name, phase in furthest(wants).items() if phase is COMPLETE}
    assert complete <= could
    assert complete == could or {*NAMES} != could
    cycles = [s for s in ends.values() if s.failure and s.failure.reason == "DependencyCycle"]
    assert bool(cycles) == ({*NAMES} != could)
    for state in cycles:
        assert state.failure is not None
        trail = state.failure.message.rpartition(": ")[2].split(" -> ")
        assert trail[0] == trail[-1]
        for origin, to in itertools.pairwise(trail):
            assert to in {one.name for one in wants[origin]}


@pytest.mark.parametrize("length", [2, 3, 50])
def test_all_of_a_ring_say_that_they_are_one(length: int) -> None:
    names = [f"b-{number}" for number in range(length)]
    town: Town = {
        name: (BuildSpec(dependencies=(Dependency(name=names[number - 1]),)), None)
        for number, name in enumerate(names)
    }
    settled(town, names)
    reasons = {state.failure.reason for _, state in town.values() if state and state.failure}
    assert {"DependencyCycle"} == reasons
    assert all(state and state.phase is ERROR for _, state in town.values())


@given(wants=towns)
def test_a_way_back_is_made_of_what_is_waited_for(wants: Wants) -> None:
    others = {
        name: Neighbour(uid=name, phase=INIT, waits_for=waits) for name, waits in wants.items()
    }
    trail = find_cycle("a", wants["a"], others)
    assert trail == () or (trail[0] == trail[-1] == "a" and len(trail) > 2)
