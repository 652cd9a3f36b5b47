import pytest

from buildstate.domain.errors import (
    AlreadyExists,
    BuildStateError,
    Conflict,
    Permanent,
    QuotaExceeded,
    Transient,
)


@pytest.mark.parametrize("kind", [Conflict, AlreadyExists, QuotaExceeded])
def test_what_may_pass_says_how_long_to_wait(kind: type[Transient]) -> None:
    error = kind("not now", retry_after=7)
    assert ("not now", 7) == (str(error), error.retry_after)
    assert kind("not now").retry_after is None


def test_what_stays_says_why() -> None:
    assert "Forbidden" == Permanent("never", reason="Forbidden").reason
    assert "Refused" == Permanent("never").reason


@pytest.mark.parametrize("kind", [Transient, Permanent])
def test_every_surprise_is_one_of_ours(kind: type[BuildStateError]) -> None:
    assert issubclass(kind, BuildStateError)
