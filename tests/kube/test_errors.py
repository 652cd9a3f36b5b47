import json

import pytest

from buildstate.domain.errors import (
    AlreadyExists,
    BuildStateError,
    Conflict,
    Permanent,
    QuotaExceeded,
    Transient,
)
from buildstate.kube.errors import error_of

QUOTA = 'pods "p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
UNCOUNTED = 'pods "p" is forbidden: status unknown for quota: q, resources: pods'
SECURITY = 'pods "p" is forbidden: violates PodSecurity "restricted:latest"'


@pytest.mark.parametrize(
    ("status", "reason", "message", "expected"),
    [
        (400, "BadRequest", "what?", Permanent),
        (401, "Unauthorized", "the token is old", Transient),
        (403, "Forbidden", SECURITY, Permanent),
        (403, "Forbidden", QUOTA, QuotaExceeded),
        (403, "Forbidden", UNCOUNTED, QuotaExceeded),
        (404, "NotFound", "gone", Conflict),
        (405, "MethodNotAllowed", "no", Permanent),
        (408, "Timeout", "late", Transient),
        (409, "AlreadyExists", "taken", AlreadyExists),
        (409, "Conflict", "the object has been modified", Conflict),
        (410, "Gone", "too old", Permanent),
        (413, "RequestEntityTooLarge", "too large", Permanent),
        (415, "UnsupportedMediaType", "no", Permanent),
        (422, "Invalid", "TransitionViolation", Permanent),
        (429, "TooManyRequests", "slowly", Transient),
        (500, "InternalError", "oh", Transient),
        (503, "ServiceUnavailable", "not now", Transient),
        (504, "Timeout", "etcd sleeps", Transient),
    ],
)
def test_an_answer_stands_for(
    status: int, reason: str, message: str, expected: type[BuildStateError]
) -> None:
    body = json.dumps({"kind": "Status", "reason": reason, "message": message}).encode()
    error = error_of(status, body, None)
    assert (expected, message) == (type(error), str(error))


def test_a_refusal_keeps_its_reason() -> None:
    error = error_of(422, b'{"reason": "Invalid", "message": "no"}', None)
    assert isinstance(error, Permanent)
    assert "Invalid" == error.reason


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"[]", b"\xff", b"null"])
@pytest.mark.parametrize(("status", "kind"), [(502, Transient), (400, Permanent)])
def test_an_answer_without_words_is_told_by_its_code(
    body: bytes, status: int, kind: type[BuildStateError]
) -> None:
    error = error_of(status, body, None)
    assert (kind, f"the API server answered {status}") == (type(error), str(error))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (SECURITY, "PodSecurityViolation"),
        ("maximum cpu usage per Container is 1, but limit is 2", "LimitRangeViolation"),
        ("minimum memory usage per Pod is 1Gi, but request is 1Mi", "LimitRangeViolation"),
        ("cpu max limit to request ratio per Container is 2, but it is 4", "LimitRangeViolation"),
        ("maximum storage usage per PersistentVolumeClaim is 1Gi", "LimitRangeViolation"),
        ("failed quota: q: must specify limits.cpu for: work", "QuotaNeedsRequests"),
        ("User cannot create resource pods", "Forbidden"),
    ],
)
def test_what_admission_refuses_has_a_reason_of_its_own(message: str, reason: str) -> None:
    error = error_of(403, json.dumps({"reason": "Forbidden", "message": message}).encode(), None)
    assert isinstance(error, Permanent)
    assert (reason, message) == (error.reason, str(error))


def test_a_refusal_without_words_has_a_reason_all_the_same() -> None:
    error = error_of(400, b"", None)
    assert isinstance(error, Permanent)
    assert "Refused" == error.reason


@pytest.mark.parametrize(
    ("header", "expected"),
    [("7", 7.0), ("", None), (None, None), ("soon", None), ("-1", None), ("1.5", None)],
)
def test_the_wish_to_wait_is_kept(header: str | None, expected: float | None) -> None:
    error = error_of(429, b"{}", header)
    assert isinstance(error, Transient)
    assert expected == error.retry_after
