"""Results on standard output, everything else on standard error."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TextIO

EVERY = 5.0
"""Seconds between two lines of progress where nobody sits in front of it."""

TICK = 0.2
"""Seconds between two looks at how far it is."""

_CLEAR = "\r\x1b[K"


class Console:
    """Where results, progress and questions go.

    On a terminal the line of progress is written over; elsewhere one is written every few seconds.
    """

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        source: TextIO,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._out = out
        self._err = err
        self._source = source
        self._clock = clock
        self._is_live = err.isatty()
        self._is_dirty = False
        self._shown = clock()

    @property
    def can_ask(self) -> bool:
        """Say whether there is somebody who can answer."""
        return self._is_live and self._source.isatty()

    def say(self, text: str) -> None:
        """Give a part of the result."""
        self.clear()
        self._out.write(f"{text}\n")
        self._out.flush()

    def tell(self, text: str) -> None:
        """Tell what is no result: what was found out, what is wrong, what to do."""
        self.clear()
        self._err.write(f"{text}\n")
        self._err.flush()

    def show(self, text: str) -> None:
        """Show how far it is, in the place of what was shown before."""
        if self._is_live:
            width = shutil.get_terminal_size().columns - 1
            self._err.write(f"{_CLEAR}{text[:width]}")
            self._is_dirty = True
        elif self._clock() - self._shown >= EVERY:
            self._err.write(f"{text}\n")
            self._shown = self._clock()
        self._err.flush()

    def clear(self) -> None:
        """Take the line of progress away."""
        if self._is_dirty:
            self._err.write(_CLEAR)
            self._err.flush()
            self._is_dirty = False

    def agrees(self, question: str) -> bool:
        """Ask somebody who can answer; only a clear yes is one."""
        self.clear()
        self._err.write(f"{question} [y/N] ")
        self._err.flush()
        return self._source.readline().strip().lower() in ("y", "yes")

    @asynccontextmanager
    async def showing(self, words: Callable[[], str]) -> AsyncIterator[None]:
        """Show what `words` gives, again and again, for as long as the block takes."""
        self._shown = self._clock()
        task = asyncio.create_task(self._tick(words))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.clear()

    async def _tick(self, words: Callable[[], str]) -> None:
        while True:
            self.show(words())
            await asyncio.sleep(TICK)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give columns as wide as they must be; the last one is as long as it is."""
    lines = [header, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def printable(text: str) -> str:
    """Give `text` on one line and harmless to a terminal: it may come from anybody."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def counted(number: int, thing: str) -> str:
    """Give a number of things, in words that agree with it."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
