"""Exact bytes of a document, and the digest that shows whether it was altered.

A document holds strings, integers, booleans, lists and objects. Floats are refused: they do not
survive an API server unchanged, so no digest over them could be trusted.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

DIGEST_FIELD = "digest"

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(document: Mapping[str, Any]) -> bytes:
    """Give the one byte string of `document`: UTF-8, keys sorted, no space.

    Raises ValueError where the document holds a float or a text that is not valid Unicode.
    """
    _refuse_floats(document)
    return _ENCODER.encode(document).encode()


def digest(document: Mapping[str, Any]) -> str:
    """Give `sha256:<hex>` over the canonical bytes of `document` without its own digest field."""
    body = {name: value for name, value in document.items() if name != DIGEST_FIELD}
    return f"sha256:{sha256(canonical(body)).hexdigest()}"


def verify(document: Mapping[str, Any]) -> bool:
    """Say whether `document` is what its digest was made over."""
    try:
        return document.get(DIGEST_FIELD) == digest(document)
    except ValueError:
        return False


def _refuse_floats(value: object) -> None:
    if isinstance(value, (str, int)):
        return
    if isinstance(value, float):
        message = f"a document holds no floats, but it has {value}"
        raise ValueError(message)  # noqa: TRY004 - the value is wrong, not the caller's type
    inner = value.values() if isinstance(value, Mapping) else value
    if not hasattr(inner, "__iter__"):
        return
    for item in inner:
        _refuse_floats(item)
