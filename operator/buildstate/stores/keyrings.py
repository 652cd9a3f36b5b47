"""Keyrings: the named keys under which the data keys of checkpoints are wrapped.

A key is never shown: not by `repr`, not in a message, not in a log.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from os import stat_result
from pathlib import Path
from typing import Protocol

from buildstate.domain.checkpoints import DamageReason
from buildstate.domain.errors import Permanent

KEY_NAME = r"[A-Za-z0-9][-._A-Za-z0-9]{0,252}"
"""What a key may be called: what a Secret takes as the name of an entry, but for a dot in front."""

SIZE = 32
"""Bytes of a key."""

MAX_FILE = 4096

HOW = f"it must be {SIZE} random bytes, raw or as base64 (openssl rand -base64 {SIZE})"


@dataclass(frozen=True, slots=True)
class Key:
    """A key for AES-256 and what it is called."""

    name: str
    secret: bytes = field(repr=False)


class KeyUnusable(Permanent):
    """A key is not there, or no key: nothing is stored, which would be in the clear, or read.

    What is stored is not at fault.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, reason=DamageReason.KEY_MISSING)


class Keyring(Protocol):
    """The keys that there are now, by name."""

    @property
    def active(self) -> Key | None:
        """The key that wraps what is stored now, None: nothing is to be encrypted.

        Raises `KeyUnusable` where there should be one.
        """

    def get(self, name: str) -> Key | None:
        """Give the key of that name, or None where there is none that can be used."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the keyring, in words, and what to do; empty where nothing is."""


class MemoryKeyring:
    """A keyring that somebody holds in his hands."""

    def __init__(self, keys: Iterable[Key] = (), active: str | None = None) -> None:
        self._keys = {key.name: key for key in keys}
        self._active = active

    @property
    def active(self) -> Key | None:
        """The key that wraps what is stored now, None: nothing is to be encrypted."""
        return _active(self._active, self._keys, self.problems)

    def get(self, name: str) -> Key | None:
        """Give the key of that name, or None."""
        return self._keys.get(name)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong: that the active key is not there."""
        return _lacking(self._active, self._keys, "the keyring")


NO_KEYS = MemoryKeyring()
"""The keyring of who does not encrypt."""


@dataclass(frozen=True, slots=True)
class _Content:
    """What a directory held when it was read."""

    stamp: object = None
    keys: dict[str, Key] = field(default_factory=dict, repr=False)
    problems: tuple[str, ...] = ()


class DirectoryKeyring:
    """A directory with one file for each key, as Kubernetes mounts a Secret.

    It is read when it is asked for the first time and again when it has changed. Names that begin
    with a dot are Kubernetes' own. A file that holds no key is told of and does no harm to others.
    """

    def __init__(self, directory: Path, active: str | None) -> None:
        self._directory = directory
        self._active = active
        self._content = _Content()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._directory)!r}, active={self._active!r})"

    @property
    def active(self) -> Key | None:
        """The key that wraps what is stored now, None: nothing is to be encrypted."""
        return _active(self._active, self._read().keys, self.problems)

    def get(self, name: str) -> Key | None:
        """Give the key of that name, or None where there is none that can be used."""
        return self._read().keys.get(name)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, with the name of the file and what to do."""
        content = self._read()
        return (*content.problems, *_lacking(self._active, content.keys, str(self._directory)))

    def _read(self) -> _Content:
        try:
            # Before the keys: what changes while they are read has another stamp afterwards.
            stamp = _stamp(self._directory)
            if stamp != self._content.stamp:
                self._content = _load(self._directory, stamp)
        except OSError as error:
            self._content = _Content(problems=(_unreadable(self._directory, error),))
        return self._content


def _active(name: str | None, keys: dict[str, Key], problems: tuple[str, ...]) -> Key | None:
    if name is None:
        return None
    if name not in keys:
        raise KeyUnusable("; ".join(problems))
    return keys[name]


def _lacking(active: str | None, keys: dict[str, Key], where: str) -> tuple[str, ...]:
    if active is None or active in keys:
        return ()
    return (
        f"the active key {active!r} is not usable in {where}: add it there, or make another one"
        " active",
    )


def _stamp(directory: Path) -> object:
    """Give what is another one after any change: files, their times, and what `..data` leads to."""
    link = directory / "..data"
    target = link.readlink() if link.is_symlink() else None
    stats = [(path, _stat(path)) for path in _files(directory)]
    files = [(path.name, stat.st_ino, stat.st_mtime_ns, stat.st_size) for path, stat in stats]
    return target, directory.stat().st_mtime_ns, files


def _stat(path: Path) -> stat_result:
    try:
        return path.stat()
    except OSError:
        # A link that leads nowhere is no reason to lose the other keys.
        return path.lstat()


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir() if not path.name.startswith("."))


def _load(directory: Path, stamp: object) -> _Content:
    found = [_key_of(path) for path in _files(directory)]
    keys = {one.name: one for one in found if isinstance(one, Key)}
    return _Content(stamp, keys, tuple(one for one in found if isinstance(one, str)))


def _key_of(path: Path) -> Key | str:
    """Give the key in a file, or what is wrong with it."""
    if not re.fullmatch(KEY_NAME, path.name):
        return f"{path} cannot be a key: its name may have letters, digits, dots, - and _ only"
    if path.exists() and not path.is_file():
        return f"{path} is no file: a keyring has one file for each key"
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE)
    except OSError as error:
        return _unreadable(path, error)
    secret = _secret_of(data)
    return Key(path.name, secret) if secret else f"{path} holds no key: {HOW}"


def _secret_of(data: bytes) -> bytes | None:
    # Text of this length is a password, or a shorter key in hexadecimal or base64. A true key looks
    # like text once in 10^13.
    if len(data) == SIZE and not data.decode("latin-1").isprintable():
        return data
    try:
        secret = base64.b64decode(data.strip(), validate=True)
    except binascii.Error:
        return None
    return secret if len(secret) == SIZE else None


def _unreadable(path: Path, error: OSError) -> str:
    return f"{path} cannot be read: {error.strerror}; see to it that the Secret is mounted there"
