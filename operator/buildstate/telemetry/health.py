"""Whether the operator still sees the cluster: the probes fail when a watch is dead.

A watch is opened again at least every `watching.server_timeout`, also when nothing happens. So a
watch whose last opening failed, or is too long ago, is dead.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from buildstate.kube.traces import Request

REOPENED_WITHIN = 420.0
"""Seconds: the server's 290 s, 70 s of silence, and some time to try."""

FAILING_FOR = 120.0
"""Seconds of failing after which a restart of the process is worth a try."""


@dataclass
class _Watch:
    since: float
    opened: float | None = None
    failing_since: float | None = None


class WatchHealth:
    """Knows of each watch when it was last opened, and since when it fails."""

    def __init__(self, resources: Iterable[str], time: Callable[[], float]) -> None:
        self._time = time
        self._watches = {resource: _Watch(since=time()) for resource in resources}

    def told(self, request: Request) -> None:
        """Take note of one request, if it is one of our watches."""
        watch = self._watches.get(request.resource)
        if watch is None or request.verb != "watch":
            return
        if request.code == 200:
            watch.opened, watch.failing_since = self._time(), None
        elif watch.failing_since is None:
            watch.failing_since = self._time()

    def not_ready(self) -> list[str]:
        """Name the watches that are not open at present."""
        return [name for name, watch in self._watches.items() if not self._is_open(watch)]

    def dead(self) -> list[str]:
        """Name the watches that have been dead for so long that only a restart may help."""
        return [name for name, watch in self._watches.items() if self._is_dead(watch)]

    def _is_open(self, watch: _Watch) -> bool:
        if watch.opened is None or watch.failing_since is not None:
            return False
        return self._time() - watch.opened < REOPENED_WITHIN

    def _is_dead(self, watch: _Watch) -> bool:
        if self._is_open(watch):
            return False
        bad_since = watch.failing_since or watch.opened or watch.since
        return self._time() - bad_since > FAILING_FOR
