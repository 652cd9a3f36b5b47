"""A clock that follows the time of the loop, until it jumps."""

import asyncio
from datetime import UTC, datetime, timedelta

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class SimulatedClock:
    """The clock on the wall of one machine; only jumps part it from the time of the world."""

    def __init__(self) -> None:
        self._off = timedelta()

    def now(self) -> datetime:
        """Give the present time in UTC, to the millisecond."""
        passed = round(asyncio.get_running_loop().time() * 1000)
        return BEGIN + timedelta(milliseconds=passed) + self._off

    def jump(self, seconds: float) -> None:
        """Go forward or back at once."""
        self._off += timedelta(seconds=seconds)
