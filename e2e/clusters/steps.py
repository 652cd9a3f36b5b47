"""Progress of long steps for people, on standard error."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LINE_EVERY = 15.0
REDRAW_EVERY = 1.0
# Steps within steps: only the innermost tells how it goes, since they share one line.
running: list[str] = []


@contextmanager
def step(what: str, expected: str = "") -> Iterator[None]:
    """Say what is being done, for how long already, and how long it took in the end."""
    label = f"{what} ({expected})" if expected else what
    started = time.monotonic()
    done = threading.Event()
    ticker = threading.Thread(target=_tick, args=(label, started, done), daemon=True)
    running.append(label)
    ticker.start()
    outcome = "failed after"
    try:
        yield
        outcome = "done in"
    finally:
        done.set()
        ticker.join()
        running.remove(label)
        _say(f"{what}: {outcome} {time.monotonic() - started:.1f} s", last=True)


def note(text: str) -> None:
    """Say one thing."""
    _say(text, last=True)


def _tick(label: str, started: float, done: threading.Event) -> None:
    # Steps of a moment say only that they are done.
    pause = REDRAW_EVERY
    while not done.wait(pause):
        if running[-1:] == [label]:
            _say(f"{label} ... {time.monotonic() - started:.0f} s", last=False)
        pause = REDRAW_EVERY if sys.stderr.isatty() else LINE_EVERY


def _say(text: str, *, last: bool) -> None:
    if sys.stderr.isatty():
        # Back to the first column, and clear what a longer line left.
        print(f"\r\033[K{text}", end="\n" if last else "", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)
