"""The work queue: each key once, never two workers on one key, failures further and further apart.

The semantics are those of client-go's rate-limited queue: a key that is added while it is being
worked on comes again when that is done.
"""

import asyncio
import random
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_DELAY = 0.05
LONGEST_DELAY = 60.0


class WorkQueue(Generic[K]):
    """A queue of keys that are dirty; `observe_wait` is told how many seconds each one waited."""

    def __init__(
        self,
        *,
        chance: Callable[[], float] = random.random,
        observe_wait: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._since: dict[K, float] = {}
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._chance = chance
        self._observe_wait = observe_wait

    def __len__(self) -> int:
        """Count the keys that wait for a worker."""
        return self._ready.qsize()

    def add(self, key: K) -> None:
        """Mark `key` as dirty; once is enough."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._since:
            self._since[key] = asyncio.get_running_loop().time()
            self._ready.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Mark `key` as dirty in `seconds`; this replaces an earlier appointment."""
        self._cancel(key)
        if seconds <= 0:
            self.add(key)
        else:
            loop = asyncio.get_running_loop()
            self._timers[key] = loop.call_later(seconds, self.add, key)

    def retry(self, key: K, at_least: float | None = None) -> float:
        """Mark `key` as dirty after its backoff, and give that in seconds."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        backoff = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures - 1, 16))
        # Jitter, so that what failed together does not come back together.
        jittered = min(LONGEST_DELAY, backoff * (0.75 + self._chance() / 2))
        delay = max(at_least or 0.0, jittered)
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """Start the backoff of `key` afresh: it went well."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """Wait for a dirty key and take it; `done` must follow."""
        key = await self._ready.get()
        self._observe_wait(asyncio.get_running_loop().time() - self._since.pop(key))
        self._cancel(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """Give `key` back; it comes again at once if it became dirty meanwhile."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self._cancel(key)
            self.add(key)

    def close(self) -> None:
        """Cancel every appointment."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _cancel(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
