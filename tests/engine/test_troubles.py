from datetime import timedelta

import pytest
from tests.worlds import NOW, after

from buildstate.domain.errors import BuildStateError, Permanent, Transient
from buildstate.engine.troubles import Troubles
from buildstate.kube.ports import Key

KEY, OTHER = Key("team", "demo"), Key("team", "other")
DOWN = Transient("it is down")
REFUSED = Permanent("it refuses", reason="Forbidden")


def pauses(error: BuildStateError, count: int) -> list[float]:
    """The seconds that a store is left alone after each failure."""
    troubles = Troubles()
    times = (troubles.note(KEY, error, NOW).retry_time - NOW for _ in range(count))
    return [time / timedelta(seconds=1) for time in times]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DOWN, [2, 4, 8, 16, 30, 30]),
        (REFUSED, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]),
        (Transient("busy", retry_after=20), [20, 20, 20, 20, 30]),
    ],
    ids=["what may pass", "what somebody must mend", "what says when"],
)
def test_a_store_is_left_alone_for_longer_and_longer(
    error: BuildStateError, expected: list[float]
) -> None:
    assert expected == pauses(error, len(expected))


@pytest.mark.parametrize(
    ("error", "reason", "is_permanent"),
    [
        (DOWN, "PersistenceError", False),
        (REFUSED, "Forbidden", True),
        (Permanent("no"), "PersistenceError", True),
    ],
)
def test_a_trouble_says_what_it_is(error: BuildStateError, reason: str, is_permanent: bool) -> None:
    trouble = Troubles().note(KEY, error, NOW)
    assert (reason, str(error), is_permanent) == (
        trouble.reason,
        trouble.message,
        trouble.is_permanent,
    )


def test_the_words_stay_those_of_the_first_failure_of_a_kind() -> None:
    troubles = Troubles()
    troubles.note(KEY, Transient("request 1 failed"), NOW)
    assert "request 1 failed" == troubles.note(KEY, Transient("request 2 failed"), NOW).message
    assert "it refuses" == troubles.note(KEY, REFUSED, NOW).message


def test_each_build_has_its_own_and_loses_it_when_all_is_well() -> None:
    troubles = Troubles()
    troubles.note(KEY, DOWN, NOW)
    assert troubles.of(OTHER, NOW) is None
    troubles.clear(KEY)
    assert troubles.of(KEY, NOW) is None
    assert after(2) == troubles.note(KEY, DOWN, NOW).retry_time


def test_a_clock_that_was_set_back_does_not_prolong_a_pause() -> None:
    troubles = Troubles()
    troubles.note(KEY, DOWN, NOW)
    known = troubles.of(KEY, after(-3600))
    assert known is not None
    assert after(-3600) == known.retry_time
