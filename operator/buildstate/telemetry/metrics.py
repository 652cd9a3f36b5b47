"""The figures of the operator. No label ever holds the name of an object."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from buildstate.domain.errors import ErrorCategory
from buildstate.domain.states import BuildState, Transition
from buildstate.kube.traces import Request
from buildstate.telemetry.checkpoints import CheckpointMetrics
from buildstate.telemetry.resources import ResourceMetrics

_PHASE_BUCKETS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600)
_FAST_BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5)


class Metrics:
    """Every figure of one operator, in a registry of its own."""

    def __init__(self) -> None:
        # A series beside each series that says when it was begun is of no use to anybody here.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.checkpoints = CheckpointMetrics(self.registry)
        self.resources = ResourceMetrics(self.registry)
        self._transitions = self._counter(
            "transitions", "Transitions by edge and result.", "from", "to", "result"
        )
        self._state_changes = self._counter(
            "state_changes", "Status writes by the phase and status written.", "phase", "status"
        )
        self._validations = self._counter("validations", "Validated states by result.", "result")
        self._validation_seconds = self._histogram(
            "validation_duration_seconds", "Seconds that validating one state took.", _FAST_BUCKETS
        )
        self._phase_seconds = self._histogram(
            "phase_duration_seconds",
            "Seconds from entering a phase to leaving it.",
            _PHASE_BUCKETS,
            "phase",
            "left_for",
        )
        self._reconcile_seconds = self._histogram(
            "reconcile_duration_seconds", "Seconds of one reconcile pass.", _FAST_BUCKETS
        )
        self._reconciles = self._counter("reconciles", "Reconcile passes by result.", "result")
        self._reconcile_errors = self._counter("reconcile_errors", "Failed passes by kind.", "kind")
        self._queue_seconds = self._histogram(
            "queue_latency_seconds", "Seconds that a build waited for a worker.", _FAST_BUCKETS
        )
        self._api_requests = self._counter(
            "api_requests",
            "Requests to the API server; code 0 is no answer.",
            "verb",
            "resource",
            "code",
        )
        self._api_seconds = self._histogram(
            "api_request_duration_seconds", "Seconds until the answer began.", _FAST_BUCKETS, "verb"
        )
        # Several requests a build: looking the same series up each time would cost as much again.
        self._requests_of = cache(self._api_requests.labels)
        self._seconds_of = cache(self._api_seconds.labels)
        self._errors = self._counter("errors", "Failures of builds by category.", "category")
        self._requests = self._counter(
            "requests", "Imperative requests by action and outcome.", "action", "outcome"
        )
        self._queue_depth = self._gauge("queue_depth", "Builds that wait for a worker.")

    def exposition(self) -> bytes:
        """Give all figures in the Prometheus text format."""
        return generate_latest(self.registry)

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """Read the queue's depth from `depth` at each scrape."""
        self._queue_depth.set_function(depth)

    def watch_builds(self, census: Callable[[], Iterable[tuple[str, str]]]) -> None:
        """Count the builds by phase and status from `census` at each scrape."""
        self.registry.register(_Builds(census))

    def state_changed(self, state: BuildState) -> None:
        """Count one status write."""
        self._state_changes.labels(state.phase, state.status).inc()

    def transition(self, step: Transition, seconds: float) -> None:
        """Count one committed transition, and how long the phase before it took."""
        self._transitions.labels(step.origin, step.to, "committed").inc()
        self._phase_seconds.labels(step.origin, step.to).observe(seconds)

    def transition_lost(self, origin: str, to: str, result: str) -> None:
        """Count one transition that was decided but not committed."""
        self._transitions.labels(origin, to, result).inc()

    def failed(self, category: str) -> None:
        """Count one failure of a build; a state that was altered is one of integrity, too."""
        self._errors.labels(category).inc()
        if category == ErrorCategory.STATE_CORRUPTION:
            self.checkpoints.checkpoint_damaged(category)

    def answered(self, action: str, outcome: str) -> None:
        """Count one request."""
        self._requests.labels(action, outcome).inc()

    def retried(self, reason: str) -> None:
        """Count one attempt that is tried again."""
        self.resources.retried(reason)

    def validated(self, is_valid: bool, seconds: float) -> None:  # noqa: FBT001 - a callback
        """Count one validation."""
        self._validations.labels("valid" if is_valid else "invalid").inc()
        self._validation_seconds.observe(seconds)

    def reconciled(self, result: str, seconds: float) -> None:
        """Count one pass of a worker."""
        self._reconciles.labels(result).inc()
        self._reconcile_seconds.observe(seconds)
        if result != "ok":
            self._reconcile_errors.labels(result).inc()

    def never_fits(self, reason: str) -> None:
        """Count one build that needs what its namespace can never give."""
        self.resources.never_fits(reason)

    def recovered(self, result: str, seconds: float) -> None:
        """Count one recovery and how long the build was in ERROR before it."""
        self.checkpoints.recovered(result, seconds)

    def corrected(self, correction: str) -> None:
        """Count one thing that was there and should not, or should and was not."""
        self.resources.corrected(correction)

    def waited(self, seconds: float) -> None:
        """Count one key's time in the queue."""
        self._queue_seconds.observe(seconds)

    def requested(self, request: Request) -> None:
        """Count one request to the API server."""
        self._requests_of(request.verb, request.resource, str(request.code)).inc()
        if request.verb != "watch":
            self._seconds_of(request.verb).observe(request.seconds)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"buildstate_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"buildstate_{name}", text, registry=self.registry)

    def _histogram(
        self,
        name: str,
        text: str,
        buckets: tuple[float, ...],
        *labels: str,
    ) -> Histogram:
        return Histogram(
            f"buildstate_{name}", text, labels, registry=self.registry, buckets=buckets
        )


class _Builds(Collector):
    """Counts the builds when somebody asks, so that nothing has to be kept up to date."""

    def __init__(self, census: Callable[[], Iterable[tuple[str, str]]]) -> None:
        self._census = census

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give the number of builds by phase and status."""
        family = GaugeMetricFamily(
            "buildstate_builds", "Builds by phase and status.", labels=["phase", "status"]
        )
        for (phase, status), number in sorted(Tally(self._census()).items()):
            family.add_metric([phase, status], number)
        yield family
