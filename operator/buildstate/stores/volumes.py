"""Documents as files below one directory, such as a mounted volume.

What was answered survives a power cut: data, then name, then directory are synchronised. A file
appears whole or not at all: it is written under another name, which nobody lists, and then linked
(what must be new) or renamed. Who replaces something holds a lock, also against other processes.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from buildstate.domain.errors import AlreadyExists, BuildStateError, Conflict, Permanent, Transient
from buildstate.stores.contracts import BAD_PATH, FORBIDDEN, NOT_FOUND, Blob
from buildstate.stores.paths import checked, checked_prefix
from buildstate.stores.records import DocumentStore

T = TypeVar("T")

TEMPORARY = ".temporary"
LOCK = ".lock"
LEFT_OVER = 3600.0
"""Seconds after which a temporary file is of a process that died."""
PATIENCE = 10.0
"""Seconds to wait for the lock."""

_POLL = 0.01
_TRIES = 5
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_UNFIT = frozenset({errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL})
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


class VolumeStore(DocumentStore):
    """Keeps documents below `root`, which must be there: it is never made."""

    def __init__(
        self,
        name: str,
        root: Path,
        *,
        now: Callable[[], float] = time.time,
        unique: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        super().__init__(name)
        self._files = _Files(root, unique)
        self._now = now

    async def read(self, path: str) -> Blob | None:
        """Give one document, or None where there is none."""
        return await self._do(path, lambda: self._files.read(path))

    async def create(self, path: str, data: bytes) -> None:
        """Write a document that was not there; raises `AlreadyExists`."""
        await self._do(path, lambda: self._files.create(path, data))

    async def write(self, path: str, data: bytes) -> None:
        """Write a document, whatever was there."""
        await self._do(path, lambda: self._files.write(path, data))

    async def swap(self, path: str, data: bytes, version: str | None) -> None:
        """Write a document if it is still at `version`, None: not there; raises `Conflict`."""
        if version is None:
            await self.create(path, data)
        else:
            await self._do(path, lambda: self._files.swap(path, data, version))

    async def remove(self, path: str) -> None:
        """Remove a document, and the directories that it leaves empty; gone is no error."""
        await self._do(path, lambda: self._files.remove(path))

    async def list(self, prefix: str) -> list[str]:
        """Give the paths that begin with `prefix`, sorted."""
        checked_prefix(prefix)
        # Whoever sweeps lists first, so this comes by often enough, and not at every write.
        await self.collect()
        return await self._do("x", lambda: self._files.list(prefix))

    async def collect(self) -> int:
        """Remove the temporary files of processes that died, and count them."""
        return await self._do("x", lambda: self._files.collect(self._now() - LEFT_OVER))

    async def _do(self, path: str, work: Callable[[], T]) -> T:
        checked(path)
        return await asyncio.to_thread(self._told, path, work)

    def _told(self, path: str, work: Callable[[], T]) -> T:
        try:
            return work()
        except FileExistsError as error:
            message = f"store {self.name}: {path} is there already"
            raise AlreadyExists(message) from error
        except _Stale as error:
            message = f"store {self.name}: {path} was written by somebody else: look again"
            raise Conflict(message) from error
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> BuildStateError:
        said = f"store {self.name}: the volume at {self._files.root}"
        if not self._files.root.is_dir():
            message = f"{said} is not there: mount it, or name another path in the stores file"
            return Permanent(message, reason=NOT_FOUND)
        if error.errno in _FULL:
            return Transient(f"{said} is full: enlarge it, or keep fewer checkpoints")
        if error.errno in _DENIED:
            message = f"{said} refuses us ({error.strerror}): let the operator's user write there"
            return Permanent(message, reason=FORBIDDEN)
        if error.errno in _UNFIT:
            message = f"{said} cannot hold this path ({error.strerror})"
            return Permanent(message, reason=BAD_PATH)
        return Transient(f"{said} is not well: {error.strerror or type(error).__name__}")


class _Stale(Exception):
    """A document is not at the version that a swap named."""


class _Files:
    """The blocking half: runs in a thread, raises OSError."""

    def __init__(self, root: Path, unique: Callable[[], str]) -> None:
        self.root = root
        self._unique = unique

    def read(self, path: str) -> Blob | None:
        try:
            descriptor = os.open(self._place(path), os.O_RDONLY | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            self._look_at_root()
            return None
        with os.fdopen(descriptor, "rb") as file:
            data = file.read()
        return Blob(data, sha256(data).hexdigest())

    def create(self, path: str, data: bytes) -> None:
        with self._written(data) as temporary:
            try:
                self._put(path, lambda target: os.link(temporary, target))
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                # Some shares have no links; there the lock alone must do.
                self._create_locked(path, temporary)

    def write(self, path: str, data: bytes) -> None:
        with self._written(data) as temporary, self._locked():
            self._put(path, temporary.rename)

    def swap(self, path: str, data: bytes, version: str) -> None:
        with self._written(data) as temporary, self._locked():
            known = self.read(path)
            if known is None or known.version != version:
                raise _Stale
            self._put(path, temporary.rename)

    def remove(self, path: str) -> None:
        place = self._place(path)
        with self._locked():
            try:
                place.unlink()
            except (FileNotFoundError, NotADirectoryError):
                return
            _sync(place.parent)
            self._prune(place.parent)

    def list(self, prefix: str) -> list[str]:
        self._look_at_root()
        top = self._place(f"{prefix}x").parent
        found = (
            Path(directory, name).relative_to(self.root.resolve()).as_posix()
            for directory, names in _walk(top)
            for name in names
        )
        return sorted(path for path in found if path.startswith(prefix))

    def collect(self, before: float) -> int:
        old = [file for file in self._temporaries() if _changed(file) < before]
        for file in old:
            file.unlink(missing_ok=True)
        return len(old)

    def _temporaries(self) -> Iterator[Path]:
        self._look_at_root()
        directory = self.root / TEMPORARY
        yield from directory.iterdir() if directory.is_dir() else ()

    def _create_locked(self, path: str, temporary: Path) -> None:
        with self._locked():
            if self._place(path).exists():
                raise FileExistsError(path)
            self._put(path, temporary.rename)

    def _put(self, path: str, put: Callable[[Path], object]) -> None:
        target = self._place(path)
        for _ in range(_TRIES):
            with contextlib.suppress(FileNotFoundError):
                _make(target.parent, self.root.resolve())
                put(target)
                _sync(target.parent)
                return
            # Somebody pruned the directory that had just become empty.
        raise OSError(errno.EAGAIN, "the directory is removed again and again")

    @contextmanager
    def _written(self, data: bytes) -> Iterator[Path]:
        self._look_at_root()
        directory = self.root.resolve() / TEMPORARY
        directory.mkdir(exist_ok=True)
        temporary = directory / self._unique()
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._look_at_root()
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.root / LOCK, flags, 0o666)
        try:
            _lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _place(self, path: str) -> Path:
        root = self.root.resolve()
        place = root / path
        # A link that somebody put there may lead anywhere.
        if not place.parent.resolve().is_relative_to(root):
            raise OSError(errno.ELOOP, f"{path} leads out of the store")
        return place

    def _prune(self, directory: Path) -> None:
        with contextlib.suppress(OSError):
            while directory != self.root.resolve():
                directory.rmdir()
                directory = directory.parent

    def _look_at_root(self) -> None:
        # Never made by us: an empty directory would hide that nothing is mounted there.
        self.root.stat()


def _lock(descriptor: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise OSError(errno.EAGAIN, "its lock is held by another process") from None
            time.sleep(_POLL)
        else:
            return


def _make(directory: Path, root: Path) -> None:
    missing = [at for at in (directory, *directory.parents) if at.is_relative_to(root)]
    for at in reversed([at for at in missing if not at.exists()]):
        at.mkdir(exist_ok=True)
        _sync(at.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _walk(top: Path) -> Iterator[tuple[str, list[str]]]:
    for directory, below, files in os.walk(top, onerror=_fail):
        below[:] = [name for name in below if not name.startswith(".")]
        yield directory, [name for name in files if not name.startswith(".")]


def _fail(error: OSError) -> None:
    # What cannot be read is not absent.
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
