"""Documents in memory: for tests, and for whoever tries the operator without keeping anything."""

from itertools import count

from buildstate.domain.errors import AlreadyExists, Conflict
from buildstate.stores.contracts import Blob
from buildstate.stores.paths import checked, checked_prefix
from buildstate.stores.records import DocumentStore


class MemoryStore(DocumentStore):
    """Keeps documents for as long as it lives itself."""

    def __init__(self, name: str = "memory") -> None:
        super().__init__(name)
        self._blobs: dict[str, Blob] = {}
        self._versions = count(1)

    async def read(self, path: str) -> Blob | None:
        """Give one document, or None where there is none."""
        return self._blobs.get(checked(path))

    async def create(self, path: str, data: bytes) -> None:
        """Write a document that was not there; raises `AlreadyExists`."""
        if checked(path) in self._blobs:
            message = f"store {self.name}: {path} is there already"
            raise AlreadyExists(message)
        await self.write(path, data)

    async def write(self, path: str, data: bytes) -> None:
        """Write a document, whatever was there."""
        self._blobs[checked(path)] = Blob(bytes(data), str(next(self._versions)))

    async def swap(self, path: str, data: bytes, version: str | None) -> None:
        """Write a document if it is still at `version`, None: not there; raises `Conflict`."""
        known = self._blobs.get(checked(path))
        if version != (known.version if known else None):
            message = f"store {self.name}: {path} was written by somebody else: look again"
            raise Conflict(message)
        await self.write(path, data)

    async def remove(self, path: str) -> None:
        """Remove a document; one that is gone is no error."""
        self._blobs.pop(checked(path), None)

    async def list(self, prefix: str) -> list[str]:
        """Give the paths that begin with `prefix`, sorted."""
        checked_prefix(prefix)
        return sorted(path for path in self._blobs if path.startswith(prefix))
