import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from buildstate.domain.errors import AlreadyExists, Conflict, QuotaExceeded, Transient
from buildstate.engine import workers
from buildstate.engine.queues import FIRST_DELAY, WorkQueue
from buildstate.kube.ports import Key

A, B = Key("team", "a"), Key("team", "b")


class Shop:
    """Workers over a queue; `answers` says what becomes of each key."""

    def __init__(self, **answers: float | Exception | None) -> None:
        self.queue: WorkQueue[Key] = WorkQueue(chance=lambda: 0.5)
        self.answers = answers
        self.seen: list[Key] = []
        self.told: list[str] = []

    async def reconcile(self, key: Key) -> float | None:
        await asyncio.sleep(0)  # A real pass talks to the API server.
        self.seen.append(key)
        answer = self.answers.get(key.name)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def until(self, condition: Callable[[], bool], count: int = 1) -> None:
        """Work until something is so."""

        def hear(result: str, seconds: float) -> None:
            assert seconds >= 0
            self.told.append(result)

        tasks = workers.start(count, self.queue, self.reconcile, hear)
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - the queue has no event to wait for
                await asyncio.sleep(0)
        self.queue.close()
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)


async def test_an_exception_in_one_key_does_not_stop_the_others() -> None:
    shop = Shop(a=ZeroDivisionError())
    shop.queue.add(A)
    shop.queue.add(B)
    await shop.until(lambda: len(shop.told) >= 2)
    assert ([A, B], ["error", "ok"]) == (shop.seen[:2], shop.told[:2])


async def test_an_exception_is_logged_with_its_build(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(a=ZeroDivisionError())
    shop.queue.add(A)
    await shop.until(lambda: bool(shop.told))
    record = caplog.records[0]
    assert ("ERROR", "team/a") == (record.levelname, getattr(record, "build", None))
    assert record.exc_info


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Conflict("changed"), "conflict"),
        (AlreadyExists("taken"), "conflict"),
        (Transient("timeout"), "transient"),
        (QuotaExceeded("no room"), "quota"),
        (ValueError("what?"), "error"),
    ],
)
async def test_a_pass_that_failed_is_counted_by_its_kind_and_comes_again(
    error: Exception, expected: str
) -> None:
    shop = Shop(a=error)
    shop.queue.add(A)
    await shop.until(lambda: len(shop.told) >= 2)
    assert ([A, A], [expected, expected]) == (shop.seen[:2], shop.told[:2])


async def test_expected_failures_leave_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(a=Transient("timeout"), b=Conflict("changed"))
    shop.queue.add(A)
    shop.queue.add(B)
    await shop.until(lambda: len(shop.told) >= 2)
    assert [] == [record for record in caplog.records if record.exc_info]


async def test_a_server_that_asks_to_wait_is_waited_for() -> None:
    shop = Shop(a=Transient("busy", retry_after=3600))
    shop.queue.add(A)
    shop.queue.add(B)
    await shop.until(lambda: len(shop.told) >= 2)
    assert [A, B] == shop.seen


async def test_a_pass_that_asks_to_look_again_at_once_comes_again_at_once() -> None:
    shop = Shop(a=0)
    shop.queue.add(A)
    await shop.until(lambda: len(shop.told) >= 3)
    assert {A} == {*shop.seen}


async def test_a_pass_that_went_well_begins_the_backoff_afresh() -> None:
    shop = Shop()
    for _ in range(9):
        shop.queue.retry(A)
    shop.queue.add(A)
    await shop.until(lambda: bool(shop.told))
    assert FIRST_DELAY == shop.queue.retry(A)
    shop.queue.close()


async def test_one_key_is_never_with_two_workers() -> None:
    shop = Shop()
    busy, most = 0, 0

    async def reconcile(key: Key) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        shop.queue.add(A)
        for _ in range(3):
            await asyncio.sleep(0)
        busy -= 1

    shop.reconcile = reconcile  # type: ignore[method-assign]
    shop.queue.add(A)
    await shop.until(lambda: len(shop.told) >= 5, count=4)
    assert 1 == most


async def test_many_keys_are_worked_on_at_the_same_time() -> None:
    shop = Shop()
    meeting = asyncio.Barrier(2)

    async def reconcile(key: Key) -> None:
        await meeting.wait()

    shop.reconcile = reconcile  # type: ignore[method-assign]
    shop.queue.add(A)
    shop.queue.add(B)
    await shop.until(lambda: len(shop.told) >= 2, count=2)
    assert ["ok", "ok"] == shop.told
