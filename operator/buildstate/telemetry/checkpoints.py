"""The figures of checkpoints, recoveries and stores."""

from prometheus_client import CollectorRegistry, Counter, Histogram

_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60)
_BYTES = (256, 1024, 4096, 16384, 65536, 262144, 2**20, 4 * 2**20)
_RECOVERY_SECONDS = (0.1, 1, 5, 15, 60, 300, 900, 3600)


class CheckpointMetrics:
    """What the engine tells of checkpoints and recoveries, and a store of its operations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._taken = self._counter(
            "checkpoints", "Checkpoints that were tried to take.", "kind", "trigger", "result"
        )
        self._bytes = self._histogram(
            "checkpoint_bytes", "Bytes of a stored checkpoint, compressed.", _BYTES, "kind"
        )
        self._seconds = self._histogram(
            "checkpoint_duration_seconds", "Seconds that taking one checkpoint took.", _SECONDS
        )
        self._damaged = self._counter(
            "integrity_failures",
            "Checkpoints that did not verify, by what was wrong, and states that broke a law.",
            "reason",
        )
        self._recoveries = self._counter("recoveries", "Recoveries by how they went.", "result")
        self._recovery_seconds = self._histogram(
            "recovery_duration_seconds",
            "Seconds from entering ERROR to leaving it by a recovery.",
            _RECOVERY_SECONDS,
        )
        self._mirrors = self._counter(
            "mirrored_states", "States that were to be written to outside stores.", "result"
        )
        self._operations = self._counter(
            "store_operations", "Operations on stores by result.", "store", "operation", "result"
        )
        self._operation_seconds = self._histogram(
            "store_operation_duration_seconds",
            "Seconds of one operation on a store.",
            _SECONDS,
            "store",
            "operation",
        )

    def checkpoint_taken(
        self, kind: str, trigger: str, result: str, *, seconds: float, size: int
    ) -> None:
        """Count one checkpoint that was tried to take; `size` is in bytes, 0 where it failed."""
        self._taken.labels(kind, trigger, result).inc()
        self._seconds.observe(seconds)
        if size:
            self._bytes.labels(kind).observe(size)

    def checkpoint_damaged(self, reason: str) -> None:
        """Count one checkpoint that did not verify, or a state that broke a law."""
        self._damaged.labels(reason).inc()

    def recovered(self, result: str, seconds: float) -> None:
        """Count one recovery and how long the build was in ERROR before it."""
        self._recoveries.labels(result).inc()
        self._recovery_seconds.observe(seconds)

    def mirrored(self, result: str, _seconds: float) -> None:
        """Count one state that was to be written to its store."""
        self._mirrors.labels(result).inc()

    def operated(self, store: str, operation: str, result: str, seconds: float) -> None:
        """Count one operation on a store."""
        self._operations.labels(store, operation, result).inc()
        self._operation_seconds.labels(store, operation).observe(seconds)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"buildstate_{name}", text, labels, registry=self._registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            f"buildstate_{name}", text, labels, registry=self._registry, buckets=buckets
        )
