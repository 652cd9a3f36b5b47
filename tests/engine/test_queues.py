import asyncio

import pytest

from buildstate.engine.queues import FIRST_DELAY, LONGEST_DELAY, WorkQueue


def a_queue(chance: float = 0.5) -> WorkQueue[str]:
    """A queue whose jitter is known: 0.5 is none at all."""
    return WorkQueue(chance=lambda: chance)


async def taken(queue: WorkQueue[str]) -> list[str]:
    """Every key that is ready now."""
    return [await queue.get() for _ in range(len(queue))]


async def test_keys_come_in_the_order_in_which_they_became_dirty() -> None:
    queue = a_queue()
    for key in "abc":
        queue.add(key)
    assert ["a", "b", "c"] == await taken(queue)


async def test_a_key_that_is_dirty_twice_comes_once() -> None:
    queue = a_queue()
    for key in "aab":
        queue.add(key)
    assert ["a", "b"] == await taken(queue)


async def test_a_key_that_is_worked_on_is_given_to_nobody_else() -> None:
    queue = a_queue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    assert 0 == len(queue)


async def test_a_key_that_became_dirty_while_it_was_worked_on_comes_again() -> None:
    queue = a_queue()
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    queue.add("a")
    queue.done(key)
    assert ["a"] == await taken(queue)


async def test_a_key_that_was_done_does_not_come_by_itself() -> None:
    queue = a_queue()
    queue.add("a")
    queue.done(await queue.get())
    assert 0 == len(queue)


async def test_who_waits_gets_what_comes() -> None:
    queue = a_queue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    assert "a" == await waiting


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
async def test_the_backoff_doubles_up_to_its_limit(chance: float) -> None:
    queue = a_queue(chance)
    delays = [queue.retry("a") for _ in range(40)]
    queue.close()
    jitter = 0.75 + chance / 2
    doubled = [min(LONGEST_DELAY, FIRST_DELAY * 2**n) * jitter for n in range(40)]
    expected = [min(LONGEST_DELAY, delay) for delay in doubled]
    assert pytest.approx(expected) == delays


async def test_a_key_that_went_well_begins_its_backoff_afresh() -> None:
    queue = a_queue()
    queue.retry("a")
    queue.retry("a")
    queue.forget("a")
    assert FIRST_DELAY == queue.retry("a")
    queue.close()


async def test_each_key_has_a_backoff_of_its_own() -> None:
    queue = a_queue()
    queue.retry("a")
    assert FIRST_DELAY == queue.retry("b")
    queue.close()


@pytest.mark.parametrize(("asked", "expected"), [(7.0, 7.0), (0.01, FIRST_DELAY)])
async def test_who_asks_to_wait_is_waited_for(asked: float, expected: float) -> None:
    queue = a_queue()
    assert expected == queue.retry("a", asked)
    queue.close()


async def test_an_appointment_is_kept() -> None:
    queue = a_queue()
    began = asyncio.get_running_loop().time()
    queue.add_after("a", 0.02)
    assert 0 == len(queue)
    assert "a" == await queue.get()
    assert asyncio.get_running_loop().time() - began >= 0.02


async def test_an_appointment_replaces_the_one_before() -> None:
    queue = a_queue()
    queue.add_after("a", 0.001)
    queue.add_after("a", 3600)
    queue.add_after("b", 0.01)
    assert ["b"] == [await queue.get()]
    assert 0 == len(queue)
    queue.close()


@pytest.mark.parametrize("seconds", [0, -1])
async def test_an_appointment_for_now_is_now(seconds: float) -> None:
    queue = a_queue()
    queue.add_after("a", 3600)
    queue.add_after("a", seconds)
    assert ["a"] == await taken(queue)


async def test_who_is_worked_on_needs_no_appointment_any_more() -> None:
    queue = a_queue()
    queue.add_after("a", 0.01)
    queue.add("a")
    queue.done(await queue.get())
    queue.add_after("b", 0.02)
    assert "b" == await queue.get()
    assert 0 == len(queue)


async def test_closing_cancels_every_appointment() -> None:
    queue = a_queue()
    queue.add_after("a", 0.001)
    queue.close()
    fired = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, fired.set)
    await fired.wait()
    assert 0 == len(queue)


async def test_the_time_in_the_queue_is_told() -> None:
    waits: list[float] = []
    queue: WorkQueue[str] = WorkQueue(observe_wait=waits.append)
    queue.add("a")
    await queue.get()
    assert 1 == len(waits)
    assert 0 <= waits[0] < 5
