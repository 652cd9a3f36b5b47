"""StatePersistence: what is saved, loaded, repaired, listed, archived and erased."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.stores.clusters import FakeCluster
from tests.stores.contracts import RECORD
from tests.stores.states import (
    AWAY,
    BACKUPS,
    CURRENT,
    HOME,
    NAMESPACE,
    UID,
    a_bundle,
    a_long_bundle,
    a_time,
)

from buildstate.domain import integrity
from buildstate.domain.errors import Conflict
from buildstate.domain.validation import validate
from buildstate.stores import bundles
from buildstate.stores.bundles import StateDamage, StateFilter
from buildstate.stores.configmaps import ConfigMapStore
from buildstate.stores.contracts import Area, Place
from buildstate.stores.memories import MemoryStore
from buildstate.stores.persistences import BACKUPS as BACKUPS_KEPT
from buildstate.stores.persistences import Archived, Loaded, Saved, StatePersistence

PLACE = Place(NAMESPACE, UID, "demo")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def persistence(store: MemoryStore) -> StatePersistence:
    return StatePersistence(store)


async def body(store: MemoryStore, path: str) -> Any:
    """A document, parsed."""
    blob = await store.read(path)
    assert blob is not None, path
    return json.loads(blob.data)


async def loaded(persistence: StatePersistence) -> Loaded:
    """What is loaded, which must be something."""
    found = await persistence.load_state(NAMESPACE, UID)
    assert isinstance(found, Loaded), found
    return found


async def refused(persistence: StatePersistence, bundle: Any) -> str:
    """Why a bundle is not saved."""
    found = await persistence.save_state(bundle)
    assert isinstance(found, StateDamage)
    return found.reason


# What is not saved.


async def test_a_state_that_breaks_a_law_changes_nothing(
    store: MemoryStore, persistence: StatePersistence
) -> None:
    tampered = a_bundle(2)
    tampered["state"]["phase"] = "TEST"
    floating = a_bundle(2)
    floating["spec"] = {"factor": 1.5}
    foreign = a_bundle(2)
    foreign["state"] = {**foreign["state"], "id": "another"}
    wrong: list[Any] = [tampered, floating, foreign, {}, {"build": {}, "spec": {}, "state": {}}]
    for bundle in wrong:
        assert bundles.INVALID == await refused(persistence, bundle)
    assert [] == await store.list("")
    assert not await persistence.flush_index()


async def test_an_older_state_does_not_replace_a_newer_one(persistence: StatePersistence) -> None:
    await persistence.save_state(a_bundle(3))
    assert bundles.STALE == await refused(persistence, a_bundle(2))
    assert 3 == (await loaded(persistence)).document["state"]["sequence"]


async def test_of_two_who_save_the_slower_one_is_told(
    store: MemoryStore, persistence: StatePersistence, monkeypatch: pytest.MonkeyPatch
) -> None:
    await persistence.save_state(a_bundle(1))
    swap = store.swap

    async def raced(path: str, data: bytes, version: str | None) -> None:
        monkeypatch.undo()
        await StatePersistence(store).save_state(a_bundle(3))
        await swap(path, data, version)

    monkeypatch.setattr(store, "swap", raced)
    with pytest.raises(Conflict):
        await persistence.save_state(a_bundle(2))
    assert 3 == (await loaded(persistence)).document["state"]["sequence"]


# What is saved.


async def test_a_saved_state_is_loaded_as_it_was(
    store: MemoryStore, persistence: StatePersistence
) -> None:
    bundle = a_bundle(2)
    assert Saved() == await persistence.save_state(bundle)
    found = await loaded(persistence)
    assert (Area.ACTIVE, None, "") == (found.area, found.repaired, found.gaps)
    assert bundle.items() <= found.document.items()
    assert integrity.verify(await body(store, CURRENT))


async def test_the_same_state_again_writes_nothing(
    store: MemoryStore, persistence: StatePersistence, monkeypatch: pytest.MonkeyPatch
) -> None:
    await persistence.save_state(a_bundle(2))
    for verb in ("create", "write", "swap"):
        monkeypatch.delattr(MemoryStore, verb)
    assert Saved(is_news=False) == await persistence.save_state(a_bundle(2))


async def test_each_transition_is_stored_once(
    store: MemoryStore, persistence: StatePersistence
) -> None:
    for sequence in (0, 1, 3, 5):
        await persistence.save_state(a_bundle(sequence))
    names = ["000000000001-000000000001", "000000000002-000000000003", "000000000004-000000000005"]
    assert [f"{HOME}history/{name}.json" for name in names] == await store.list(f"{HOME}history/")
    history = await persistence.history(NAMESPACE, UID)
    assert a_bundle(5)["state"]["history"] == history


async def test_the_history_goes_back_further_than_the_status(persistence: StatePersistence) -> None:
    for sequence in range(20, 101, 20):
        await persistence.save_state(a_long_bundle(sequence))
    assert list(range(1, 101)) == [
        entry["sequence"] for entry in await persistence.history(NAMESPACE, UID)
    ]
    assert "" == (await loaded(persistence)).gaps


async def test_the_state_before_is_kept_when_the_phase_changes(
    store: MemoryStore, persistence: StatePersistence
) -> None:
    await persistence.save_state(a_bundle(1))
    await persistence.save_state(a_bundle(1, status="Waiting"))
    assert [] == await store.list(BACKUPS)
    before = await store.read(CURRENT)
    await persistence.save_state(a_bundle(2))
    backup = await store.read(f"{BACKUPS}000000000001.json")
    assert before is not None
    assert backup is not None
    assert before.data == backup.data


async def test_the_oldest_backups_go(store: MemoryStore, persistence: StatePersistence) -> None:
    for sequence in range(131):
        await persistence.save_state(a_long_bundle(sequence))
        assert len(await store.list(BACKUPS)) <= 2 * BACKUPS_KEPT
    kept = await store.list(BACKUPS)
    assert len(kept) >= BACKUPS_KEPT
    assert f"{BACKUPS}000000000129.json" == kept[-1]


# What is loaded when something is wrong.


async def test_what_was_never_saved_is_not_found(persistence: StatePersistence) -> None:
    found = await persistence.load_state(NAMESPACE, UID)
    assert isinstance(found, StateDamage)
    assert bundles.NOT_THERE == found.reason
    assert "restore the build from a checkpoint" in found.message


def altered(data: bytes) -> bytes:
    """A state in which somebody wrote another phase, with fresh digests."""
    document = json.loads(data)
    state = {**document["state"], "phase": "COMPLETE"}
    whole = {**document, "state": {**state, "digest": integrity.digest(state)}}
    return integrity.canonical({**whole, "digest": integrity.digest(whole)})


DAMAGES = [
    lambda data: b"",
    lambda data: data[: len(data) // 2],
    lambda data: data.replace(b"TEST", b"INIT"),
    lambda data: data.replace(b'"team"', b'"teaM"'),
    lambda data: b"[" * 100_000,
    lambda data: b'{"digest": 1.5}',
    lambda data: b"\xff",
    altered,
]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_state_gives_way_to_the_newest_good_backup(
    store: MemoryStore, persistence: StatePersistence, damage: Any
) -> None:
    for sequence in range(4):
        await persistence.save_state(a_bundle(sequence))
    blob = await store.read(CURRENT)
    assert blob is not None
    await store.write(CURRENT, damage(blob.data))
    await store.write(f"{BACKUPS}000000000002.json", damage(blob.data))
    found = await loaded(persistence)
    assert 1 == found.document["state"]["sequence"]
    assert found.repaired is not None
    assert f"{BACKUPS}000000000001.json was put in its place" in found.repaired
    assert found.document == await body(store, CURRENT)
    assert (await loaded(persistence)).repaired is None


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_state_without_a_backup_is_said_to_be_damaged(
    store: MemoryStore, persistence: StatePersistence, damage: Any
) -> None:
    await persistence.save_state(a_bundle(3))
    blob = await store.read(CURRENT)
    assert blob is not None
    await store.write(CURRENT, damage(blob.data))
    found = await persistence.load_state(NAMESPACE, UID)
    assert isinstance(found, StateDamage)
    assert found.reason in (bundles.UNREADABLE, bundles.INVALID)
    assert CURRENT in found.message
    assert found in [
        StateDamage(found.reason, found.message, one.namespace, one.uid)
        for one in (await persistence.list_states()).damaged
    ]


async def test_a_state_of_another_build_is_not_loaded(
    store: MemoryStore, persistence: StatePersistence
) -> None:
    await persistence.save_state(a_bundle(3))
    blob = await store.read(CURRENT)
    assert blob is not None
    for namespace, uid in ((NAMESPACE, "other"), ("other", UID)):
        await store.write(f"active/{namespace}/{uid}/current_state.json", blob.data)
        found = await persistence.load_state(namespace, uid)
        assert isinstance(found, StateDamage)
        assert bundles.INVALID == found.reason


async def test_a_lost_state_comes_back_from_its_backup(
    store: MemoryStore, persistence: StatePersistence
) -> None:
    for sequence in range(3):
        await persistence.save_state(a_bundle(sequence))
    await store.remove(CURRENT)
    found = await loaded(persistence)
    assert 1 == found.document["state"]["sequence"]
    assert "it is missing" in str(found.repaired)


async def test_transitions_that_the_store_lacks_are_added(
    store: MemoryStore, persistence: StatePersistence
) -> None:
    await persistence.save_state(a_bundle(2))
    await persistence.save_state(a_bundle(4))
    await store.remove(f"{HOME}history/000000000001-000000000002.json")
    found = await loaded(persistence)
    assert ("the history was completed from the state", "") == (found.repaired, found.gaps)
    assert a_bundle(4)["state"]["history"] == await persistence.history(NAMESPACE, UID)
    assert (await loaded(persistence)).repaired is None


async def test_a_history_that_contradicts_the_state_gives_way(
    store: MemoryStore, persistence: StatePersistence
) -> None:
    await persistence.save_state(a_bundle(2))
    await persistence.save_state(a_bundle(4))
    path = f"{HOME}history/000000000001-000000000002.json"
    document = await body(store, path)
    document["entries"][0]["time"] = a_time(59)
    forged = integrity.canonical({**document, "digest": integrity.digest(document)})
    for bad in (forged, b"torn"):
        await store.write(path, bad)
        found = await loaded(persistence)
        assert ("the history was completed from the state", "") == (found.repaired, found.gaps)
        assert (await loaded(persistence)).repaired is None
    assert a_bundle(4)["state"]["history"] == await persistence.history(NAMESPACE, UID)


async def test_what_is_lost_of_the_history_for_good_is_said(
    store: MemoryStore, persistence: StatePersistence
) -> None:
    for sequence in range(20, 101, 20):
        await persistence.save_state(a_long_bundle(sequence))
    await store.remove(f"{HOME}history/000000000021-000000000040.json")
    await store.write(f"{HOME}history/000000000001-000000000020.json", b"torn")
    found = await loaded(persistence)
    assert found.repaired is None
    assert "it begins with 41" in found.gaps
    assert "000000000001-000000000020.json is damaged" in found.gaps


# Listing.


async def test_a_listing_has_what_fits(store: MemoryStore, persistence: StatePersistence) -> None:
    await persistence.save_state(a_bundle(5))
    other = a_bundle(2, id="other")
    other["build"] = {"namespace": "red", "name": "first", "labels": {}}
    await persistence.save_state(other)
    await store.save(Place("red", "has-no-state", "x"), RECORD)
    noon = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
    for chosen, names in (
        (StateFilter(), ["first", "demo"]),
        (StateFilter(phase="BUILD"), ["first"]),
        (StateFilter(status="Succeeded"), ["demo"]),
        (StateFilter(namespace="red"), ["first"]),
        (StateFilter(older_than=noon), ["first"]),
        (StateFilter(newer_than=noon), ["demo"]),
        (StateFilter(labels={"team": "blue"}), ["demo"]),
        (StateFilter(labels={"team": "blue"}, phase="BUILD"), []),
        (StateFilter(area=Area.ARCHIVED), []),
    ):
        listing = await persistence.list_states(chosen)
        assert names == [state.name for state in listing.states]
        assert () == listing.damaged


# Archiving and erasing.


async def test_an_archived_build_is_moved_and_marked(
    store: MemoryStore, persistence: StatePersistence
) -> None:
    for sequence in (3, 5):
        await persistence.save_state(a_bundle(sequence))
    await store.save(PLACE, RECORD)
    history = await persistence.history(NAMESPACE, UID)
    await store.create(f"{HOME}checkpoints/half.payload", b"incomplete")
    assert Archived(5) == await persistence.archive_state(NAMESPACE, UID)
    assert [] == await store.list(HOME)
    assert RECORD == await store.load(Place(NAMESPACE, UID, area=Area.ARCHIVED), RECORD.name)
    assert [RECORD.name] == await store.names(Place(NAMESPACE, UID, area=Area.ARCHIVED))
    found = await loaded(persistence)
    assert (Area.ARCHIVED, "Archived") == (found.area, found.document["state"]["status"])
    assert validate(found.document["state"], UID)
    assert history == await persistence.history(NAMESPACE, UID)
    listing = await persistence.list_states(StateFilter(area=Area.ARCHIVED, status="Archived"))
    assert ["demo"] == [state.name for state in listing.states]


async def test_archiving_twice_moves_nothing_more(persistence: StatePersistence) -> None:
    await persistence.save_state(a_bundle(5))
    await persistence.archive_state(NAMESPACE, UID)
    before = await loaded(persistence)
    assert Archived(0) == await persistence.archive_state(NAMESPACE, UID)
    assert before == await loaded(persistence)


async def test_a_build_that_was_never_there_is_not_archived(persistence: StatePersistence) -> None:
    found = await persistence.archive_state(NAMESPACE, UID)
    assert isinstance(found, StateDamage)
    assert bundles.NOT_THERE == found.reason


async def test_a_damaged_state_is_repaired_before_it_is_archived(
    store: MemoryStore, persistence: StatePersistence
) -> None:
    for sequence in (4, 5):
        await persistence.save_state(a_bundle(sequence))
    await store.write(CURRENT, b"torn")
    assert isinstance(await persistence.archive_state(NAMESPACE, UID), Archived)
    assert 4 == (await loaded(persistence)).document["state"]["sequence"]


async def test_a_damaged_state_without_a_backup_stays_where_it_is(
    store: MemoryStore, persistence: StatePersistence
) -> None:
    await persistence.save_state(a_bundle(5))
    await store.save(PLACE, RECORD)
    await store.write(CURRENT, b"torn")
    assert isinstance(await persistence.archive_state(NAMESPACE, UID), StateDamage)
    assert RECORD == await store.load(PLACE, RECORD.name)
    assert [] == await store.list(AWAY)


async def test_a_build_of_which_only_checkpoints_are_kept_is_archived() -> None:
    store = ConfigMapStore("configmap", FakeCluster(), "buildstate-system")
    await store.save(PLACE, RECORD)
    persistence = StatePersistence(store)
    assert Archived(1) == await persistence.archive_state(NAMESPACE, UID, "demo")
    assert [] == await store.places(Area.ACTIVE)
    assert RECORD == await store.load(Place(NAMESPACE, UID, area=Area.ARCHIVED), RECORD.name)


async def test_a_state_that_is_archived_is_saved_there(
    store: MemoryStore, persistence: StatePersistence
) -> None:
    await persistence.save_state(a_bundle(5))
    await persistence.archive_state(NAMESPACE, UID)
    await persistence.save_state(a_bundle(5, status="Archived", metadata={"why": "done"}))
    assert [] == await store.list(HOME)
    assert {"why": "done"} == (await loaded(persistence)).document["state"]["metadata"]


async def test_a_manifest_that_was_wrapped_anew_meanwhile_is_taken_along(
    store: MemoryStore, persistence: StatePersistence
) -> None:
    archived = Place(NAMESPACE, UID, area=Area.ARCHIVED)
    await store.save(archived, RECORD)
    await store.save(PLACE, RECORD)
    await store.replace_manifest(PLACE, RECORD, b'{"key":"new"}')
    assert Archived(1) == await persistence.archive_state(NAMESPACE, UID)
    found = await store.load(archived, RECORD.name)
    assert found is not None
    assert b'{"key":"new"}' == found.manifest


async def test_an_erased_build_leaves_nothing(
    store: MemoryStore, persistence: StatePersistence
) -> None:
    for sequence in (3, 5):
        await persistence.save_state(a_bundle(sequence))
    await store.save(PLACE, RECORD)
    await persistence.archive_state(NAMESPACE, UID)
    await persistence.save_state(a_bundle(5))
    await store.create(f"{HOME}checkpoints/half.payload", b"incomplete")
    assert await persistence.erase_state(NAMESPACE, UID)
    await persistence.flush_index()
    assert ["active/index.json"] == await store.list("")
    assert {} == await persistence.index.read()
    assert 0 == await persistence.erase_state(NAMESPACE, UID)
