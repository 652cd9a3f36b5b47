"""What the reporter beside the work says that it found. It is hostile text until it is parsed.

The work runs in the same Pod and writes to the same workspace; and what is put beside it by others
may cut the text short. So a report is believed as a whole or not at all.
"""

import json
from base64 import b64decode
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

VERSION = 1
MAX_REPORT = 4096
"""Bytes that the kubelet lets a container say at its end."""

_MAX_SIZE = 2**53 - 1
_DIGEST_BYTES = 32
_SHORT_DIGEST = 43


@dataclass(frozen=True, slots=True)
class Found:
    """A file that was read to its end: its size in bytes, its SHA-256 in hexadecimal."""

    size: int
    sha256: str


class Lack(StrEnum):
    """Why there is no such file."""

    ABSENT = "absent"
    DIRECTORY = "directory"
    SPECIAL = "special"
    OUTSIDE = "outside"
    LOOP = "loop"
    UNREAD = "unreadable"
    CHANGING = "changing"

    @property
    def words(self) -> str:
        """What follows the place in a sentence."""
        return _WORDS[self]


_WORDS = {
    Lack.ABSENT: "does not exist",
    Lack.DIRECTORY: "is a directory, not a file",
    Lack.SPECIAL: "is a device, a pipe or a socket, not a file",
    Lack.OUTSIDE: "leads out of the workspace",
    Lack.LOOP: "goes through too many links",
    Lack.UNREAD: "cannot be read",
    Lack.CHANGING: "changed while it was read",
}

Finding = Found | Lack


def parse(text: str, count: int) -> tuple[Finding, ...] | None:
    """Give the `count` findings of a report in their order, or None where it is no such report."""
    if len(text) > MAX_REPORT:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("v") != VERSION:
        return None
    listed = document.get("found")
    if not isinstance(listed, list) or len(listed) != count:
        return None
    findings = [finding for one in listed if (finding := _finding(one)) is not None]
    return tuple(findings) if len(findings) == count else None


def _finding(value: Any) -> Finding | None:
    if isinstance(value, str):
        return next((lack for lack in Lack if lack == value), None)
    if not isinstance(value, list) or len(value) != 2:
        return None
    size, digest = value
    if type(size) is not int or not 0 <= size <= _MAX_SIZE:
        return None
    return _found(size, digest)


def _found(size: int, digest: Any) -> Found | None:
    if not isinstance(digest, str) or len(digest) != _SHORT_DIGEST:
        return None
    try:
        plain = b64decode(f"{digest}=", validate=True)
    except ValueError:
        return None
    return Found(size, plain.hex()) if len(plain) == _DIGEST_BYTES else None
