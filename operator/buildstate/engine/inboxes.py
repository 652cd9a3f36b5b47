"""Where the watches leave what they see: it goes to the cache, what changed to the queue."""

from typing import Any

from buildstate.engine.caches import Cache
from buildstate.engine.queues import WorkQueue
from buildstate.kube import pods
from buildstate.kube.ports import Key


class Inbox:
    """Takes watch events; cheap, and never waits."""

    def __init__(self, cache: Cache, queue: WorkQueue[Key]) -> None:
        self._cache = cache
        self._queue = queue

    def build(self, event: str | None, document: dict[str, Any]) -> None:
        """Take one event of a build; `event` is None for what a list gave."""
        gone = event == "DELETED"
        self._mark(self._cache.drop_build(document) if gone else self._cache.put_build(document))

    def pod(self, event: str | None, document: dict[str, Any]) -> None:
        """Take one event of a Pod; a Pod that no build controls is none of ours."""
        pod = pods.owned(document)
        if pod is not None:
            gone = event == "DELETED"
            self._mark(self._cache.drop_pod(pod) if gone else self._cache.put_pod(pod))

    def _mark(self, keys: list[Key]) -> None:
        for key in keys:
            self._queue.add(key)
