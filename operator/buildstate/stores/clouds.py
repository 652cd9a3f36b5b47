"""Documents in an object store: S3 and what speaks its protocol, Google Cloud Storage, Azure Blobs.

Nothing is cached and nothing is listed to write: a create is a conditional put, a swap names the
version that was read. Credentials are looked at before each call: a rotated Secret counts at once.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING

from obstore import exceptions

from buildstate.domain.errors import (
    AlreadyExists,
    BuildStateError,
    Conflict,
    Permanent,
    Transient,
)
from buildstate.stores.contracts import FORBIDDEN, NOT_FOUND, Blob
from buildstate.stores.paths import checked, checked_prefix
from buildstate.stores.records import DocumentStore

if TYPE_CHECKING:
    from obstore import Bytes, GetOptions, ObjectMeta, PutMode, UpdateVersion
    from obstore.store import ObjectStore

DEADLINE = 25.0
"""Seconds after which a call is given up, whatever the client below still hopes for."""

PART = 8 * 1024 * 1024
"""Bytes of a large object that are held at once."""

_PASSING = frozenset({408, 425, 429})
_MISSING = "NoSuchBucket|ContainerNotFound|bucket does not exist"
_CODE = re.compile(r"<Code>([^<]{1,80})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_CAUSE = re.compile(r'message: "([^"]{1,80})"|kind: (Timeout),')
_LONGEST_WORDS = 200


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket: what people call it, how it is opened, and what it is opened with.

    `title` is for messages. `credentials` gives something that differs when they were changed; the
    bucket is then opened again.
    """

    title: str
    open: Callable[[], "ObjectStore"]
    credentials: Callable[[], Hashable] = lambda: None


class CloudStore(DocumentStore):
    """Keeps each document in an object of its path, below the prefix of the bucket."""

    def __init__(self, name: str, bucket: Bucket, deadline: float = DEADLINE) -> None:
        super().__init__(name)
        self._bucket = bucket
        self._deadline = deadline
        self._known: Hashable = None
        self._store: ObjectStore | None = None

    async def read(self, path: str) -> Blob | None:
        """Give one document, or None where there is none."""
        checked(path)
        try:
            async with self._opened(path) as store:
                answer = await store.get_async(path)
                data = bytes(await answer.bytes_async())
        except FileNotFoundError:
            return None
        return Blob(data, _version(answer.meta.get("e_tag"), answer.meta.get("version")))

    async def measure(self, path: str) -> tuple[int, str] | None:
        """Give size and SHA-256 of an object of any size, or None where there is none.

        Raises `Conflict` where it becomes another one meanwhile.
        """
        checked(path)
        digest = sha256()
        try:
            async with self._opened(path) as store:
                meta = await store.head_async(path)
            for start in range(0, meta["size"], PART):
                part = (start, min(start + PART, meta["size"]))
                await asyncio.to_thread(digest.update, await self._part(path, part, meta))
        except FileNotFoundError:
            return None
        return meta["size"], digest.hexdigest()

    async def _part(self, path: str, part: tuple[int, int], meta: "ObjectMeta") -> "Bytes":
        # A request for each part: the time that one may take is limited.
        options: GetOptions = {"range": part}
        if meta.get("e_tag"):
            options["if_match"] = meta["e_tag"]
        async with self._opened(path) as store:
            answer = await store.get_async(path, options=options)
            return await answer.bytes_async()

    async def create(self, path: str, data: bytes) -> None:
        """Write a document that was not there; raises `AlreadyExists`."""
        await self._put(path, data, "create")

    async def write(self, path: str, data: bytes) -> None:
        """Write a document, whatever was there."""
        await self._put(path, data, "overwrite")

    async def swap(self, path: str, data: bytes, version: str | None) -> None:
        """Write a document if it is still at `version`, None: not there; raises `Conflict`."""
        await self._put(path, data, "create" if version is None else _update(version))

    async def remove(self, path: str) -> None:
        """Remove a document; one that is gone is no error."""
        checked(path)
        try:
            async with self._opened(path) as store:
                await store.delete_async(path)
        except FileNotFoundError:
            return

    async def list(self, prefix: str) -> list[str]:
        """Give the paths that begin with `prefix`, sorted."""
        checked_prefix(prefix)
        # An object store lists whole directories: "team" would not find "teams".
        directory = prefix.rpartition("/")[0]
        try:
            async with self._opened(prefix) as store:
                found = await store.list(directory or None, chunk_size=1000).collect_async()
        except FileNotFoundError:
            return []
        return sorted(item["path"] for item in found if item["path"].startswith(prefix))

    async def _put(self, path: str, data: bytes, mode: "PutMode") -> None:
        checked(path)
        try:
            async with self._opened(path) as store:
                await store.put_async(path, data, mode=mode, use_multipart=False)
        except FileNotFoundError as error:
            if isinstance(mode, dict):
                raise self._conflict(path) from error
            message = f"{self._said} answers that {path} is not found: {_words(error)}"
            raise Transient(message) from error

    @asynccontextmanager
    async def _opened(self, path: str) -> AsyncIterator["ObjectStore"]:
        try:
            async with asyncio.timeout(self._deadline):
                yield self._fresh()
        except TimeoutError as error:
            message = f"{self._said} did not answer within {self._deadline:g} s"
            raise Transient(message) from error
        except (exceptions.BaseError, OSError, ValueError) as error:
            if isinstance(error, FileNotFoundError) and not _lacks_bucket(error):
                raise
            raise self._told(path, error) from error

    def _fresh(self) -> "ObjectStore":
        credentials = self._bucket.credentials()
        if self._store is None or credentials != self._known:
            self._store, self._known = self._bucket.open(), credentials
        return self._store

    def _told(self, path: str, error: Exception) -> BuildStateError:
        if _lacks_bucket(error):
            message = f"{self._said} is not there: make it, or name another in the stores file"
            return Permanent(message, reason=NOT_FOUND)
        if isinstance(error, exceptions.AlreadyExistsError):
            message = f"store {self.name}: {path} is there already"
            return AlreadyExists(message)
        if isinstance(error, exceptions.PreconditionError):
            return self._conflict(path)
        return self._refused(error)

    def _refused(self, error: Exception) -> BuildStateError:
        status = int(found[1]) if (found := _STATUS.search(str(error))) else 0
        if status in (401, 403) or isinstance(
            error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError
        ):
            message = (
                f"{self._said} refuses us ({_words(error)}): check the credentials, and that they"
                " may get, put, list and delete there"
            )
            return Permanent(message, reason=FORBIDDEN)
        return self._failed(status, error)

    def _failed(self, status: int, error: Exception) -> BuildStateError:
        if status in _PASSING or status >= 500:
            return Transient(f"{self._said} is not well: {_words(error)}")
        if status or isinstance(error, ValueError) or "redirect" in str(error):
            message = f"{self._said} refused: {_words(error)}; check endpoint, region and bucket"
            return Permanent(message)
        message = f"{self._said} cannot be reached: {_words(error)}; check endpoint and network"
        return Transient(message)

    def _conflict(self, path: str) -> Conflict:
        message = f"store {self.name}: {path} was written by somebody else: look again"
        return Conflict(message)

    @property
    def _said(self) -> str:
        return f"store {self.name}: {self._bucket.title}"


def _version(e_tag: str | None, version: str | None) -> str:
    # Which of the two counts is known to the client of each cloud.
    both = {"e_tag": e_tag, "version": version}
    return json.dumps({name: value for name, value in both.items() if value is not None})


def _update(version: str) -> "UpdateVersion":
    update: UpdateVersion = json.loads(version)
    return update


def _lacks_bucket(error: Exception) -> bool:
    return re.search(_MISSING, str(error)) is not None


def _words(error: Exception) -> str:
    # Only the code of an answer: its text may quote what was signed.
    text = str(error).partition("Debug source")[0]
    status, code = _STATUS.search(text), _CODE.search(text)
    if status is None:
        cause = _CAUSE.search(str(error))
        deepest = f" ({cause[1] or 'it did not answer in time'})" if cause else ""
        return " ".join(text.rpartition(" - ")[2].split())[:_LONGEST_WORDS] + deepest
    number = int(status[1])
    phrase = HTTPStatus(number).phrase if number in list(HTTPStatus) else ""
    return " ".join(filter(None, (status[1], phrase, code[1] if code else "")))
