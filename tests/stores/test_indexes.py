"""The index: coalesced, never losing what others wrote, and made anew from the states."""

import asyncio
import logging

import pytest
from tests.stores.states import NAMESPACE, UID, a_bundle

from buildstate.domain.errors import Conflict, Transient
from buildstate.stores.indexes import PATH
from buildstate.stores.memories import MemoryStore
from buildstate.stores.persistences import StatePersistence

KEY = f"{NAMESPACE}/{UID}"


class Counting(MemoryStore):
    """Counts the writes of the index, and fails the next of them as it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.failing: list[Exception] = []

    async def swap(self, path: str, data: bytes, version: str | None) -> None:
        if path == PATH:
            self.writes += 1
            if self.failing:
                raise self.failing.pop(0)
        await super().swap(path, data, version)


def of(uid: str, sequence: int = 1) -> dict[str, object]:
    """The state of another build."""
    return a_bundle(sequence, id=uid)


@pytest.fixture
def store() -> Counting:
    return Counting()


@pytest.fixture
def persistence(store: Counting) -> StatePersistence:
    return StatePersistence(store)


async def test_many_saves_are_one_write(store: Counting, persistence: StatePersistence) -> None:
    for number in range(50):
        await persistence.save_state(of(f"uid-{number}"))
    assert await persistence.flush_index()
    assert not await persistence.flush_index()
    assert 1 == store.writes
    assert 50 == len(await persistence.index.read() or {})


async def test_an_entry_says_how_a_build_stands(persistence: StatePersistence) -> None:
    await persistence.save_state(a_bundle(2))
    await persistence.flush_index()
    entry = (await persistence.index.read() or {})[KEY]
    assert {
        "name": "demo",
        "phase": "BUILD",
        "status": "Running",
        "sequence": 2,
        "time": "2026-03-01T12:02:00+00:00",
        "labels": {"team": "blue"},
    } == entry


async def test_writers_do_not_lose_what_others_wrote(store: Counting) -> None:
    writers = [StatePersistence(store) for _ in range(5)]
    for number, writer in enumerate(writers):
        await writer.save_state(of(f"uid-{number}"))
    await asyncio.gather(*(writer.flush_index() for writer in writers))
    assert 5 == len(await writers[0].index.read() or {})


async def test_an_older_state_does_not_go_back_in_the_index(
    store: Counting, persistence: StatePersistence
) -> None:
    late = StatePersistence(store)
    await late.save_state(a_bundle(1))
    await persistence.save_state(a_bundle(3))
    await persistence.flush_index()
    await late.flush_index()
    assert 3 == (await persistence.index.read() or {})[KEY]["sequence"]


async def test_an_archived_build_leaves_the_index(persistence: StatePersistence) -> None:
    await persistence.save_state(a_bundle(5))
    await persistence.flush_index()
    await persistence.archive_state(NAMESPACE, UID)
    await persistence.flush_index()
    assert {} == await persistence.index.read()


@pytest.mark.parametrize("damage", [b"torn", b"[]", b'{"builds": 7}', None])
async def test_an_index_that_cannot_be_read_is_made_anew(
    store: Counting, persistence: StatePersistence, damage: bytes | None
) -> None:
    for number in range(3):
        await persistence.save_state(of(f"uid-{number}"))
    if damage is not None:
        await store.write(PATH, damage)
    assert await persistence.index.read() is None
    other = StatePersistence(store)
    await other.save_state(a_bundle(2))
    await other.flush_index()
    assert 4 == len(await persistence.index.read() or {})


async def test_an_index_that_is_wrong_is_rebuilt(
    store: Counting, persistence: StatePersistence
) -> None:
    await persistence.save_state(a_bundle(2))
    await store.write(PATH, b'{"builds":{"gone/gone":{"sequence":9}}}')
    assert 1 == await persistence.rebuild_index()
    assert [KEY] == list(await persistence.index.read() or {})


async def test_what_could_not_be_written_is_written_later(
    store: Counting, persistence: StatePersistence
) -> None:
    await persistence.save_state(a_bundle(2))
    store.failing = [Transient("away")]
    with pytest.raises(Transient):
        await persistence.flush_index()
    assert await persistence.flush_index()
    assert [KEY] == list(await persistence.index.read() or {})


async def test_a_race_that_is_always_lost_is_given_up(
    store: Counting, persistence: StatePersistence
) -> None:
    await persistence.save_state(a_bundle(2))
    store.failing = [Conflict("lost") for _ in range(99)]
    with pytest.raises(Conflict, match="again and again"):
        await persistence.flush_index()
    assert store.writes < 20


async def test_what_is_noted_while_it_is_written_is_not_forgotten(
    store: Counting, persistence: StatePersistence, monkeypatch: pytest.MonkeyPatch
) -> None:
    await persistence.save_state(a_bundle(1))
    read = store.read

    async def meanwhile(path: str) -> object:
        monkeypatch.undo()
        await persistence.save_state(a_bundle(2))
        return await read(path)

    monkeypatch.setattr(store, "read", meanwhile)
    await persistence.flush_index()
    await persistence.flush_index()
    assert 2 == (await persistence.index.read() or {})[KEY]["sequence"]


async def test_the_index_is_written_now_and_then(
    store: Counting, persistence: StatePersistence, caplog: pytest.LogCaptureFixture
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 4:
            raise asyncio.CancelledError

    await persistence.save_state(a_bundle(2))
    store.failing = [Transient("away")]
    with caplog.at_level(logging.WARNING), pytest.raises(asyncio.CancelledError):
        await persistence.index.run(5, sleep)
    assert [5] * 4 == slept
    assert "the index waits: away" in caplog.text
    assert 2 == store.writes
