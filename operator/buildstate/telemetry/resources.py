"""The figures of what builds ask for and get."""

from prometheus_client import CollectorRegistry, Counter

from buildstate.domain.disruptions import DISRUPTIONS
from buildstate.domain.growths import OOM_KILLED
from buildstate.domain.outcomes import UNSTARTABLE

_RETRY_REASONS = DISRUPTIONS | UNSTARTABLE | {OOM_KILLED, "DeadlineExceeded", "Error"}


class ResourceMetrics:
    """What becomes of builds whose resources are not enough."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._retries = Counter(
            "buildstate_retries", "Attempts tried again, by reason.", ["reason"], registry=registry
        )

    def retried(self, reason: str) -> None:
        """Count one attempt that is tried again; what a Pod calls itself is no label."""
        self._retries.labels(reason if reason in _RETRY_REASONS else "Other").inc()
