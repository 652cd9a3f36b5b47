from datetime import UTC, datetime

from buildstate.api.fields import rfc3339
from buildstate.clocks import SystemClock


def test_the_time_is_as_exact_as_it_is_written() -> None:
    now = SystemClock().now()
    assert now == datetime.fromisoformat(rfc3339(now))


def test_the_time_is_that_of_this_machine_in_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs((now - before).total_seconds()) < 5
