"""Which phase may follow which, and why a wish is granted or refused.

One table, four uses: the verdict (`decide`), the CEL rule of the CRD (`api.rules`), the picture in
the documentation (`diagram`) and the matrix of the tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from buildstate.domain.phases import BuildPhase

VALID_TRANSITIONS: Mapping[BuildPhase, tuple[BuildPhase, ...]] = {
    BuildPhase.INIT: (BuildPhase.SETUP, BuildPhase.ERROR),
    BuildPhase.SETUP: (BuildPhase.BUILD, BuildPhase.ERROR),
    BuildPhase.BUILD: (BuildPhase.TEST, BuildPhase.ERROR),
    BuildPhase.TEST: (BuildPhase.CLEANUP, BuildPhase.ERROR),
    BuildPhase.CLEANUP: (BuildPhase.COMPLETE, BuildPhase.ERROR),
    BuildPhase.COMPLETE: (),
    BuildPhase.ERROR: (BuildPhase.INIT, BuildPhase.CLEANUP),
}

TRANSITION_VIOLATION = "TransitionViolation"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one wish: granted, or refused with a reason and what is allowed instead."""

    accepted: bool
    reason: str = "Accepted"
    message: str = ""


def decide(current: BuildPhase, wanted: BuildPhase) -> Verdict:
    """Judge one step. Pure: same question, same answer."""
    if wanted in VALID_TRANSITIONS[current]:
        return Verdict(accepted=True)
    allowed = ", ".join(VALID_TRANSITIONS[current]) or "none, it is final"
    return Verdict(
        accepted=False,
        reason=TRANSITION_VIOLATION,
        message=f"{current} -> {wanted} is not a valid transition; allowed: {allowed}",
    )


def path(current: BuildPhase, target: BuildPhase) -> tuple[BuildPhase, ...] | None:
    """Give the phases from `current` (not included) to `target`, or None where no way leads.

    The way never goes through ERROR: ERROR is entered by failure or abort, and left only by the
    recovery policy or an explicit act. So from ERROR it leads to INIT and CLEANUP and no further.
    """
    steps: list[BuildPhase] = []
    while current is not target:
        step = _next(current, target)
        if step is None:
            return None
        steps.append(step)
        current = step
    return tuple(steps)


def _next(current: BuildPhase, target: BuildPhase) -> BuildPhase | None:
    allowed = VALID_TRANSITIONS[current]
    if target in allowed:
        return target
    if current is BuildPhase.ERROR or not allowed:
        return None
    return next(phase for phase in allowed if phase is not BuildPhase.ERROR)


def requestable(current: BuildPhase) -> tuple[BuildPhase, ...]:
    """Give the phases that `spec.phase` may name while the build is in `current`.

    In ERROR every phase may be named: it says where to go once the build has left ERROR by recovery
    or by an explicit act.
    """
    if current is BuildPhase.ERROR:
        return tuple(BuildPhase)
    return tuple(phase for phase in BuildPhase if path(current, phase) is not None)


def diagram() -> str:
    """Draw the table as a Mermaid state diagram for the documentation."""
    edges = [
        f"    {current} --> {following}"
        for current, allowed in VALID_TRANSITIONS.items()
        for following in allowed
    ]
    return "\n".join(
        ["stateDiagram-v2", "    [*] --> INIT", *edges, "    COMPLETE --> [*]", ""],
    )
