"""When a pause is over, whatever the clock does meanwhile."""

from datetime import datetime, timedelta


def end_of(since: datetime, pause: timedelta, now: datetime) -> datetime:
    """Give when the pause that began at `since` is over.

    Where the clock went back since then, nobody waits for the time that it lost: what would last
    longer than twice the pause is over now.
    """
    end = since + pause
    return now if end - now > 2 * pause else end
