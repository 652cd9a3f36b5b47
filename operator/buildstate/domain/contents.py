"""The content of a checkpoint: an object, its one byte string, and the digest of that."""

import json
from hashlib import sha256
from typing import Any, NoReturn

from buildstate.domain import integrity

MAX_LEVELS = 256
"""How deep lists and objects may be nested in what is stored.

A delta is nested up to twice as deep as the contents that it is between, so contents should keep to
half of it.
"""

_WEIGHT = 4
"""Bytes of anything but its text: quotes, brackets, digits, and what stands between two."""

Document = dict[str, Any]


def encode(document: Document) -> bytes:
    """Give the canonical bytes; raises ValueError for what no document may hold."""
    if not is_shallow(document):
        message = f"a document is nested at most {MAX_LEVELS} levels deep"
        raise ValueError(message)
    return integrity.canonical(document)


def decode(data: bytes) -> Document | None:
    """Give the object whose canonical bytes are exactly `data`, or None if there is none."""
    try:
        document = json.loads(data.decode(), parse_float=_refuse, parse_constant=_refuse)
        if isinstance(document, dict) and encode(document) == data:
            return document
    except (ValueError, RecursionError):
        return None
    return None


def weight(document: Document, limit: int) -> int:
    """Give about how many bytes a document has; it is not looked at any further above `limit`."""
    total = 0
    left: list[Any] = [document]
    while left and total <= limit:
        value = left.pop()
        if isinstance(value, dict):
            total += sum(map(len, value))
            left += value.values()
        elif isinstance(value, list):
            left += value
        total += _WEIGHT + (len(value) if isinstance(value, str) else 0)
    return total


def digest(data: bytes) -> str:
    """Give `sha256:<hex>` of the bytes as they are."""
    return f"sha256:{sha256(data).hexdigest()}"


def is_shallow(document: Document) -> bool:
    """Say whether nothing in the document lies deeper than `MAX_LEVELS`."""
    level: list[Any] = [document]
    for _ in range(MAX_LEVELS):
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return True
    return False


def _inside(value: Any) -> list[Any]:
    """Give the lists and objects that `value` holds."""
    inner = value.values() if isinstance(value, dict) else value
    return [one for one in inner if isinstance(one, dict | list)]


def _refuse(text: str) -> NoReturn:
    message = f"a document holds no floats, but it has {text}"
    raise ValueError(message)
