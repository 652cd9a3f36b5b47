"""Work that is small is done at once, and what is large keeps nobody waiting."""

import asyncio
import threading

import pytest

from buildstate.stores.threads import SMALL, worked


@pytest.mark.parametrize(("size", "is_elsewhere"), [(0, False), (SMALL, False), (SMALL + 1, True)])
async def test_only_what_is_large_goes_to_a_thread(size: int, is_elsewhere: bool) -> None:
    found = await worked(size, threading.get_ident)
    assert is_elsewhere == (found != threading.get_ident())


@pytest.mark.parametrize("size", [0, SMALL + 1])
async def test_what_fails_fails_as_it_would(size: int) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await worked(size, int, "x")


async def test_others_go_on_while_large_work_is_done() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work() -> bool:
        begun.set()
        return ended.wait(10)

    async def other() -> None:
        assert await asyncio.to_thread(begun.wait, 10)
        ended.set()

    done, _ = await asyncio.gather(worked(SMALL + 1, work), other())
    assert done
