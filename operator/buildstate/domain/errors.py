"""What goes wrong, by the specification's categories, and the surprises that are exceptions.

    BuildStateError
    ├── Transient            try again later; nothing is decided
    │   ├── Conflict         somebody wrote first: look again
    │   │   └── AlreadyExists    the name is taken
    │   └── QuotaExceeded    not now: the namespace's quota is used up
    └── Permanent            asking again in the same way cannot help

Expected refusals are values (`Verdict`, `Violation`), never exceptions.
"""

from enum import StrEnum


class ErrorCategory(StrEnum):
    """Why a build is in ERROR: the specification's five categories, a failed command, an abort."""

    STATE_CORRUPTION = "StateCorruption"
    TRANSITION_VIOLATION = "TransitionViolation"
    RESOURCE_ALLOCATION_FAILURE = "ResourceAllocationFailure"
    PERSISTENCE_ERROR = "PersistenceError"
    RECOVERY_FAILURE = "RecoveryFailure"
    PHASE_FAILED = "PhaseFailed"
    ABORTED = "Aborted"


class BuildStateError(Exception):
    """Any surprise of this operator."""


class Transient(BuildStateError):
    """A surprise that may pass by itself.

    `retry_after` is the number of seconds that the other side asked us to wait, or None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Conflict(Transient):
    """The object changed since it was read, or it is gone."""


class AlreadyExists(Conflict):
    """An object of that name is there already."""


class QuotaExceeded(Transient):
    """The namespace's ResourceQuota has no room at the moment."""


class Permanent(BuildStateError):
    """A refusal that stays until somebody changes the object or the cluster.

    `reason` is the API's CamelCase reason, for example `Forbidden` or `Invalid`.
    """

    def __init__(self, message: str, *, reason: str = "Refused") -> None:
        super().__init__(message)
        self.reason = reason
