"""Saving, archiving, erasing, loading, with a fault at each step: it ends as without one."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from tests.stores.contracts import RECORD
from tests.stores.states import CURRENT, HOME, NAMESPACE, UID, a_bundle

from buildstate.domain.errors import Transient
from buildstate.stores.contracts import Area, Blob, Place
from buildstate.stores.memories import MemoryStore
from buildstate.stores.persistences import Loaded, StatePersistence

PLACE = Place(NAMESPACE, UID, "demo")
AWAY = Place(NAMESPACE, UID, "demo", Area.ARCHIVED)
NEVER = 10_000

Act = Callable[[StatePersistence], Awaitable[object]]
Look = Callable[["Faulty"], Awaitable[None]]


class Faulty(MemoryStore):
    """Fails once, before or after one of its steps; counts them from 1."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.before = self.after = NEVER

    def _begin(self) -> None:
        self.steps += 1
        if self.steps == self.before:
            self.before = NEVER
            raise Transient("before")

    def _end(self) -> None:
        if self.steps == self.after:
            self.after = NEVER
            raise Transient("after")

    async def read(self, path: str) -> Blob | None:
        self._begin()
        blob = await super().read(path)
        self._end()
        return blob

    async def write(self, path: str, data: bytes) -> None:
        """A create and a swap end in this, too."""
        self._begin()
        await super().write(path, data)
        self._end()

    async def remove(self, path: str) -> None:
        self._begin()
        await super().remove(path)
        self._end()

    async def list(self, prefix: str) -> list[str]:
        self._begin()
        found = await super().list(prefix)
        self._end()
        return found

    def everything(self) -> dict[str, bytes]:
        """All documents."""
        return {path: blob.data for path, blob in self._blobs.items()}


async def a_store() -> Faulty:
    """A build with some states, two checkpoints, one of them incomplete, and an index."""
    store = Faulty()
    persistence = StatePersistence(store)
    for sequence in (0, 2, 3):
        await persistence.save_state(a_bundle(sequence))
    await store.save(PLACE, RECORD)
    await store.save(PLACE, replace(RECORD, name="8-test-2f9b02ac"))
    await store.create(f"{HOME}checkpoints/9-test-3f9b02ac.payload", b"half")
    await persistence.flush_index()
    store.steps = 0
    return store


async def save(persistence: StatePersistence) -> None:
    """The state after two more steps, and the index."""
    await persistence.save_state(a_bundle(5))
    await persistence.flush_index()


async def archive(persistence: StatePersistence) -> None:
    """All of it put away, and the index."""
    await persistence.archive_state(NAMESPACE, UID)
    await persistence.flush_index()


async def erase(persistence: StatePersistence) -> None:
    """All of it removed, and the index."""
    await persistence.erase_state(NAMESPACE, UID)
    await persistence.flush_index()


async def repair(persistence: StatePersistence) -> None:
    """The state lost, and loaded again."""
    assert isinstance(await persistence.load_state(NAMESPACE, UID), Loaded)


async def rebuild(persistence: StatePersistence) -> None:
    """The index made anew."""
    await persistence.rebuild_index()


async def nothing_is_lost(store: Faulty) -> None:
    """Whatever was interrupted: a valid state is there, and both checkpoints."""
    found = await StatePersistence(store).load_state(NAMESPACE, UID)
    assert isinstance(found, Loaded)
    assert found.document["state"]["sequence"] in (3, 5)
    assert "" == found.gaps
    for name in (RECORD.name, "8-test-2f9b02ac"):
        kept = [await store.load(place, name) for place in (PLACE, AWAY)]
        assert replace(RECORD, name=name) in kept


async def nothing_is_asked(_store: Faulty) -> None:
    """There is nothing to look at in between."""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    ("act", "look"),
    [
        (save, nothing_is_lost),
        (archive, nothing_is_lost),
        (erase, nothing_is_asked),
        (repair, nothing_is_asked),
        (rebuild, nothing_is_lost),
    ],
)
async def test_whatever_is_interrupted_ends_as_if_it_had_not_been(
    act: Act, look: Look, moment: str
) -> None:
    undisturbed = await prepared(act)
    await act(StatePersistence(undisturbed))
    steps = undisturbed.steps
    assert steps > 2
    for step in range(1, steps + 1):
        store = await prepared(act)
        setattr(store, moment, step)
        with pytest.raises(Transient, match=moment):
            await act(StatePersistence(store))
        await look(store)
        # Another process, which knows nothing of the first.
        await act(StatePersistence(store))
        assert undisturbed.everything() == store.everything(), f"{moment} step {step}"


async def prepared(act: Act) -> Faulty:
    """What the act begins with."""
    store = await a_store()
    if act is repair:
        await store.remove(CURRENT)
        store.steps = 0
    return store


async def test_an_interrupted_act_may_be_interrupted_again() -> None:
    undisturbed = await a_store()
    await archive(StatePersistence(undisturbed))
    for first in range(1, undisturbed.steps, 3):
        for second in range(1, undisturbed.steps, 3):
            store = await a_store()
            store.before = first
            with pytest.raises(Transient):
                await archive(StatePersistence(store))
            store.steps, store.after = 0, second
            try:
                await archive(StatePersistence(store))
            except Transient:
                store.after = NEVER
                await archive(StatePersistence(store))
            assert undisturbed.everything() == store.everything(), (first, second)
