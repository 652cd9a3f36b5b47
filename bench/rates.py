"""How fast a way of building is: all at once, and one at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter

Build = Callable[[str], Awaitable[None]]


async def all_at_once(build: Build, names: Sequence[str]) -> float:
    """Give builds a second when all of them are begun at once."""
    began = perf_counter()
    await asyncio.gather(*(build(name) for name in names))
    return len(names) / (perf_counter() - began)


async def one_at_a_time(build: Build, names: Sequence[str]) -> list[float]:
    """Give the seconds of each build when they are begun one after another."""
    seconds = []
    for name in names:
        began = perf_counter()
        await build(name)
        seconds.append(perf_counter() - began)
    return seconds


def numbered(prefix: str, count: int) -> list[str]:
    """Give that many names."""
    return [f"{prefix}-{number}" for number in range(count)]
