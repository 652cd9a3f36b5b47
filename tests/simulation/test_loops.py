"""A loop without time: what is awaited comes at once, in an order that the seed decides."""

import asyncio
from random import Random

import pytest

from buildstate.testing import loops


def order(seed: int) -> list[int]:
    """The order in which tasks that are ready together come to their turn."""
    came: list[int] = []

    async def come(number: int) -> None:
        await asyncio.sleep(0)
        came.append(number)

    async def main() -> None:
        await asyncio.gather(*(come(number) for number in range(20)))

    loops.run(main, Random(seed))
    return came


def test_the_same_seed_is_the_same_order() -> None:
    assert order(1) == order(1)


def test_another_seed_is_another_order() -> None:
    assert order(1) != order(2)
    assert sorted(order(1)) == sorted(order(2))


def test_a_year_passes_in_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(365 * 86400)
        return asyncio.get_running_loop().time()

    assert 365 * 86400 == loops.run(main, Random(1))


def test_what_waits_for_less_comes_first() -> None:
    came: list[float] = []

    async def come(seconds: float) -> None:
        await asyncio.sleep(seconds)
        came.append(seconds)

    async def main() -> None:
        await asyncio.gather(*(come(seconds) for seconds in (3, 1, 2)))

    loops.run(main, Random(1))
    assert [1, 2, 3] == came


def test_who_waits_for_nothing_is_stuck_and_says_so() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(loops.Stuck):
        loops.run(main, Random(1))


def test_work_for_a_thread_is_done_at_once() -> None:
    async def main() -> int:
        return await asyncio.to_thread(lambda: 42)

    assert 42 == loops.run(main, Random(1))


def test_an_error_of_a_thread_is_raised() -> None:
    def fail() -> None:
        raise ValueError("bad")

    async def main() -> None:
        await asyncio.to_thread(fail)

    with pytest.raises(ValueError, match="bad"):
        loops.run(main, Random(1))


def test_what_goes_on_for_ever_is_ended_and_said() -> None:
    async def main() -> None:
        while True:  # noqa: ASYNC110 - it is to have no end
            await asyncio.sleep(0)

    with pytest.raises(loops.Stuck, match="for ever"):
        loops.run(main, Random(1))
