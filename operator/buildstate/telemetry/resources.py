"""The figures of what builds ask for, get and hold."""

from prometheus_client import CollectorRegistry, Counter

from buildstate.domain.disruptions import DISRUPTIONS
from buildstate.domain.growths import OOM_KILLED
from buildstate.domain.outcomes import UNSTARTABLE

_RETRY_REASONS = DISRUPTIONS | UNSTARTABLE | {OOM_KILLED, "DeadlineExceeded", "Error"}


class ResourceMetrics:
    """What becomes of builds whose resources are not enough, or are not what the state says."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._retries = Counter(
            "buildstate_retries", "Attempts tried again, by reason.", ["reason"], registry=registry
        )
        self._corrections = Counter(
            "buildstate_resource_corrections",
            "Pods that were deleted or made again so that what exists is what the state says.",
            ["correction"],
            registry=registry,
        )

    def retried(self, reason: str) -> None:
        """Count one attempt that is tried again; what a Pod calls itself is no label."""
        self._retries.labels(reason if reason in _RETRY_REASONS else "Other").inc()

    def corrected(self, correction: str) -> None:
        """Count one thing that was there and should not, or should and was not."""
        self._corrections.labels(correction).inc()
