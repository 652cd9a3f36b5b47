"""A store that encrypts its documents: nothing leaves in the clear, nothing else is believed."""

import asyncio
from typing import Any

import pytest
from obstore.store import MemoryStore as ObjectMemory
from tests.stores.contracts import RECORD, IncompleteContract, winners
from tests.stores.lines import KEYS, NEW, OLD, counted
from tests.stores.states import AWAY, BACKUPS, CURRENT, HOME, NAMESPACE, UID, a_bundle
from tests.stores.states import a_long_bundle as long_bundle

from buildstate.domain.errors import AlreadyExists, Conflict, Transient
from buildstate.stores import bundles, histories, indexes
from buildstate.stores.bundles import StateDamage
from buildstate.stores.clouds import Bucket, CloudStore
from buildstate.stores.contracts import Blob, Place, Store
from buildstate.stores.decorators import Retrying
from buildstate.stores.keyrings import NO_KEYS, Keyring, KeyUnusable, MemoryKeyring
from buildstate.stores.memories import MemoryStore
from buildstate.stores.persistences import Archived, Loaded, Saved, StatePersistence
from buildstate.stores.sealings import Sealing, unsealed

PLACE = Place(NAMESPACE, UID, "demo")
ONLY_OLD = MemoryKeyring([OLD], OLD.name)


def sealing(store: Store, keyring: Keyring = KEYS, *, is_encrypted: bool = True) -> Sealing:
    """The store with encryption around it."""
    return Sealing(store, keyring, counted(), must_be_encrypted=is_encrypted)


class TestSealedMemory(IncompleteContract):
    """The contract, around memory."""

    @pytest.fixture
    def store(self) -> Store:
        return sealing(MemoryStore())


class TestSealedCloud(IncompleteContract):
    """The contract, around an object store with patience."""

    @pytest.fixture
    def store(self) -> Store:
        return sealing(Retrying(CloudStore("main", Bucket("a bucket in memory", ObjectMemory))))


class TestOpen(IncompleteContract):
    """The contract, where encryption is not on."""

    @pytest.fixture
    def store(self) -> Store:
        return sealing(MemoryStore(), NO_KEYS, is_encrypted=False)


@pytest.fixture
def bare() -> MemoryStore:
    """What is really stored."""
    return MemoryStore()


@pytest.fixture
def store(bare: MemoryStore) -> Sealing:
    return sealing(bare)


@pytest.fixture
async def persistence(store: Sealing) -> StatePersistence:
    """A build with three states, a history, backups, an index."""
    persistence = StatePersistence(store)
    for sequence in (0, 2, 3):
        await persistence.save_state(a_bundle(sequence))
    await persistence.flush_index()
    return persistence


async def stored(bare: MemoryStore) -> dict[str, bytes]:
    """Every document as it is stored."""
    found = {path: await bare.read(path) for path in await bare.list("")}
    return {path: blob.data for path, blob in found.items() if blob}


async def loaded(store: Store) -> Loaded | StateDamage:
    """What another process finds."""
    return await StatePersistence(store).load_state(NAMESPACE, UID)


# What is not to be believed.


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def plain(_data: bytes) -> bytes:
    return bundles.sealed(a_bundle(4))


@pytest.mark.parametrize(
    "spoil",
    [flipped, plain, lambda data: data[:-20], lambda data: data[:40], lambda _data: b""],
    ids=["flipped", "plain", "cut", "cut short", "empty"],
)
async def test_a_state_that_is_not_ours_gives_way_to_the_newest_backup(
    bare: MemoryStore, store: Sealing, persistence: StatePersistence, spoil: Any
) -> None:
    await bare.write(CURRENT, spoil((await stored(bare))[CURRENT]))
    found = await loaded(store)
    assert isinstance(found, Loaded)
    assert 2 == found.document["state"]["sequence"]
    assert CURRENT in (found.repaired or "")
    # For good, and it is encrypted again.
    assert b"phase" not in (await stored(bare))[CURRENT]
    again = await loaded(store)
    assert isinstance(again, Loaded)
    assert again.repaired is None


async def test_a_plain_state_without_a_backup_is_refused_and_says_what_to_do(
    bare: MemoryStore, store: Sealing
) -> None:
    before = bundles.sealed(a_bundle(2))
    await bare.create(CURRENT, before)
    found = await loaded(store)
    assert isinstance(found, StateDamage)
    assert "not encrypted, but all must be" in found.message
    assert "`rewrap --seal-plain`" in found.message
    assert {CURRENT: before} == await stored(bare)


async def test_documents_that_were_swapped_are_refused(
    bare: MemoryStore, store: Sealing, persistence: StatePersistence
) -> None:
    documents = await stored(bare)
    for source, data in documents.items():
        for target, kept in documents.items():
            if source != target:
                await bare.write(target, data)
                blob = await store.read(target)
                assert blob is not None
                assert (b"", True) == (blob.data, bool(blob.damage))
                await bare.write(target, kept)
    other = CURRENT.replace(UID, UID.replace("0001", "0002"))
    await bare.write(other, documents[CURRENT])
    listing = await persistence.list_states()
    assert [UID] == [state.uid for state in listing.states]
    assert ["Unreadable"] == [damage.reason for damage in listing.damaged]


async def test_an_older_document_at_its_own_path_is_believed_until_the_next_is_saved(
    bare: MemoryStore, store: Sealing, persistence: StatePersistence
) -> None:
    """What no encryption finds; `docs/reference/checkpoint-format.md` says so."""
    old = (await stored(bare))[CURRENT]
    await persistence.save_state(a_bundle(5))
    await bare.write(CURRENT, old)
    found = await loaded(store)
    assert isinstance(found, Loaded)
    assert 3 == found.document["state"]["sequence"]
    assert Saved() == await persistence.save_state(a_bundle(5))
    found = await loaded(store)
    assert isinstance(found, Loaded)
    assert 5 == found.document["state"]["sequence"]


async def test_a_damaged_history_is_made_whole_from_the_state(
    bare: MemoryStore, store: Sealing, persistence: StatePersistence
) -> None:
    for path in await bare.list(f"{HOME}history/"):
        await bare.write(path, b'{"entries":[],"digest":"sha256:0"}')
    found = await loaded(store)
    assert isinstance(found, Loaded)
    assert "" == found.gaps
    assert 3 == len(await persistence.history(NAMESPACE, UID))


async def test_a_planted_index_is_made_anew(
    bare: MemoryStore, store: Sealing, persistence: StatePersistence
) -> None:
    await bare.write(indexes.PATH, b'{"builds":{"team/planted":{"name":"x"}}}')
    assert await persistence.index.read() is None
    await persistence.save_state(a_bundle(5))
    await persistence.flush_index()
    assert [f"{NAMESPACE}/{UID}"] == list(await persistence.index.read() or {})
    assert b"sequence" not in (await stored(bare))[indexes.PATH]


async def test_a_history_that_is_lost_for_good_is_not_put_away_in_silence(
    bare: MemoryStore, store: Sealing
) -> None:
    persistence = StatePersistence(store)
    for sequence in (3, 90):
        await persistence.save_state(long_bundle(sequence))
    oldest = (await bare.list(f"{HOME}history/"))[0]
    await bare.write(oldest, flipped((await stored(bare))[oldest]))
    refused = await persistence.archive_state(NAMESPACE, UID)
    assert isinstance(refused, StateDamage)
    assert oldest in refused.message
    assert isinstance(await loaded(store), Loaded)
    # Whoever has looked at it removes it.
    await bare.remove(oldest)
    assert isinstance(await persistence.archive_state(NAMESPACE, UID), Archived)


async def test_a_damaged_history_is_made_whole_before_it_is_put_away(
    bare: MemoryStore, store: Sealing, persistence: StatePersistence
) -> None:
    for path in await bare.list(f"{HOME}history/"):
        await bare.write(path, flipped((await stored(bare))[path]))
    assert isinstance(await persistence.archive_state(NAMESPACE, UID), Archived)
    assert 3 == len(await persistence.history(NAMESPACE, UID))


# Keys that are not there.


async def test_a_missing_key_is_told_and_nothing_is_replaced(
    bare: MemoryStore, persistence: StatePersistence
) -> None:
    before = await stored(bare)
    without = StatePersistence(sealing(bare, ONLY_OLD))
    acts = (
        without.load_state(NAMESPACE, UID),
        without.save_state(a_bundle(5)),
        without.archive_state(NAMESPACE, UID),
        without.rebuild_index(),
        without.history(NAMESPACE, UID),
    )
    for act in acts:
        with pytest.raises(KeyUnusable, match=f"needs the key '{NEW.name}'") as missing:
            await act
        assert "KeyMissing" == missing.value.reason
    assert before == await stored(bare)
    assert isinstance(await loaded(sealing(bare)), Loaded)


async def test_a_missing_key_hides_only_the_builds_that_need_it(
    bare: MemoryStore, persistence: StatePersistence
) -> None:
    without = StatePersistence(sealing(bare, ONLY_OLD))
    other = UID.replace("0001", "0002")
    await without.save_state(a_bundle(2, id=other))
    listing = await without.list_states()
    assert [other] == [state.uid for state in listing.states]
    assert [("KeyMissing", UID)] == [(one.reason, one.uid) for one in listing.damaged]


async def test_what_is_encrypted_is_not_replaced_where_encryption_is_off(
    bare: MemoryStore, persistence: StatePersistence
) -> None:
    before = await stored(bare)
    without = StatePersistence(sealing(bare, NO_KEYS, is_encrypted=False))
    with pytest.raises(KeyUnusable, match="put it back"):
        await without.save_state(a_bundle(5))
    assert before == await stored(bare)


@pytest.mark.parametrize("keyring", [MemoryKeyring([OLD], NEW.name), NO_KEYS, MemoryKeyring([OLD])])
async def test_without_a_key_nothing_is_stored(bare: MemoryStore, keyring: Keyring) -> None:
    store = sealing(bare, keyring)
    for act in (
        store.create(CURRENT, b"{}"),
        store.write(CURRENT, b"{}"),
        store.swap(CURRENT, b"{}", None),
        StatePersistence(store).save_state(a_bundle(2)),
    ):
        with pytest.raises(KeyUnusable):
            await act
    assert {} == await stored(bare)


async def test_a_build_is_erased_though_its_key_is_lost(
    bare: MemoryStore, persistence: StatePersistence
) -> None:
    assert await StatePersistence(sealing(bare, ONLY_OLD)).erase_state(NAMESPACE, UID)
    assert [indexes.PATH] == list(await stored(bare))


# What is written.


async def test_nothing_of_a_build_leaves_in_the_clear(
    bare: MemoryStore, store: Sealing, persistence: StatePersistence
) -> None:
    async def look() -> None:
        documents = await stored(bare)
        assert len(documents) > 3
        for path, data in documents.items():
            assert data.startswith(b"buildstate.dev/document/v1\n"), path
            for word in (b"phase", b"BUILD", NAMESPACE.encode(), UID.encode(), b"blue"):
                assert word not in data, path

    await look()
    assert isinstance(await persistence.archive_state(NAMESPACE, UID), Archived)
    await persistence.flush_index()
    await look()
    assert await bare.list(AWAY)
    assert await bare.list(BACKUPS)


async def test_what_is_put_away_is_encrypted_for_its_new_path(
    bare: MemoryStore, store: Sealing, persistence: StatePersistence
) -> None:
    (source, *_) = await bare.list(f"{HOME}history/")
    before = (await stored(bare))[source]
    plain_text = await store.read(source)
    await persistence.archive_state(NAMESPACE, UID)
    target = source.replace("active", "archived")
    after = (await stored(bare))[target]
    assert before.split(b"\n", 2)[2] != after.split(b"\n", 2)[2]
    moved = await store.read(target)
    assert moved is not None
    assert plain_text is not None
    assert plain_text.data == moved.data


async def test_the_same_again_writes_nothing(
    bare: MemoryStore, store: Sealing, persistence: StatePersistence
) -> None:
    before = await stored(bare)
    another = StatePersistence(sealing(bare))
    assert Saved(is_news=False) == await another.save_state(a_bundle(3))
    await another.flush_index()
    (path, *_) = await bare.list(f"{HOME}history/")
    kept = await store.read(path)
    assert kept is not None
    await histories.keep(store, path, kept.data)
    assert before == await stored(bare)


async def test_a_document_is_created_once_though_its_bytes_are_never_the_same(
    bare: MemoryStore,
) -> None:
    stores = [sealing(bare) for _ in range(8)]
    won = await winners(*(store.create(CURRENT, b"the same") for store in stores))
    assert 1 == len(won)
    with pytest.raises(AlreadyExists):
        await stores[0].create(CURRENT, b"the same")


async def test_of_many_who_swap_the_same_one_wins(bare: MemoryStore, store: Sealing) -> None:
    await store.create(CURRENT, b"first")
    blob = await store.read(CURRENT)
    assert blob is not None
    raw = await bare.read(CURRENT)
    assert raw is not None
    assert raw.version == blob.version
    again = (sealing(bare).swap(CURRENT, b"second", blob.version) for _ in range(8))
    assert 1 == len(await winners(*again))


class Forgetful(MemoryStore):
    """Does what it is told, and loses the first answer."""

    def __init__(self) -> None:
        super().__init__()
        self.is_fresh = True

    async def write(self, path: str, data: bytes) -> None:
        await super().write(path, data)
        if self.is_fresh:
            self.is_fresh = False
            raise Transient("no answer")


@pytest.mark.parametrize("verb", ["create", "swap"])
async def test_a_write_whose_answer_was_lost_is_no_lost_race(verb: str) -> None:
    async def at_once(_seconds: float) -> None:
        await asyncio.sleep(0)

    store = sealing(Retrying(Forgetful(), sleep=at_once))
    await getattr(store, verb)(CURRENT, b"body", *([None] if verb == "swap" else []))
    blob = await store.read(CURRENT)
    assert blob is not None
    assert b"body" == blob.data
    with pytest.raises(Conflict):
        await store.swap(CURRENT, b"body", None)


async def test_checkpoints_pass_as_they_are(bare: MemoryStore, store: Sealing) -> None:
    await store.save(PLACE, RECORD)
    assert RECORD == await bare.load(PLACE, RECORD.name) == await store.load(PLACE, RECORD.name)
    assert RECORD.manifest == await store.manifest(PLACE, RECORD.name)
    path = f"{HOME}checkpoints/{RECORD.name}.payload"
    assert Blob(RECORD.payload, "1") == await store.read(path)


async def test_a_large_document_comes_back_whole(bare: MemoryStore, store: Sealing) -> None:
    large = b'{"a":"' + b"x" * 5_000_000 + b'"}'
    await store.write(CURRENT, large)
    blob = await store.read(CURRENT)
    assert blob is not None
    assert large == blob.data
    assert len((await stored(bare))[CURRENT]) < 10_000


async def test_the_store_within_can_be_had(bare: MemoryStore, store: Sealing) -> None:
    assert bare is unsealed(store)
    assert bare is unsealed(bare)
    assert (bare.name, bare.is_outside, bare.limit) == (store.name, store.is_outside, store.limit)
