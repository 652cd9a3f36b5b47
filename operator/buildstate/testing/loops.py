"""An event loop without time and without a world: time passes when nobody has anything to do.

What is ready is taken in an order that a seed decides, so the same seed is the same run.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")


MOST_STEPS = 30_000
"""Steps after which a world goes round in circles."""


class Stuck(Exception):
    """What was awaited will not happen: nobody does anything any more, or all the same for ever."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """A loop whose clock is a number; it has no sockets, no threads and no signals."""

    _ready: list[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._ready = []
        self._now = 0.0
        self._draw = chance.random
        self.steps = 0
        self.main: asyncio.Task[Any] | None = None
        self.trouble = ""

    def time(self) -> float:
        """Give the seconds since the world began."""
        return self._now

    def _run_once(self) -> None:
        self._take_timers()
        ready = self._ready
        if not ready or self.steps == MOST_STEPS:
            self._give_up(
                "something goes on for ever" if ready else "nobody does anything any more"
            )
        if len(ready) > 1:
            chosen = int(self._draw() * len(ready))
            ready[chosen], ready[-1] = ready[-1], ready[chosen]
        handle = ready.pop()
        self.steps += 1
        if not handle.cancelled():
            handle._run()  # noqa: SLF001 - what a loop is for

    def _give_up(self, trouble: str) -> None:
        if self.trouble or self.main is None:
            raise Stuck(trouble)
        self.trouble = trouble
        self.main.cancel()

    def _take_timers(self) -> None:
        timers = self._scheduled
        while timers and timers[0].cancelled():
            _forget(heapq.heappop(timers))
        if not self._ready and timers:
            self._now = max(self._now, timers[0].when())
        while timers and timers[0].when() <= self._now:
            timer = heapq.heappop(timers)
            _forget(timer)
            self._ready.append(timer)

    def run_in_executor(  # type: ignore[override] # it is done when it is asked for
        self, _executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Do the work at once: there are no threads."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _process_events(self, _events: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps who would have to be woken."""


def _forget(timer: asyncio.TimerHandle) -> None:
    timer._scheduled = False  # type: ignore[attr-defined]  # noqa: SLF001


def run(main: Callable[[], Coroutine[Any, Any, T]], chance: Random) -> T:
    """Give what `main` gives in a world of its own; raises Stuck where that cannot come."""
    loop = SimulatedLoop(chance)
    # Nothing of the order of things may hang on when memory is collected.
    loop.set_exception_handler(_raise)
    loop.main = loop.create_task(main())
    try:
        given: T = loop.run_until_complete(loop.main)
    except asyncio.CancelledError:
        raise Stuck(loop.trouble) from None
    else:
        return given
    finally:
        loop.close()


def _raise(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    raise context.get("exception") or RuntimeError(context["message"])
