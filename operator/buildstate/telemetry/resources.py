"""The figures of what builds ask for, get and hold."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from buildstate.domain.disruptions import DISRUPTIONS
from buildstate.domain.growths import OOM_KILLED
from buildstate.domain.outcomes import UNSTARTABLE

_RETRY_REASONS = DISRUPTIONS | UNSTARTABLE | {OOM_KILLED, "DeadlineExceeded", "Error"}
_WAIT_BUCKETS = (0.1, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)


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

        self._quota_refusals = Counter(
            "buildstate_quota_refusals",
            "Builds that need what their namespace can never give.",
            ["reason"],
            registry=registry,
        )
        self._quota_seconds = Histogram(
            "buildstate_quota_wait_seconds",
            "Seconds that a build waited until its namespace had room for it.",
            registry=registry,
            buckets=_WAIT_BUCKETS,
        )
        self._quota_waiting = Gauge(
            "buildstate_quota_waiting", "Builds that wait for room.", registry=registry
        )

    def watch_lines(self, waiting: Callable[[], int]) -> None:
        """Read how many builds wait for room from `waiting` at each scrape."""
        self._quota_waiting.set_function(waiting)

    def promised(self, seconds: float) -> None:
        """Count one promise, and how long its build waited for it."""
        self._quota_seconds.observe(seconds)

    def never_fits(self, reason: str) -> None:
        """Count one build that needs what its namespace can never give."""
        self._quota_refusals.labels(reason).inc()

    def retried(self, reason: str) -> None:
        """Count one attempt that is tried again; what a Pod calls itself is no label."""
        self._retries.labels(reason if reason in _RETRY_REASONS else "Other").inc()

    def corrected(self, correction: str) -> None:
        """Count one thing that was there and should not, or should and was not."""
        self._corrections.labels(correction).inc()
