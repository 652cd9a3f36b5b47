"""Measures objects in stores beside all else: a large one keeps no worker from its builds."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from buildstate.domain.errors import BuildStateError, Permanent
from buildstate.domain.findings import Finding
from buildstate.domain.observed import Objects, Observed
from buildstate.engine.troubles import Troubles
from buildstate.engine.vaults import STORE_UNKNOWN
from buildstate.kube.ports import Clock, Key

AT_ONCE = 4

ReadObject = Callable[[str, str], Awaitable[Finding]]
"""Measures the object at a URI, as a namespace may name it. Raises BuildStateError."""

Asked = tuple[str, int, tuple[str, ...]]


async def no_objects(_namespace: str, uri: str) -> Finding:
    """Measure nothing, for who has no stores; raises Permanent."""
    message = f"no store is set up that could hold {uri}"
    raise Permanent(message, reason=STORE_UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Measurement:
    asked: Asked
    task: asyncio.Task[tuple[Finding, ...]]


class ObjectMeasurer:
    """Measures what it is asked for, and wakes who asked. What it found it forgets at a restart."""

    def __init__(self, read: ReadObject, clock: Clock, wake: Callable[[Key], None]) -> None:
        self._read = read
        self._clock = clock
        self._wake = wake
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._running: dict[Key, _Measurement] = {}
        self._troubles = Troubles()

    def measure(self, observed: Observed, uris: tuple[str, ...]) -> Objects | None:
        """Give what was found of these objects, or None while they are being read."""
        key, attempt = _key(observed), observed.state.attempt if observed.state else 0
        asked = (observed.uid, attempt, uris)
        known = self._running.get(key)
        if known is not None and known.asked != asked:
            self.forget(key)
            known = None
        trouble = self._troubles.of(key, self._clock.now())
        if known is None:
            if trouble is None or self._clock.now() >= trouble.retry_time:
                self._begin(key, observed.namespace, asked)
        elif known.task.done():
            return self._ended(key, known.task)
        return Objects(trouble=trouble) if trouble else None

    def forget(self, key: Key) -> None:
        """Forget a build that is gone, or that asks for something else."""
        known = self._running.pop(key, None)
        if known is not None:
            known.task.cancel()
        self._troubles.clear(key)

    def _begin(self, key: Key, namespace: str, asked: Asked) -> None:
        task = asyncio.create_task(self._read_all(namespace, asked[2]), name="objects")
        task.add_done_callback(lambda done: None if done.cancelled() else self._wake(key))
        self._running[key] = _Measurement(asked, task)

    async def _read_all(self, namespace: str, uris: tuple[str, ...]) -> tuple[Finding, ...]:
        async with self._slots:
            return tuple([await self._read(namespace, uri) for uri in uris])

    def _ended(self, key: Key, task: asyncio.Task[tuple[Finding, ...]]) -> Objects:
        try:
            found = task.result()
        except BuildStateError as error:
            del self._running[key]
            return Objects(trouble=self._troubles.note(key, error, self._clock.now()))
        self._troubles.clear(key)
        return Objects(found=found)


def _key(observed: Observed) -> Key:
    return Key(observed.namespace, observed.name)
