"""What stands around a store: asking again, within limits, and telling how it went."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from tests.stores.contracts import RECORD, IncompleteContract

from buildstate.domain.errors import AlreadyExists, Conflict, Permanent, Transient
from buildstate.stores.contracts import Place, Store
from buildstate.stores.decorators import Decorated, Operation, Patience, Retrying, Telling
from buildstate.stores.memories import MemoryStore

T = TypeVar("T")

PLACE = Place("team", "uid", "demo")
PATIENCE = Patience()
PATH = "active/team/uid/current_state.json"


class Failing(Decorated):
    """Fails as it was told, before or after what it does; None lets a call through."""

    def __init__(self, *errors: Exception | None, after: bool = False) -> None:
        super().__init__(MemoryStore())
        self._errors = list(errors)
        self._after = after
        self.calls: list[str] = []

    async def around(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        self.calls.append(operation)
        error = self._errors.pop(0) if self._errors else None
        if error is None:
            return await call()
        if self._after:
            await call()
        raise error


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


@pytest.fixture
def time() -> Time:
    return Time()


def retrying(store: Store, time: Time, patience: Patience = PATIENCE, chance: float = 1) -> Store:
    """The store with patience, at no cost of time."""
    return Retrying(store, patience, chance=lambda: chance, sleep=time.sleep, clock=time)


class TestRetrying(IncompleteContract):
    """The contract."""

    @pytest.fixture
    def store(self, time: Time) -> Store:
        return retrying(MemoryStore(), time)


class TestTelling(IncompleteContract):
    """The contract."""

    @pytest.fixture
    def store(self) -> Store:
        return Telling(MemoryStore(), lambda _operation: None)


async def test_what_passes_by_itself_is_asked_again(time: Time) -> None:
    store = Failing(Transient("once"), Transient("twice"))
    await retrying(store, time).save(PLACE, RECORD)
    assert ["save"] * 3 == store.calls
    assert [0.2, 0.4] == time.slept
    assert RECORD == await store.load(PLACE, RECORD.name)


async def test_what_does_not_pass_is_told_in_the_end(time: Time) -> None:
    store = Failing(*(Transient(str(number)) for number in range(9)))
    with pytest.raises(Transient, match="2"):
        await retrying(store, time).load(PLACE, "x")
    assert ["load"] * 3 == store.calls


@pytest.mark.parametrize("error", [Conflict("lost"), AlreadyExists("taken"), Permanent("no")])
async def test_what_asking_again_cannot_help_is_told_at_once(time: Time, error: Exception) -> None:
    store = Failing(error)
    with pytest.raises(type(error)):
        await retrying(store, time).create(PATH, b"")
    assert ["create"] == store.calls


async def test_asking_again_ends_when_the_time_is_up(time: Time) -> None:
    store = Failing(*(Transient("away") for _ in range(99)))
    patience = Patience(attempts=99, first=1, longest=1, total=3.5)
    with pytest.raises(Transient):
        await retrying(store, time, patience).load(PLACE, "x")
    assert [1, 1, 1] == time.slept


async def test_what_the_other_side_asked_for_is_waited(time: Time) -> None:
    store = Failing(Transient("busy", retry_after=7))
    await retrying(store, time).write(PATH, b"")
    assert [7] == time.slept
    with pytest.raises(Transient):
        await retrying(Failing(Transient("busy", retry_after=60)), time).write(PATH, b"")


async def test_those_who_failed_together_do_not_come_back_together(time: Time) -> None:
    for chance in (0.0, 0.5):
        await retrying(Failing(Transient("away")), time, chance=chance).write(PATH, b"")
    assert pytest.approx([0.1, 0.15]) == time.slept


async def test_a_write_whose_answer_was_lost_is_no_lost_race(time: Time) -> None:
    store = Failing(Transient("no answer"), after=True)
    await retrying(store, time).create(PATH, b"first")
    blob = await store.read(PATH)
    assert blob is not None
    store._errors = [Transient("no answer")]
    await retrying(store, time).swap(PATH, b"second", blob.version)
    store._errors = [Transient("no answer")]
    await retrying(store, time).save(PLACE, RECORD)
    assert RECORD == await store.load(PLACE, RECORD.name)


async def test_a_race_lost_to_another_after_a_failure_is_lost(time: Time) -> None:
    store = Failing(Transient("no answer"))
    await store.inner.create(PATH, b"of another")
    with pytest.raises(AlreadyExists):
        await retrying(store, time).create(PATH, b"ours")


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, "ok"),
        (Transient("away"), "transient"),
        (Conflict("lost"), "lost"),
        (AlreadyExists("taken"), "lost"),
        (Permanent("no"), "permanent"),
        (RuntimeError("a bug"), "permanent"),
    ],
)
async def test_every_operation_is_told(time: Time, error: Exception | None, result: str) -> None:
    told: list[Operation] = []

    class Slow(Failing):
        async def around(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
            await time.sleep(2)
            return await super().around(operation, call)

    store = Telling(Slow(error), told.append, clock=time)
    if error is None:
        await store.save(PLACE, RECORD)
    else:
        with pytest.raises(type(error)):
            await store.save(PLACE, RECORD)
    assert [Operation("memory", "save", result, 2)] == told


async def test_what_was_cancelled_is_told(time: Time) -> None:
    told: list[Operation] = []

    class Stuck(Failing):
        async def around(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
            await asyncio.Event().wait()
            return await call()

    task = asyncio.create_task(Telling(Stuck(), told.append, clock=time).read(PATH))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["cancelled"] == [operation.result for operation in told]


def test_what_stands_around_a_store_is_called_like_it() -> None:
    store = Retrying(Telling(MemoryStore("main"), lambda _operation: None))
    assert ("main", True, None) == (store.name, store.is_outside, store.limit)
