"""A pause is over after its time, also where the clock is set back."""

from datetime import timedelta

import pytest
from tests.worlds import NOW, after

from buildstate.domain.pauses import end_of

PAUSE = timedelta(seconds=10)


@pytest.mark.parametrize("passed", [0, 5, 10, 3600])
def test_a_pause_ends_when_its_time_has_passed(passed: float) -> None:
    assert after(10) == end_of(NOW, PAUSE, after(passed))


def test_a_clock_that_is_a_little_behind_changes_nothing() -> None:
    assert after(10) == end_of(NOW, PAUSE, after(-9))


@pytest.mark.parametrize("back", [11, 3600, 86400])
def test_a_clock_that_was_set_back_makes_nobody_wait_for_what_it_lost(back: float) -> None:
    assert after(-back) == end_of(NOW, PAUSE, after(-back))


def test_no_pause_is_over_at_once() -> None:
    assert NOW == end_of(after(1), timedelta(0), NOW)
