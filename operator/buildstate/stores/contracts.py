"""The contract of a store: checkpoints and documents, by place and by path.

Every store passes `tests/stores/contracts.py`. Errors are those of `domain.errors`: `Transient`
when asking again may help, `Permanent` when it cannot (reason `TooLarge`, `BadPath`, `Forbidden`,
`NotFound` for a bucket or volume that is not there, `Foreign` for what somebody else put in the
place of ours, or `Refused`), `AlreadyExists` and `Conflict`
for a lost race. Their messages name the store, and what to do.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

FORBIDDEN = "Forbidden"
NOT_FOUND = "NotFound"
BAD_PATH = "BadPath"
TOO_LARGE = "TooLarge"
FOREIGN = "Foreign"
"""Why a store is `Permanent`ly not able to do what it was asked, besides `Refused`."""


class Area(StrEnum):
    """The two halves of a store: builds that may still change, and those put away."""

    ACTIVE = "active"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Place:
    """Where what belongs to one build is kept.

    `build` is its name, for objects that name their owner; it is empty for a place that was found
    by listing, and tells no two places apart.
    """

    namespace: str
    uid: str
    build: str = field(default="", compare=False)
    area: Area = Area.ACTIVE


@dataclass(frozen=True, slots=True)
class Record:
    """One checkpoint as it is stored: exact bytes.

    The payload never changes. The manifest (JSON, a few kilobytes) is written last and makes the
    checkpoint visible; it is replaced only when the data key is wrapped anew.
    """

    name: str
    manifest: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of one document, and the version that a swap must name.

    `damage` says what is wrong with a document that cannot be trusted; it has no `data` then.
    """

    data: bytes
    version: str
    damage: str = ""


class Checkpoints(Protocol):
    """Checkpoints by place and name: complete, or invisible."""

    async def save(self, place: Place, record: Record) -> None:
        """Store a checkpoint that was not there; raises `AlreadyExists` where another has the name.

        The very same record again is no error: who does not know whether it went well asks again.
        """

    async def load(self, place: Place, name: str) -> Record | None:
        """Give one checkpoint, or None where there is no complete one of that name."""

    async def manifest(self, place: Place, name: str) -> bytes | None:
        """Give the manifest of one checkpoint alone, or None where there is none."""

    async def names(self, place: Place) -> list[str]:
        """Name the checkpoints of a build, sorted as texts: complete and incomplete ones."""

    async def replace_manifest(self, place: Place, before: Record, manifest: bytes) -> None:
        """Put another manifest in the place of `before`'s; raises `Conflict` if that is gone.

        Its payload is not looked at.
        """

    async def delete(self, place: Place, name: str) -> None:
        """Remove a checkpoint, also an incomplete one; one that is gone is no error."""

    async def places(self, area: Area, namespace: str | None = None) -> list[Place]:
        """Give every place of `area` that holds something, of one namespace or of all."""


class Documents(Protocol):
    """Documents by path, as `active/{namespace}/{uid}/current_state.json`: each write is atomic."""

    async def read(self, path: str) -> Blob | None:
        """Give one document, or None where there is none."""

    async def create(self, path: str, data: bytes) -> None:
        """Write a document that was not there; raises `AlreadyExists`."""

    async def write(self, path: str, data: bytes) -> None:
        """Write a document, whatever was there."""

    async def swap(self, path: str, data: bytes, version: str | None) -> None:
        """Write a document if it is still at `version`, None: not there; raises `Conflict`."""

    async def list(self, prefix: str) -> list[str]:
        """Give the paths that begin with `prefix`, sorted."""

    async def remove(self, path: str) -> None:
        """Remove a document; one that is gone is no error."""


class Store(Checkpoints, Documents, Protocol):
    """A whole store.

    `is_outside` says that what it holds outlives the cluster's objects; `limit` is the largest
    payload or document in bytes, None where there is none that matters.
    """

    name: str
    is_outside: bool
    limit: int | None
