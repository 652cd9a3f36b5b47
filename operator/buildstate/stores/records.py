"""Checkpoints in any store of documents: two documents each, and the second makes both visible."""

from abc import ABC, abstractmethod

from buildstate.domain.errors import AlreadyExists, Conflict
from buildstate.stores import paths
from buildstate.stores.contracts import Area, Blob, Place, Record


class DocumentStore(ABC):
    """A store that keeps documents by path; fulfils `Store` with what reads and writes them.

    A checkpoint costs two writes and no list. It is written payload first and deleted manifest
    first, so that nobody ever sees half of one.
    """

    is_outside: bool = True
    limit: int | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    async def read(self, path: str) -> Blob | None:
        """Give one document, or None where there is none."""

    @abstractmethod
    async def create(self, path: str, data: bytes) -> None:
        """Write a document that was not there; raises `AlreadyExists`."""

    @abstractmethod
    async def write(self, path: str, data: bytes) -> None:
        """Write a document, whatever was there."""

    @abstractmethod
    async def swap(self, path: str, data: bytes, version: str | None) -> None:
        """Write a document if it is still at `version`, None: not there; raises `Conflict`."""

    @abstractmethod
    async def remove(self, path: str) -> None:
        """Remove a document; one that is gone is no error."""

    async def save(self, place: Place, record: Record) -> None:
        """Store a checkpoint that was not there; raises `AlreadyExists` where another is."""
        await self._settle(paths.payload(place, record.name), record.payload)
        await self._settle(paths.manifest(place, record.name), record.manifest)

    async def load(self, place: Place, name: str) -> Record | None:
        """Give one checkpoint, or None where there is no complete one of that name."""
        manifest = await self.read(paths.manifest(place, name))
        payload = await self.read(paths.payload(place, name)) if manifest else None
        if manifest is None or payload is None:
            return None
        return Record(name, manifest.data, payload.data)

    async def manifest(self, place: Place, name: str) -> bytes | None:
        """Give the manifest of one checkpoint alone, or None where there is none."""
        blob = await self.read(paths.manifest(place, name))
        return blob.data if blob else None

    async def names(self, place: Place) -> list[str]:
        """Name the checkpoints of a build, sorted as texts: complete and incomplete ones."""
        found = map(paths.checkpoint_of, await self.list(paths.checkpoints(place)))
        return sorted({name for name in found if name})

    async def replace_manifest(self, place: Place, before: Record, manifest: bytes) -> None:
        """Put another manifest in the place of `before`'s; raises `Conflict` if that is gone."""
        path = paths.manifest(place, before.name)
        blob = await self.read(path)
        if blob is not None and blob.data == manifest:
            return
        if blob is None or blob.data != before.manifest:
            message = f"store {self.name}: {path} is not what it was: look again"
            raise Conflict(message)
        await self.swap(path, manifest, blob.version)

    async def delete(self, place: Place, name: str) -> None:
        """Remove a checkpoint, also an incomplete one; one that is gone is no error."""
        await self.remove(paths.manifest(place, name))
        await self.remove(paths.payload(place, name))

    async def places(self, area: Area, namespace: str | None = None) -> list[Place]:
        """Give every place of `area` that holds something, of one namespace or of all."""
        prefix = f"{area}/" if namespace is None else f"{area}/{namespace}/"
        found = {paths.place_of(path) for path in await self.list(prefix)}
        return sorted((place for place in found if place), key=lambda at: (at.namespace, at.uid))

    async def _settle(self, path: str, data: bytes) -> None:
        try:
            await self.create(path, data)
        except AlreadyExists:
            # A write whose answer was lost, and a crash between the two, look like this too.
            blob = await self.read(path)
            if blob is None or blob.data != data:
                raise

    # The last one: below it, `list` would no longer be the type.
    @abstractmethod
    async def list(self, prefix: str) -> list[str]:
        """Give the paths that begin with `prefix`, sorted."""
