"""A store outside of the cluster that is reached over a line, and outlives every operator."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from buildstate.domain.errors import Transient
from buildstate.stores.contracts import Blob
from buildstate.stores.memories import MemoryStore
from buildstate.stores.records import DocumentStore
from buildstate.testing.lines import Line

T = TypeVar("T")

_WRITES = ("create", "write", "swap", "remove")


class SimulatedStore(DocumentStore):
    """What one operator sees of a bucket; the bucket itself is a store in memory."""

    def __init__(self, bucket: MemoryStore, line: Line) -> None:
        super().__init__(bucket.name)
        self._bucket = bucket
        self._line = line

    async def read(self, path: str) -> Blob | None:
        """Give one document, or None where there is none."""
        return await self._asked("read", path, lambda: self._bucket.read(path))

    async def create(self, path: str, data: bytes) -> None:
        """Write a document that was not there; raises `AlreadyExists`."""
        await self._asked("create", path, lambda: self._bucket.create(path, data))

    async def write(self, path: str, data: bytes) -> None:
        """Write a document, whatever was there."""
        await self._asked("write", path, lambda: self._bucket.write(path, data))

    async def swap(self, path: str, data: bytes, version: str | None) -> None:
        """Write a document if it is still at `version`, None: not there; raises `Conflict`."""
        await self._asked("swap", path, lambda: self._bucket.swap(path, data, version))

    async def remove(self, path: str) -> None:
        """Remove a document; one that is gone is no error."""
        await self._asked("remove", path, lambda: self._bucket.remove(path))

    async def list(self, prefix: str) -> list[str]:
        """Give the paths that begin with `prefix`, sorted."""
        return await self._asked("list", prefix, lambda: self._bucket.list(prefix))

    async def _asked(self, verb: str, path: str, do: Callable[[], Awaitable[T]]) -> T:
        try:
            fate = self._line.fate_of(self.name, verb, path, is_write=verb in _WRITES)
            if fate.code:
                message = f"store {self.name}: {fate.code}: slow down"
                raise Transient(message)
            return await self._line.carry(fate, do)
        except OSError as error:
            message = f"store {self.name}: {verb} {path}: {error}"
            raise Transient(message) from error
