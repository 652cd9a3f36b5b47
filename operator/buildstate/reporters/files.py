"""Files below one directory, whatever somebody has put there: measured, or why they are not.

Each name of a path is opened below the directory before it, and a link is followed by hand. So
nothing that changes meanwhile leads out, and nothing that is not a file is ever opened for reading.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

ABSENT = "absent"
DIRECTORY = "directory"
SPECIAL = "special"
OUTSIDE = "outside"
LOOP = "loop"
NOT_READ = "unreadable"
CHANGING = "changing"

MAX_LINKS = 40
"""As many as the kernel follows."""

_CHUNK = 256 * 1024
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class NotMeasured(Exception):
    """There is no such file; the text is one of the words above."""


def measure(root: str, path: str) -> tuple[int, bytes]:
    """Give the size in bytes and the SHA-256 of the file at `path` below `root`.

    Raises NotMeasured for what is not there, is no file, leads out of `root` or cannot be read.
    """
    try:
        with _found(os.fsencode(root), path.encode()) as place:
            _refuse_all_but_files(place)
            # Not by its name, which may be another file's by now.
            with open(f"/proc/self/fd/{place}", "rb", buffering=0, opener=_opened) as file:
                return _read(file.fileno())
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise NotMeasured(ABSENT) from error
    except OSError as error:
        raise NotMeasured(NOT_READ) from error


def _opened(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _refuse_all_but_files(place: int) -> None:
    mode = os.fstat(place).st_mode
    if stat.S_ISDIR(mode):
        raise NotMeasured(DIRECTORY)
    if not stat.S_ISREG(mode):
        raise NotMeasured(SPECIAL)


def _read(file: int) -> tuple[int, bytes]:
    before = os.fstat(file)
    digest, size, buffer = sha256(), 0, memoryview(bytearray(_CHUNK))
    # What grows while it is read would be read for ever.
    while size <= before.st_size and (count := os.readv(file, [buffer])):
        digest.update(buffer[:count])
        size += count
    after = os.fstat(file)
    if size != before.st_size or after.st_mtime_ns != before.st_mtime_ns:
        raise NotMeasured(CHANGING)
    return size, digest.digest()


@contextmanager
def _found(root: bytes, path: bytes) -> Iterator[int]:
    """Give what is at `path`, opened so that one may look at it and not read it."""
    way = [os.open(root, _LOOK | os.O_DIRECTORY)]
    try:
        _walk(way, root, path)
        yield way[-1]
    finally:
        for place in way:
            os.close(place)


def _walk(way: list[int], root: bytes, path: bytes) -> None:
    """Go along `path`; `way` holds every place from the root to where it leads."""
    ahead, links = _names(path), 0
    while ahead:
        name = ahead.pop()
        if name == b"..":
            _step_back(way)
            continue
        place = os.open(name, _LOOK, dir_fd=way[-1])
        if not stat.S_ISLNK(os.fstat(place).st_mode):
            way.append(place)
            continue
        links += 1
        if links > MAX_LINKS:
            os.close(place)
            raise NotMeasured(LOOP)
        ahead += _names(_within(way, root, _target(place)))


def _names(path: bytes) -> list[bytes]:
    """Give the names that a path is made of, the first one last."""
    return [name for name in reversed(path.split(b"/")) if name not in (b"", b".")]


def _step_back(way: list[int]) -> None:
    if len(way) == 1:
        raise NotMeasured(OUTSIDE)
    os.close(way.pop())


def _target(link: int) -> bytes:
    try:
        return os.readlink(b"", dir_fd=link)
    finally:
        os.close(link)


def _within(way: list[int], root: bytes, target: bytes) -> bytes:
    """Give a link's target as a path from the place where one then is."""
    if not target.startswith(b"/"):
        return target
    while len(way) > 1:
        os.close(way.pop())
    inside = target.removeprefix(root)
    if inside == target or inside[:1] not in (b"", b"/"):
        raise NotMeasured(OUTSIDE)
    return inside
