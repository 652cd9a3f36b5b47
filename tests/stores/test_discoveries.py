from dataclasses import replace

import pytest
from tests.stores.lines import KEYS, NEW, OLD, Line, content_at

from buildstate.domain.checkpoints import DamageReason
from buildstate.stores.contracts import Area, Place, Record
from buildstate.stores.discoveries import Discovery, discover
from buildstate.stores.keyrings import NO_KEYS, Keyring
from buildstate.stores.memories import MemoryStore


@pytest.fixture(params=[NEW, None], ids=["encrypted", "open"])
async def line(request: pytest.FixtureRequest) -> Line:
    """Six checkpoints: a full one, three deltas, a full one, a delta."""
    line = Line(MemoryStore(), request.param)
    await line.grow(6)
    return line


async def found(line: Line, least_epoch: int = 0, keyring: Keyring = KEYS) -> Discovery:
    """What the store alone tells of a build."""
    return await discover(line.store, line.place, line.expected, least_epoch, keyring)


def numbers(discovery: Discovery) -> list[int]:
    """The numbers of what can be trusted."""
    return [ref.number for ref in discovery.refs]


def reasons(discovery: Discovery) -> dict[int, str]:
    """Why what cannot be trusted is not, by number."""
    return {int(one.name.split("-")[0]): one.damage.reason for one in discovery.skipped}


async def lose(line: Line, index: int) -> Record:
    """Remove a checkpoint from the store."""
    record = await line.store.load(line.place, line.refs[index].name)
    assert record
    await line.store.delete(line.place, record.name)
    return record


async def fork(line: Line, at: int, number: int, epoch: int) -> Line:
    """A checkpoint upon the `at` first ones that the others know nothing of."""
    other = Line(line.store, line.key)
    other.refs, other.contents = line.refs[:at], line.contents[:at]
    await other.add({"fork": number, "epoch": epoch}, number=number, epoch=epoch, trigger="Request")
    return other


async def test_a_store_tells_what_the_status_held(line: Line) -> None:
    discovery = await found(line)
    assert list(discovery.refs) == line.refs
    assert discovery.newest == line.refs[-1]
    assert discovery.skipped == ()


async def test_an_empty_place_tells_nothing(line: Line) -> None:
    discovery = await discover(MemoryStore(), line.place, line.expected, 0, KEYS)
    assert discovery == Discovery((), ())
    assert discovery.newest is None


async def test_what_is_damaged_is_skipped_with_what_stands_on_it(line: Line) -> None:
    record = await lose(line, 2)
    await line.store.save(line.place, replace(record, payload=record.payload[:-1]))
    discovery = await found(line)
    assert numbers(discovery) == [1, 2, 5, 6]
    assert reasons(discovery) == {3: "PayloadAltered", 4: "ChainBroken"}


async def test_a_manifest_that_nobody_can_read_is_told_of(line: Line) -> None:
    record = await lose(line, 5)
    await line.store.save(line.place, replace(record, manifest=record.manifest[:-1]))
    discovery = await found(line)
    assert numbers(discovery) == [1, 2, 3, 4, 5]
    assert reasons(discovery) == {6: "ManifestUnreadable"}


async def test_half_a_checkpoint_is_invisible(line: Line) -> None:
    assert isinstance(line.store, MemoryStore)
    path = f"active/{line.place.namespace}/{line.place.uid}/checkpoints/9-build-00000000.payload"
    await line.store.create(path, b"half")
    assert reasons(await found(line)) == {}


async def test_a_name_that_nothing_can_have_is_told_of(line: Line) -> None:
    assert isinstance(line.store, MemoryStore)
    path = f"active/{line.place.namespace}/{line.place.uid}/checkpoints/7-manifest.json"
    await line.store.create(path, b"{}")
    discovery = await found(line)
    assert reasons(discovery) == {7: "SealMismatch"}
    assert numbers(discovery) == [1, 2, 3, 4, 5, 6]


async def test_what_lies_under_another_name_is_skipped(line: Line) -> None:
    record = await lose(line, 4)
    await line.store.save(line.place, replace(record, name="9-build-00000000"))
    assert reasons(await found(line)) == {9: "SealMismatch", 6: "ChainBroken"}


async def test_what_belongs_to_another_build_is_foreign(line: Line) -> None:
    other = Line(MemoryStore(), line.key, build_uid="33333333-cccc-4ccc-8ccc-333333333333")
    await other.grow(7)
    stranger = await lose(other, 6)
    await line.store.save(line.place, stranger)
    discovery = await found(line)
    assert list(discovery.refs) == line.refs
    assert reasons(discovery) == {7: "Foreign"}


async def test_an_older_epoch_is_not_chosen_again(line: Line) -> None:
    await line.add(content_at(7), epoch=1)
    assert numbers(await found(line, 1)) == [1, 2, 3, 4, 5, 6, 7]
    await lose(line, 6)
    discovery = await found(line, 1)
    assert discovery.newest is None
    assert reasons(discovery) == dict.fromkeys(range(1, 7), "Replayed")


async def test_a_newer_number_of_an_older_epoch_is_a_replay(line: Line) -> None:
    await line.add(content_at(7), epoch=1)
    await fork(line, 6, 9, 0)
    for least_epoch in (0, 1):
        discovery = await found(line, least_epoch)
        assert discovery.newest == line.refs[-1]
        assert reasons(discovery) == {9: "Replayed"}


async def test_of_two_with_one_number_that_of_the_chain_is_trusted(line: Line) -> None:
    orphan = (await fork(line, 4, 5, 0)).refs[-1]
    discovery = await found(line)
    assert list(discovery.refs) == line.refs
    assert [one.name for one in discovery.skipped] == [orphan.name]
    assert reasons(discovery) == {5: "ChainBroken"}


async def test_of_two_newest_with_one_number_none_is_trusted(line: Line) -> None:
    orphan = (await fork(line, 5, 6, 0)).refs[-1]
    discovery = await found(line)
    assert numbers(discovery) == [1, 2, 3, 4, 5]
    assert {one.name for one in discovery.skipped} == {orphan.name, line.refs[-1].name}


async def test_what_retention_dropped_is_not_missed(line: Line) -> None:
    for index in range(4):
        await lose(line, index)
    assert numbers(await found(line)) == [5, 6]


async def test_a_forged_checkpoint_is_found_where_all_are_encrypted() -> None:
    line = Line(MemoryStore(), NEW)
    await line.grow(2)
    forger = Line(line.store, None)
    forger.refs, forger.contents = list(line.refs), list(line.contents)
    await forger.add({"forged": True}, epoch=9)
    trusting, strict = await found(line), replace(line.expected, must_be_encrypted=True)
    # Without that demand nobody can know: so it is written in the reference.
    assert numbers(trusting) == [1, 2, 3]
    discovery = await discover(line.store, line.place, strict, 0, KEYS)
    assert list(discovery.refs) == line.refs
    assert reasons(discovery) == {3: "Downgraded"}


async def test_a_missing_key_is_worth_waiting_for() -> None:
    line = Line(MemoryStore(), OLD)
    await line.grow(2)
    discovery = await found(line, keyring=NO_KEYS)
    assert discovery.newest is None
    assert discovery.waits_for_a_key
    assert set(reasons(discovery).values()) == {DamageReason.KEY_MISSING}
    assert not (await found(line)).waits_for_a_key


async def test_an_archive_tells_the_same(line: Line) -> None:
    archive = MemoryStore()
    place = Place(line.place.namespace, line.place.uid, area=Area.ARCHIVED)
    for ref in line.refs:
        record = await line.store.load(line.place, ref.name)
        assert record
        await archive.save(place, record)
    discovery = await discover(archive, place, line.expected, 0, KEYS)
    assert list(discovery.refs) == line.refs
