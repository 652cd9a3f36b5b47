"""What may stand around a store: one that asks again, and one that tells what was asked."""

import asyncio
import builtins
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from buildstate.domain.errors import Conflict, Permanent, Transient
from buildstate.stores.contracts import Area, Blob, Place, Record, Store

T = TypeVar("T")

Sleep = Callable[[float], Awaitable[None]]


class Decorated:
    """A store around another; each operation goes through `around`."""

    def __init__(self, store: Store) -> None:
        self.inner = store
        self.name = store.name
        self.is_outside = store.is_outside
        self.limit = store.limit

    async def around(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Do one operation; `call` may be called more than once."""
        raise NotImplementedError

    async def save(self, place: Place, record: Record) -> None:
        """Store a checkpoint that was not there; raises `AlreadyExists` where another is."""
        await self.around("save", lambda: self.inner.save(place, record))

    async def load(self, place: Place, name: str) -> Record | None:
        """Give one checkpoint, or None where there is no complete one of that name."""
        return await self.around("load", lambda: self.inner.load(place, name))

    async def manifest(self, place: Place, name: str) -> bytes | None:
        """Give the manifest of one checkpoint alone, or None where there is none."""
        return await self.around("manifest", lambda: self.inner.manifest(place, name))

    async def names(self, place: Place) -> builtins.list[str]:
        """Name the checkpoints of a build, sorted as texts: complete and incomplete ones."""
        return await self.around("names", lambda: self.inner.names(place))

    async def replace_manifest(self, place: Place, before: Record, manifest: bytes) -> None:
        """Put another manifest in the place of `before`'s; raises `Conflict` if that is gone."""
        await self.around(
            "replace_manifest", lambda: self.inner.replace_manifest(place, before, manifest)
        )

    async def delete(self, place: Place, name: str) -> None:
        """Remove a checkpoint, also an incomplete one; one that is gone is no error."""
        await self.around("delete", lambda: self.inner.delete(place, name))

    async def places(self, area: Area, namespace: str | None = None) -> builtins.list[Place]:
        """Give every place of `area` that holds something, of one namespace or of all."""
        return await self.around("places", lambda: self.inner.places(area, namespace))

    async def read(self, path: str) -> Blob | None:
        """Give one document, or None where there is none."""
        return await self.around("read", lambda: self.inner.read(path))

    async def create(self, path: str, data: bytes) -> None:
        """Write a document that was not there; raises `AlreadyExists`."""
        await self.around("create", lambda: self.inner.create(path, data))

    async def write(self, path: str, data: bytes) -> None:
        """Write a document, whatever was there."""
        await self.around("write", lambda: self.inner.write(path, data))

    async def swap(self, path: str, data: bytes, version: str | None) -> None:
        """Write a document if it is still at `version`, None: not there; raises `Conflict`."""
        await self.around("swap", lambda: self.inner.swap(path, data, version))

    async def list(self, prefix: str) -> builtins.list[str]:
        """Give the paths that begin with `prefix`, sorted."""
        return await self.around("list", lambda: self.inner.list(prefix))

    async def remove(self, path: str) -> None:
        """Remove a document; one that is gone is no error."""
        await self.around("remove", lambda: self.inner.remove(path))


@dataclass(frozen=True, slots=True)
class Patience:
    """How often is asked again, and for how long: `total` seconds end it, whatever comes first."""

    attempts: int = 3
    first: float = 0.2
    longest: float = 2.0
    total: float = 10.0

    def delay(self, attempt: int, chance: float) -> float:
        """Give the seconds to wait after that attempt, the first is 1; `chance` is from 0 to 1."""
        # Jitter, so that what failed together does not come back together.
        backoff: float = min(self.longest, self.first * 2.0 ** (attempt - 1))
        return backoff * (0.5 + chance / 2)


class Retrying(Decorated):
    """Asks again where that may help, which a lost race is not.

    A write whose answer was lost may come back as a lost race against itself: where what stands
    there is what was to be written, it is no error.
    """

    def __init__(
        self,
        store: Store,
        patience: Patience = Patience(),
        *,
        chance: Callable[[], float] = random.random,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(store)
        self._patience = patience
        self._chance = chance
        self._sleep = sleep
        self._clock = clock

    async def around(
        self,
        operation: str,  # noqa: ARG002 - all are alike
        call: Callable[[], Awaitable[T]],
    ) -> T:
        """Do one operation, more than once where it fails for now."""
        end = self._clock() + self._patience.total
        for attempt in range(1, self._patience.attempts):
            try:
                return await call()
            except Conflict:
                raise
            except Transient as error:
                asked = error.retry_after or 0.0
                delay = max(asked, self._patience.delay(attempt, self._chance()))
                if self._clock() + delay > end:
                    raise
                await self._sleep(delay)
        return await call()

    async def create(self, path: str, data: bytes) -> None:
        """Write a document that was not there; raises `AlreadyExists`."""
        await self.around("create", self._once(path, data, lambda: self.inner.create(path, data)))

    async def swap(self, path: str, data: bytes, version: str | None) -> None:
        """Write a document if it is still at `version`, None: not there; raises `Conflict`."""
        call = self._once(path, data, lambda: self.inner.swap(path, data, version))
        await self.around("swap", call)

    def _once(
        self, path: str, data: bytes, write: Callable[[], Awaitable[None]]
    ) -> Callable[[], Awaitable[None]]:
        asked = 0

        async def call() -> None:
            nonlocal asked
            asked += 1
            try:
                await write()
            except Conflict:
                blob = await self.inner.read(path) if asked > 1 else None
                if blob is None or blob.data != data:
                    raise

        return call


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a store that has ended.

    `result` is `ok`, `lost` (somebody was first), `transient`, `permanent` or `cancelled`;
    `seconds` is how long it took.
    """

    store: str
    name: str
    result: str
    seconds: float


class Telling(Decorated):
    """Tells of every operation when it has ended."""

    def __init__(
        self,
        store: Store,
        tell: Callable[[Operation], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(store)
        self._tell = tell
        self._clock = clock

    async def around(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Do one operation, and tell how it went."""
        began, result = self._clock(), "ok"
        try:
            return await call()
        except BaseException as error:
            result = _result(error)
            raise
        finally:
            self._tell(Operation(self.name, operation, result, self._clock() - began))


def _result(error: BaseException) -> str:
    kinds: tuple[tuple[type[BaseException], str], ...] = (
        (Conflict, "lost"),
        (Transient, "transient"),
        (Permanent, "permanent"),
        (asyncio.CancelledError, "cancelled"),
    )
    return next((result for kind, result in kinds if isinstance(error, kind)), "permanent")
