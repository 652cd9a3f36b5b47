"""What keeps a store that is down from occupying everybody: it is asked by one call at a time.

All builds of a store share what is found out about it. Who is turned away learns so at once and
comes again by itself; nothing is decided by it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from buildstate.domain.errors import Conflict, Permanent, Transient
from buildstate.stores.contracts import Store
from buildstate.stores.decorators import Decorated

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many calls at once may wait for a store, and for how long it is left alone.

    Who finds `at_once` calls before him is turned away after `queue` seconds. A store that failed
    is asked again after `first` seconds, then after twice as many, up to `longest`.
    """

    at_once: int = 8
    queue: float = 1.0
    first: float = 1.0
    longest: float = 30.0


@dataclass(slots=True)
class _Outage:
    """That a store failed: with which words, and when it may be asked again."""

    message: str
    pause: float
    until: float
    is_asked: bool = False


class Sparing(Decorated):
    """Leaves a store alone that did not answer, and limits how many wait for it."""

    def __init__(
        self,
        store: Store,
        allowance: Allowance = Allowance(),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(store)
        self._allowance = allowance
        self._clock = clock
        self._slots = asyncio.Semaphore(allowance.at_once)
        self._outage: _Outage | None = None

    async def around(
        self,
        operation: str,  # noqa: ARG002 - all are alike
        call: Callable[[], Awaitable[T]],
    ) -> T:
        """Do one operation, or raise Transient at once while the store is left alone."""
        outage = self._outage
        if outage is None:
            async with self._slot():
                return await self._ask(call, None)
        self._refuse_early(outage)
        outage.is_asked = True
        try:
            return await self._ask(call, outage)
        finally:
            outage.is_asked = False

    def _refuse_early(self, outage: _Outage) -> None:
        ahead = outage.until - self._clock()
        if ahead > 0 or outage.is_asked:
            raise Transient(outage.message, retry_after=max(0.0, ahead))

    async def _ask(self, call: Callable[[], Awaitable[T]], outage: _Outage | None) -> T:
        try:
            given = await call()
        except (Conflict, Permanent):
            self._end(outage)  # It has answered.
            raise
        except Transient as error:
            self._note(error, outage)
            raise
        self._end(outage)
        return given

    def _end(self, outage: _Outage | None) -> None:
        # Who was asked before it failed says nothing about whether it is back.
        if outage is not None and self._outage is outage:
            self._outage = None

    def _note(self, error: Transient, before: _Outage | None) -> None:
        if self._outage is not before:
            return  # Those that were on their way when the first one failed.
        allowed = self._allowance
        pause = min(allowed.longest, before.pause * 2) if before else allowed.first
        until = self._clock() + max(pause, error.retry_after or 0.0)
        self._outage = _Outage(str(error), pause, until)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(self._slots.acquire(), self._allowance.queue)
        except TimeoutError:
            message = (
                f"store {self.name} is slow: {self._allowance.at_once} calls have waited for"
                f" {self._allowance.queue:g} s and longer; see how it fares"
            )
            raise Transient(message) from None
        try:
            yield
        finally:
            self._slots.release()


def spared(store: Store) -> Store:
    """Spare a store outside of the cluster; where that itself is down, nothing goes on anyway."""
    return Sparing(store) if store.is_outside else store
