"""From the answers of the API server to our own errors: may asking again help, or not?"""

import re
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
from buildstate.domain.quotas import QUOTA_NEEDS_REQUESTS

POD_SECURITY = "PodSecurityViolation"
LIMIT_RANGE = "LimitRangeViolation"

_NO_ROOM = ("exceeded quota", "status unknown for quota")
"""The words of a quota that is used up, and of one that is so new that nobody has counted yet."""

_FORBIDDEN = (
    (re.compile(r"violates PodSecurity"), POD_SECURITY),
    (re.compile(r"(usage|ratio|storage) per (Container|Pod|PersistentVolumeClaim)"), LIMIT_RANGE),
    (re.compile(r"failed quota: .*must specify"), QUOTA_NEEDS_REQUESTS),
)
"""What the admission plugins of the API server say, all of them as Forbidden."""

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
    if status == 403 and any(words in message for words in _NO_ROOM):
        return QuotaExceeded(message)
    if status in _PASSING or status >= 500:
        return Transient(message, retry_after=_seconds(retry_after))
    return Permanent(message, reason=_specific(message, reason) if status == 403 else reason)


def _specific(message: str, reason: str) -> str:
    return next((known for words, known in _FORBIDDEN if words.search(message)), reason)


def _parsed(body: bytes) -> Mapping[str, Any]:
    try:
        answer = orjson.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, Mapping) else {}


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdecimal() else None
