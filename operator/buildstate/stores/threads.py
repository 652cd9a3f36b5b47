"""Work that takes long enough to keep others waiting goes to a thread."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

SMALL = 64 * 1024
"""Bytes that are worked upon at once: some milliseconds at the most."""


async def worked(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Give what `work` gives; it works upon about `size` bytes, and nothing else waits for it."""
    if size <= SMALL:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
