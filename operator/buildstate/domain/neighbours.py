"""What a build may know of another one that it depends on: small views, and how far to look."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from buildstate.domain.phases import BuildPhase, BuildStatus, rank
from buildstate.domain.specs import BuildSpec, Dependency
from buildstate.domain.states import BuildState

CYCLE = "DependencyCycle"

MAX_NEIGHBOURS = 1000
"""How many builds are looked at for one. A cycle that is longer only waits."""

ENDED = frozenset(
    {BuildStatus.SUCCEEDED, BuildStatus.FAILED, BuildStatus.ABORTED, BuildStatus.ARCHIVED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Another build, as far as ours depends on it.

    `reached` are the phases that it has entered in its present run. `has_ended` says that nothing
    more comes of it by itself, `words` why. `artifacts` are the digests of what it left behind,
    `made_in` the phases that leave something behind, both by the names of the artifacts.
    `waits_for` are the dependencies that it waits for.
    """

    uid: str
    phase: BuildPhase
    reached: frozenset[BuildPhase] = frozenset()
    has_ended: bool = False
    words: str = ""
    artifacts: Mapping[str, str] = field(default_factory=dict)
    made_in: Mapping[str, BuildPhase] = field(default_factory=dict)
    waits_for: tuple[Dependency, ...] = ()


Look = Callable[[str], Neighbour | None]


def neighbour_of(uid: str, spec: BuildSpec, state: BuildState | None) -> Neighbour:
    """Give the view of a build; `state` is None before its first status write."""
    made_in = {one.name: one.phase for one in spec.artifacts}
    if state is None:
        return Neighbour(
            uid=uid, phase=BuildPhase.INIT, made_in=made_in, waits_for=spec.dependencies
        )
    return Neighbour(
        uid=uid,
        phase=state.phase,
        reached=reached(state),
        has_ended=state.status in ENDED,
        words=_words(state),
        artifacts={one.name: one.sha256 for one in state.artifacts},
        made_in=made_in,
        waits_for=waits_for(spec, state),
    )


def reached(state: BuildState) -> frozenset[BuildPhase]:
    """Give the phases that the build has entered since its last INIT.

    What is entered from ERROR is no success: the clean-up of a failed build counts for nothing.
    """
    phases: set[BuildPhase] = {BuildPhase.INIT}
    for step in state.history:
        if step.to is BuildPhase.INIT:
            phases = {BuildPhase.INIT}
        if step.origin is not BuildPhase.ERROR and step.to is not BuildPhase.ERROR:
            phases.add(step.to)
    if state.failure is not None:
        phases.discard(BuildPhase.COMPLETE)
    return frozenset(phases)


def waits_for(spec: BuildSpec, state: BuildState) -> tuple[Dependency, ...]:
    """Give the dependencies that a build in `state` has before it and does not know satisfied."""
    if not spec.dependencies or state.is_archived:
        return ()
    satisfied = {known.name for known in state.dependencies if known.satisfied}
    return tuple(one for one in gates_ahead(spec, state) if one.name not in satisfied)


def gates_ahead(spec: BuildSpec, state: BuildState) -> tuple[Dependency, ...]:
    """Give the dependencies whose gate the build in `state` has still to pass.

    Those that made a cycle have it before them until it is broken. Whatever else failed, or is
    cleaned up after a failure, passes no gate any more.
    """
    failure = state.failure
    if failure is None:
        return tuple(one for one in spec.dependencies if rank(one.before) > rank(state.phase))
    is_cycle = state.phase is BuildPhase.ERROR and failure.reason == CYCLE
    return spec.dependencies if is_cycle else ()


def gather(wanted: Iterable[str], look: Look) -> Mapping[str, Neighbour]:
    """Give those of the named builds that are there, and those that they wait for in their turn."""
    found: dict[str, Neighbour] = {}
    asked = set(wanted)
    queue = deque(asked)
    while queue and len(found) < MAX_NEIGHBOURS:
        name = queue.popleft()
        neighbour = look(name)
        if neighbour is None:
            continue
        found[name] = neighbour
        further = {one.name for one in neighbour.waits_for} - asked
        asked |= further
        queue.extend(further)
    return found


def find_cycle(
    name: str, wanted: Iterable[Dependency], others: Mapping[str, Neighbour]
) -> tuple[str, ...]:
    """Give the path from the build of that name through `others` back to it; empty if none leads.

    A build that waits before a phase can still reach the phases before it, so whether a dependency
    is part of a cycle hangs on the phases of both.
    """
    # In the order of their gates, what one search has seen need not be seen by the next.
    searched: dict[str, int] = {}
    for first in sorted(wanted, key=lambda one: rank(one.before)):
        way = _way_back(name, first, others, searched)
        if way:
            return (name, *way)
    return ()


def _way_back(
    name: str, first: Dependency, others: Mapping[str, Neighbour], searched: dict[str, int]
) -> tuple[str, ...]:
    came_from: dict[Dependency, Dependency | None] = {first: None}
    queue = deque([first])
    while queue:
        edge = queue.popleft()
        if edge.name == name:
            if _rank_of(edge, others) >= rank(first.before):
                return _trail(edge, came_from)
            continue
        for further in _blocking(edge, others, searched):
            if further not in came_from:
                came_from[further] = edge
                queue.append(further)
    return ()


def _blocking(
    edge: Dependency, others: Mapping[str, Neighbour], searched: dict[str, int]
) -> tuple[Dependency, ...]:
    """Give what keeps the other end of `edge` from reaching its phase."""
    other, wanted = others.get(edge.name), _rank_of(edge, others)
    if other is None or searched.get(edge.name, -1) >= wanted or has_come(edge, other):
        return ()
    searched[edge.name] = wanted
    return tuple(one for one in other.waits_for if rank(one.before) <= wanted)


def has_come(wanted: Dependency, other: Neighbour) -> bool:
    """Say whether `other` has come as far as is wanted of it, whatever it left behind."""
    is_made = wanted.artifact is None or wanted.artifact in other.artifacts
    return is_made and wanted.phase in other.reached


def _rank_of(wanted: Dependency, others: Mapping[str, Neighbour]) -> int:
    """Give the place of the phase that the other build must have entered for all that is wanted."""
    other = others.get(wanted.name)
    made_in = other.made_in.get(wanted.artifact) if other and wanted.artifact else None
    return max(rank(wanted.phase), rank(made_in) if made_in else 0)


def _trail(edge: Dependency, came_from: Mapping[Dependency, Dependency | None]) -> tuple[str, ...]:
    names: list[str] = []
    step: Dependency | None = edge
    while step is not None:
        names.append(step.name)
        step = came_from[step]
    return tuple(reversed(names))


def _words(state: BuildState) -> str:
    failure = state.failure
    said = f"{state.status.lower()} in {state.phase}"
    return said if failure is None else f"{said}: {failure.reason}"
