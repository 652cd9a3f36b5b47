"""States as the engine hands them over, and the paths at which they lie."""

from typing import Any

from buildstate.domain import integrity

NAMESPACE = "team"
UID = "6f0d4a5e-0001-4000-8000-000000000001"
HOME = f"active/{NAMESPACE}/{UID}/"
AWAY = f"archived/{NAMESPACE}/{UID}/"
BACKUPS = f"backups/{NAMESPACE}/{UID}/"
CURRENT = f"{HOME}current_state.json"

FORWARD = ("INIT", "SETUP", "BUILD", "TEST", "CLEANUP", "COMPLETE")
LAP = ("SETUP", "ERROR", "INIT")
"""A way to take as many valid edges as one likes."""


def a_bundle(sequence: int = 0, **changes: Any) -> dict[str, Any]:
    """A build after so many steps forward; `changes` are fields of its state."""
    return bundled(FORWARD[: sequence + 1], **changes)


def a_long_bundle(sequence: int, ring: int = 32) -> dict[str, Any]:
    """A build that went in circles, of which the status keeps only the newest transitions."""
    phases = ["INIT", *(LAP[step % 3] for step in range(sequence))]
    return bundled(tuple(phases), ring)


def bundled(phases: tuple[str, ...], ring: int = 32, **changes: Any) -> dict[str, Any]:
    """A build that took these phases, one after the other."""
    history = [
        {"sequence": number, "from": phases[number - 1], "to": phase, "time": a_time(number)}
        for number, phase in enumerate(phases)
        if number
    ]
    last = len(phases) - 1
    state = {
        "id": UID,
        "timestamp": a_time(last),
        "phase": phases[-1],
        "status": "Succeeded" if phases[-1] == "COMPLETE" else "Running",
        "sequence": last,
        "history": history[-ring:],
        **changes,
    }
    build = {"namespace": NAMESPACE, "name": "demo", "labels": {"team": "blue"}}
    return {
        "build": build,
        "spec": {"phase": "COMPLETE"},
        "state": {**state, "digest": integrity.digest(state)},
    }


def a_time(minute: int) -> str:
    """The time of a step."""
    return f"2026-03-01T12:{minute % 60:02d}:00Z"
