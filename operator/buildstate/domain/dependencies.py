"""Whether a build may go on as far as other builds are concerned: the gate before each phase.

A dependency is judged by the other build as it stands until the phase that it gates is entered;
after that it is history. A run that begins anew asks again.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from buildstate.domain.errors import ErrorCategory
from buildstate.domain.neighbours import CYCLE, Neighbour, find_cycle, gates_ahead, has_come
from buildstate.domain.observed import Moment
from buildstate.domain.phases import BuildPhase
from buildstate.domain.specs import BuildSpec, Dependency
from buildstate.domain.states import MAX_TEXT, BuildState, DependencyState, Failure

MAX_TRAIL = 8
"""How many builds of a cycle a message names; of a longer one it names both ends."""


class Standing(StrEnum):
    """How a dependency stands: the words are the reasons that people see."""

    SATISFIED = "Satisfied"
    PENDING = "DependencyPending"
    MISSING = "DependencyMissing"
    FAILED = "DependencyFailed"
    MISMATCH = "DependencyMismatch"
    CYCLE = CYCLE


_HOPELESS = frozenset({Standing.FAILED, Standing.MISMATCH, Standing.CYCLE})


@dataclass(frozen=True, slots=True)
class Finding:
    """How one dependency stands, and what to say of it."""

    standing: Standing
    message: str = ""


def asked(spec: BuildSpec, state: BuildState | None) -> tuple[str, ...]:
    """Name the builds that the plan has to know of."""
    # A build that nobody has written yet may take its first edge at once.
    if state is None or _failed_by_one(state):
        return tuple(one.name for one in spec.dependencies)
    return tuple(one.name for one in gates_ahead(spec, state))


def review(state: BuildState, moment: Moment) -> BuildState:
    """Write down how the dependencies stand whose gates are ahead."""
    if not moment.spec.dependencies and not state.dependencies:
        return state
    ahead = gates_ahead(moment.spec, state)
    records = (
        _reviewed(one, state, moment) if one in ahead else _known(one, state)
        for one in moment.spec.dependencies
    )
    found = tuple(record for record in records if record is not None)
    return state if found == state.dependencies else replace(state, dependencies=found)


def obstacle(state: BuildState, moment: Moment, way: tuple[BuildPhase, ...]) -> Failure | None:
    """Give why the phases of `way` can never be entered, or None where they may be."""
    if state.failure is not None:
        return None  # Who cleans up after a failure waits for nobody.
    finding = _hopeless(state, moment, _gates(moment.spec, way))
    if finding is None:
        return None
    return Failure(
        category=ErrorCategory.TRANSITION_VIOLATION,
        phase=state.phase,
        reason=finding.standing,
        message=finding.message[:MAX_TEXT],
    )


def hold(state: BuildState, moment: Moment, phase: BuildPhase) -> Finding | None:
    """Give what the gate of `phase` waits for, or None where it is open."""
    if state.failure is not None:
        return None
    gates = _gates(moment.spec, (phase,))
    findings = [_judge(one, state, moment) for one in gates]
    waiting = [one for one in findings if one.standing is not Standing.SATISFIED]
    if not waiting:
        return None
    is_missing = any(one.standing is Standing.MISSING for one in waiting)
    message = f"{phase} waits for {'; '.join(one.message for one in waiting)}"
    return Finding(Standing.MISSING if is_missing else Standing.PENDING, message)


def keeps_in_error(state: BuildState, moment: Moment) -> bool:
    """Say whether the dependency that failed the build would fail it again.

    The policy spends no recovery on that; the other build's next change is looked at.
    """
    if not _failed_by_one(state):
        return False
    return _hopeless(state, moment, moment.spec.dependencies) is not None


def _failed_by_one(state: BuildState) -> bool:
    failure = state.failure
    return failure is not None and state.phase is BuildPhase.ERROR and failure.reason in _HOPELESS


def _gates(spec: BuildSpec, way: tuple[BuildPhase, ...]) -> tuple[Dependency, ...]:
    return tuple(one for one in spec.dependencies if one.before in way)


def _hopeless(state: BuildState, moment: Moment, gates: tuple[Dependency, ...]) -> Finding | None:
    findings = [(one, _judge(one, state, moment)) for one in gates]
    unsatisfied = [one for one, found in findings if found.standing is not Standing.SATISFIED]
    observed = moment.observed
    trail = find_cycle(observed.name, unsatisfied, observed.others)
    if trail:
        message = f"these builds wait for each other: {_shown(trail)}"
        return Finding(Standing.CYCLE, message)
    return next((found for _, found in findings if found.standing in _HOPELESS), None)


def _judge(wanted: Dependency, state: BuildState, moment: Moment) -> Finding:
    other = moment.observed.others.get(wanted.name)
    if other is None:
        return _judge_absent(wanted, _known(wanted, state))
    if has_come(wanted, other):
        return _judge_digest(wanted, other)
    what = f"leave {wanted.artifact} behind" if wanted.phase in other.reached else None
    if other.has_ended:
        message = f"{wanted.name} did not {what or f'reach {wanted.phase}'}: it is {other.words}"
        return Finding(Standing.FAILED, message)
    return Finding(Standing.PENDING, f"{_words(wanted)}{_where(other)}")


def _judge_absent(wanted: Dependency, known: DependencyState | None) -> Finding:
    # What was there and had come so far may be tidied away.
    if known is not None and known.satisfied and wanted.sha256 in (None, known.sha256):
        return Finding(Standing.SATISFIED)
    return Finding(Standing.MISSING, f"{_words(wanted)}, which does not exist")


def _judge_digest(wanted: Dependency, other: Neighbour) -> Finding:
    found = other.artifacts.get(wanted.artifact or "")
    if wanted.sha256 in (None, found):
        return Finding(Standing.SATISFIED)
    message = (
        f"artifact {wanted.artifact} of {wanted.name} is another one: it has sha256 {found}, "
        f"and {wanted.sha256} is asked for"
    )
    return Finding(Standing.MISMATCH, message)


def _words(wanted: Dependency) -> str:
    artifact = f" and leave {wanted.artifact} behind" if wanted.artifact else ""
    return f"{wanted.name} to reach {wanted.phase}{artifact}"


def _where(other: Neighbour) -> str:
    # No more than this: each word that changes with the other's phase would be a write of ours.
    return ", which is in ERROR and may recover" if other.phase is BuildPhase.ERROR else ""


def _reviewed(wanted: Dependency, state: BuildState, moment: Moment) -> DependencyState:
    other, known = moment.observed.others.get(wanted.name), _known(wanted, state)
    is_satisfied = _judge(wanted, state, moment).standing is Standing.SATISFIED
    fresh = DependencyState(
        name=wanted.name,
        uid=other.uid if other else known.uid if known else "",
        phase=wanted.phase,
        before=wanted.before,
        artifact=wanted.artifact,
        sha256=_digest(wanted, other, known) if is_satisfied else None,
        satisfied=is_satisfied,
        time=moment.now,
    )
    is_same = known is not None and replace(fresh, time=known.time) == known
    return known if is_same and known is not None else fresh


def _digest(
    wanted: Dependency, other: Neighbour | None, known: DependencyState | None
) -> str | None:
    if other is not None:
        return other.artifacts.get(wanted.artifact or "")
    return known.sha256 if known else None


def _known(wanted: Dependency, state: BuildState) -> DependencyState | None:
    """Give what is written of a dependency, unless something else is asked of it by now."""
    asked_for = (wanted.name, wanted.phase, wanted.artifact)
    return next(
        (one for one in state.dependencies if (one.name, one.phase, one.artifact) == asked_for),
        None,
    )


def _shown(trail: tuple[str, ...]) -> str:
    if len(trail) <= MAX_TRAIL + 1:
        return " -> ".join(trail)
    half = MAX_TRAIL // 2
    between = f"({len(trail) - 2 * half - 1} more)"
    return " -> ".join((*trail[: half + 1], between, *trail[-half:]))
