"""The words of the specification for where a build is and how it fares."""

from enum import StrEnum


class BuildPhase(StrEnum):
    """Where a build is. The order of the members is the way forward; ERROR stands beside it."""

    INIT = "INIT"
    SETUP = "SETUP"
    BUILD = "BUILD"
    TEST = "TEST"
    CLEANUP = "CLEANUP"
    COMPLETE = "COMPLETE"
    ERROR = "ERROR"


class BuildStatus(StrEnum):
    """How a build fares in its phase."""

    PENDING = "Pending"
    RUNNING = "Running"
    WAITING = "Waiting"
    SUSPENDED = "Suspended"
    RECOVERING = "Recovering"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ABORTED = "Aborted"
    ARCHIVED = "Archived"


WORK_PHASES = (BuildPhase.SETUP, BuildPhase.BUILD, BuildPhase.TEST, BuildPhase.CLEANUP)
"""The phases that may carry work of their own."""
WAY = tuple(phase for phase in BuildPhase if phase is not BuildPhase.ERROR)
"""The phases on the way forward, in their order."""

_RANKS = {phase: rank for rank, phase in enumerate(BuildPhase)}


def rank(phase: BuildPhase) -> int:
    """Give the place of `phase` on the way forward, from 0; ERROR has the last and no meaning."""
    return _RANKS[phase]
