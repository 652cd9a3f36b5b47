"""What keeps a store that is down from occupying everybody."""

import asyncio
from pathlib import Path

import pytest
from tests.stores.clusters import FakeCluster
from tests.stores.contracts import RECORD, StoreContract
from tests.stores.test_decorators import PATH, PLACE, Failing, Time

from buildstate.domain.errors import AlreadyExists, Permanent, Transient
from buildstate.stores.breakers import Allowance, Sparing, spared
from buildstate.stores.configmaps import ConfigMapStore
from buildstate.stores.contracts import Store
from buildstate.stores.decorators import Decorated
from buildstate.stores.memories import MemoryStore
from buildstate.stores.volumes import VolumeStore

DOWN = Transient("store memory: it is down")


@pytest.fixture
def time() -> Time:
    return Time()


async def is_refused(store: Store) -> bool:
    """Whether a read is refused with the words of the outage."""
    try:
        await store.read(PATH)
    except Transient as error:
        return str(DOWN) == str(error)
    return False


async def test_a_store_that_failed_is_not_asked_until_its_pause_is_over(time: Time) -> None:
    inner = Failing(DOWN)
    store = Sparing(inner, clock=time)
    assert await is_refused(store)
    time.now = 0.9
    assert await is_refused(store)
    assert ["read"] == inner.calls
    time.now = 1.0
    assert not await is_refused(store)
    assert not await is_refused(store)
    assert ["read"] * 3 == inner.calls


async def test_the_pauses_grow_up_to_the_longest_and_begin_anew_when_it_was_well(
    time: Time,
) -> None:
    inner = Failing(*[DOWN] * 7, None, DOWN)
    store = Sparing(inner, Allowance(first=1, longest=8), clock=time)
    pauses: list[float] = []
    for _ in range(9):
        asked = len(inner.calls)
        began = time.now
        while len(inner.calls) == asked:
            time.now += 0.5
            await is_refused(store)
        pauses.append(time.now - began)
    assert [0.5, 1, 2, 4, 8, 8, 8, 8, 0.5] == pauses


async def test_the_refusal_says_when_to_come_again(time: Time) -> None:
    store = Sparing(Failing(Transient("busy", retry_after=20)), clock=time)
    with pytest.raises(Transient):
        await store.read(PATH)
    time.now = 5
    with pytest.raises(Transient, match="busy") as refused:
        await store.read(PATH)
    assert 15 == refused.value.retry_after


@pytest.mark.parametrize("answer", [AlreadyExists("taken"), Permanent("no", reason="Forbidden")])
async def test_a_store_that_refuses_has_answered(time: Time, answer: Exception) -> None:
    inner = Failing(DOWN, answer)
    store = Sparing(inner, clock=time)
    assert await is_refused(store)
    time.now = 2
    with pytest.raises(type(answer)):
        await store.save(PLACE, RECORD)
    await store.save(PLACE, RECORD)
    assert 3 == len(inner.calls)


class Hanging(Decorated):
    """Does nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.gate = asyncio.Event()
        self.waiting = 0
        self.error: Exception | None = None

    async def around(self, operation, call):  # type: ignore[no-untyped-def]
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        if self.error:
            raise self.error
        return await call()


async def test_only_so_many_wait_for_a_store_and_the_others_are_told() -> None:
    inner = Hanging()
    store = Sparing(inner, Allowance(at_once=3, queue=0.05))
    tasks = [asyncio.create_task(store.read(PATH)) for _ in range(10)]
    done, waiting = await asyncio.wait(tasks, timeout=0.5)
    assert (7, 3, 3) == (len(done), len(waiting), inner.waiting)
    assert all("3 calls have waited" in str(task.exception()) for task in done)
    inner.gate.set()
    assert [None] * 3 == await asyncio.gather(*waiting)
    assert await store.read(PATH) is None


async def test_only_one_asks_whether_it_is_back(time: Time) -> None:
    inner = Hanging()
    inner.error = DOWN
    inner.gate.set()
    store = Sparing(inner, clock=time)
    assert await is_refused(store)
    inner.gate.clear()
    inner.error, time.now = None, 5
    first = asyncio.create_task(store.read(PATH))
    await asyncio.sleep(0)
    assert await is_refused(store)
    assert 1 == inner.waiting
    inner.gate.set()
    assert await first is None
    assert not await is_refused(store)


async def test_those_on_their_way_when_the_first_one_failed_make_the_pause_no_longer(
    time: Time,
) -> None:
    inner = Hanging()
    inner.error = DOWN
    store = Sparing(inner, clock=time)
    tasks = [asyncio.create_task(is_refused(store)) for _ in range(5)]
    await asyncio.sleep(0.01)
    inner.gate.set()
    assert [True] * 5 == await asyncio.gather(*tasks)
    inner.error, time.now = None, 1.0
    assert not await is_refused(store)


async def test_who_gives_up_while_asking_lets_another_one_ask(time: Time) -> None:
    inner = Hanging()
    inner.error = DOWN
    inner.gate.set()
    store = Sparing(inner, clock=time)
    assert await is_refused(store)
    inner.gate.clear()
    inner.error, time.now = None, 5
    first = asyncio.create_task(store.read(PATH))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    inner.gate.set()
    assert not await is_refused(store)


def test_only_a_store_outside_of_the_cluster_is_spared(tmp_path: Path) -> None:
    outside, inside = VolumeStore("shared", tmp_path), ConfigMapStore("in", FakeCluster(), "own")
    assert isinstance(spared(outside), Sparing)
    assert spared(inside) is inside


class TestSparing(StoreContract):
    """It is a store like any other while that answers."""

    @pytest.fixture
    def store(self) -> Store:
        return Sparing(MemoryStore())
