"""From the answers of the API server to our own errors: may asking again help, or not?"""

from collections.abc import Mapping
from typing import Any

import orjson

from buildstate.domain.errors import (
    AlreadyExists,
    BuildStateError,
    Conflict,
    Permanent,
    QuotaExceeded,
    Transient,
)

_PASSING = frozenset({401, 408, 425, 429})


def error_of(status: int, body: bytes, retry_after: str | None) -> BuildStateError:
    """Give the error that an answer of the API server stands for."""
    answer = _parsed(body)
    message = str(answer.get("message") or f"the API server answered {status}")
    reason = str(answer.get("reason") or "Refused")
    if reason == "AlreadyExists":
        return AlreadyExists(message)
    if status in (404, 409):
        return Conflict(message)
    if status == 403 and "exceeded quota" in message:
        return QuotaExceeded(message)
    if status in _PASSING or status >= 500:
        return Transient(message, retry_after=_seconds(retry_after))
    return Permanent(message, reason=reason)


def _parsed(body: bytes) -> Mapping[str, Any]:
    try:
        answer = orjson.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, Mapping) else {}


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdecimal() else None
