"""Saving, archiving, erasing, loading, with a fault at each step: it ends as without one."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from tests.stores.contracts import RECORD
from tests.stores.lines import KEYS, counted
from tests.stores.states import CURRENT, HOME, NAMESPACE, UID, a_bundle

from buildstate.domain.errors import Transient
from buildstate.stores.contracts import Area, Blob, Place, Store
from buildstate.stores.memories import MemoryStore
from buildstate.stores.persistences import Loaded, StatePersistence
from buildstate.stores.sealings import Sealing

PLACE = Place(NAMESPACE, UID, "demo")
AWAY = Place(NAMESPACE, UID, "demo", Area.ARCHIVED)
NEVER = 10_000

Act = Callable[[StatePersistence], Awaitable[object]]
Look = Callable[["Faulty"], Awaitable[None]]

BOTH = pytest.mark.parametrize("is_sealed", [False, True], ids=["plain", "sealed"])


class Faulty(MemoryStore):
    """Fails once, before or after one of its steps; counts them from 1."""

    def __init__(self, *, is_sealed: bool = False) -> None:
        super().__init__()
        self.steps = 0
        self.before = self.after = NEVER
        self.store: Store = self
        if is_sealed:
            self.store = Sealing(self, KEYS, counted(), must_be_encrypted=True)

    @property
    def persistence(self) -> StatePersistence:
        """Another process, which knows nothing of the others."""
        return StatePersistence(self.store)

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

    async def everything(self) -> dict[str, bytes]:
        """All documents, decrypted, and none of them damaged."""
        self.before = self.after = NEVER
        found = {path: await self.store.read(path) for path in self._blobs}
        assert not [path for path, blob in found.items() if blob is None or blob.damage]
        return {path: blob.data for path, blob in found.items() if blob}

    def stored(self) -> dict[str, bytes]:
        """All documents as they are stored."""
        return {path: blob.data for path, blob in self._blobs.items()}


async def a_store(*, is_sealed: bool = False) -> Faulty:
    """A build with some states, two checkpoints, one of them incomplete, and an index."""
    store = Faulty(is_sealed=is_sealed)
    persistence = store.persistence
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
    found = await store.persistence.load_state(NAMESPACE, UID)
    assert isinstance(found, Loaded)
    assert found.document["state"]["sequence"] in (3, 5)
    assert "" == found.gaps
    for name in (RECORD.name, "8-test-2f9b02ac"):
        kept = [await store.load(place, name) for place in (PLACE, AWAY)]
        assert replace(RECORD, name=name) in kept


async def nothing_is_asked(_store: Faulty) -> None:
    """There is nothing to look at in between."""


@BOTH
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
    act: Act, look: Look, moment: str, is_sealed: bool
) -> None:
    undisturbed = await prepared(act, is_sealed=is_sealed)
    await act(undisturbed.persistence)
    steps, wanted = undisturbed.steps, await undisturbed.everything()
    assert steps > 2
    for step in range(1, steps + 1):
        store = await prepared(act, is_sealed=is_sealed)
        setattr(store, moment, step)
        with pytest.raises(Transient, match=moment):
            await act(store.persistence)
        assert not is_sealed or [] == plain(store)
        await look(store)
        await act(store.persistence)
        assert wanted == await store.everything(), f"{moment} step {step}"
        assert not is_sealed or [] == plain(store)


def plain(store: Faulty) -> list[str]:
    """The documents in which anything of the build can be read."""
    words = (NAMESPACE.encode(), UID.encode(), b"phase", b"entries")
    return [path for path, data in store.stored().items() if any(word in data for word in words)]


def test_what_is_plain_would_be_seen() -> None:
    store = Faulty()
    store._blobs["active/index.json"] = Blob(b'{"builds":{"team/uid":{"phase":"BUILD"}}}', "1")
    assert ["active/index.json"] == plain(store)


async def prepared(act: Act, *, is_sealed: bool) -> Faulty:
    """What the act begins with."""
    store = await a_store(is_sealed=is_sealed)
    if act is repair:
        await store.remove(CURRENT)
        store.steps = 0
    return store


@BOTH
async def test_an_interrupted_act_may_be_interrupted_again(is_sealed: bool) -> None:
    undisturbed = await a_store(is_sealed=is_sealed)
    await archive(undisturbed.persistence)
    steps, wanted = undisturbed.steps, await undisturbed.everything()
    for first in range(1, steps, 3):
        for second in range(1, steps, 3):
            store = await a_store(is_sealed=is_sealed)
            store.before = first
            with pytest.raises(Transient):
                await archive(store.persistence)
            store.steps, store.after = 0, second
            try:
                await archive(store.persistence)
            except Transient:
                store.after = NEVER
                await archive(store.persistence)
            assert wanted == await store.everything(), (first, second)
