import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.stores.lines import KEYS, NEW, OLD, Line, content_at, counted
from tests.stores.states import CURRENT, NAMESPACE, UID, a_bundle

from buildstate.domain.checkpoints import Damage, DamageReason
from buildstate.domain.errors import Conflict, Transient
from buildstate.stores import paths
from buildstate.stores.chains import Checkpoint, read_checkpoint
from buildstate.stores.contracts import Area, Blob, Place, Record, Store
from buildstate.stores.envelopes import inspect, unpack
from buildstate.stores.keyrings import NO_KEYS, Key, KeyUnusable, MemoryKeyring
from buildstate.stores.memories import MemoryStore
from buildstate.stores.persistences import Archived, Loaded, StatePersistence
from buildstate.stores.rotations import (
    MAX_ROUNDS,
    UNENCRYPTED,
    Outcome,
    Report,
    Step,
    keys_in_use,
    rewrap,
    rewrap_all,
)
from buildstate.stores.sealings import Sealing, unsealed

ONLY_NEW = MemoryKeyring([NEW], NEW.name)


class BusyStore(MemoryStore):
    """Lets others go first at each look and write, as a store over a network does."""

    async def manifest(self, place: Place, name: str) -> bytes | None:
        await asyncio.sleep(0)
        return await super().manifest(place, name)

    async def replace_manifest(self, place: Place, before: Record, manifest: bytes) -> None:
        await asyncio.sleep(0)
        await super().replace_manifest(place, before, manifest)


@pytest.fixture
async def line() -> Line:
    """Five checkpoints under the old key."""
    line = Line(BusyStore(), OLD)
    await line.grow(5)
    return line


async def records(line: Line) -> list[Record]:
    """What is stored of a line."""
    loaded = [await line.store.load(line.place, ref.name) for ref in line.refs]
    return [record for record in loaded if record]


async def rotate(line: Line, told: list[Step] | None = None) -> Report:
    """Rotate to the new key."""
    steps = [] if told is None else told
    return await rewrap_all(line.store, KEYS, steps.append, counted())


async def put(line: Line, record: Record) -> None:
    """Store a record whatever was there."""
    await line.store.delete(line.place, record.name)
    await line.store.save(line.place, record)


# One checkpoint.


async def test_what_was_altered_is_not_wrapped_anew(line: Line) -> None:
    first, second = (await records(line))[:2]
    for manifest in (b"", first.manifest[:-1], second.manifest.replace(b"Delta", b"Full")):
        assert isinstance(rewrap(replace(first, manifest=manifest), KEYS, counted()), Damage)


async def test_a_missing_old_key_is_told(line: Line) -> None:
    found = rewrap((await records(line))[0], ONLY_NEW, counted())
    assert isinstance(found, Damage)
    assert found.reason == DamageReason.KEY_MISSING


async def test_without_an_active_key_there_is_no_rotation(line: Line) -> None:
    record = (await records(line))[0]
    for keyring in (NO_KEYS, MemoryKeyring([OLD]), MemoryKeyring([OLD], NEW.name)):
        with pytest.raises(KeyUnusable, match="active"):
            rewrap(record, keyring, counted())


async def test_only_the_wrapped_key_is_another_one(line: Line) -> None:
    for record in await records(line):
        manifest = rewrap(record, KEYS, counted())
        assert isinstance(manifest, bytes)
        after = replace(record, manifest=manifest)
        before, now = inspect(record), inspect(after)
        assert not isinstance(before, Damage)
        assert not isinstance(now, Damage)
        assert now.key
        assert replace(before, key=None) == replace(now, key=None)
        assert now.key.name == NEW.name
        assert unpack(record, KEYS) == unpack(after, ONLY_NEW)
        assert rewrap(after, ONLY_NEW, counted()) is None


async def test_what_is_not_encrypted_stays_so() -> None:
    line = Line(MemoryStore(), None)
    await line.grow(1)
    assert rewrap((await records(line))[0], KEYS, counted()) is None


# A whole store.


async def test_what_cannot_be_wrapped_is_reported_and_stops_nothing(line: Line) -> None:
    broken = (await records(line))[1]
    await put(line, replace(broken, manifest=b"{}"))
    report = await rotate(line)
    assert report.counts == {Outcome.REWRAPPED: 4, Outcome.DAMAGED: 1}
    ((place, skipped),) = report.damaged
    assert (place, skipped.name) == (line.place, broken.name)
    assert skipped.damage.reason == DamageReason.MANIFEST_UNREADABLE
    assert not report.is_complete


async def test_a_store_that_fails_ends_it_and_asked_again_it_goes_on(line: Line) -> None:
    class Failing(MemoryStore):
        left = 2

        async def replace_manifest(self, place: Place, before: Record, manifest: bytes) -> None:
            if not self.left:
                raise Transient("503")
            self.left -= 1
            await super().replace_manifest(place, before, manifest)

    failing = Failing()
    for record in await records(line):
        await failing.save(line.place, record)
    line.store = failing
    with pytest.raises(Transient):
        await rotate(line)
    failing.left = 100
    assert (await rotate(line)).counts == {Outcome.CURRENT: 2, Outcome.REWRAPPED: 3}
    assert (await rotate(line)).counts == {Outcome.CURRENT: 5}


async def test_a_manifest_that_never_rests_is_a_conflict(line: Line) -> None:
    class Restless(MemoryStore):
        async def replace_manifest(self, place: Place, before: Record, manifest: bytes) -> None:
            raise Conflict("somebody was first")

    restless = Restless()
    await restless.save(line.place, (await records(line))[0])
    line.store = restless
    with pytest.raises(Conflict, match="ask again"):
        await rotate(line)


async def test_both_areas_are_rotated_and_each_step_is_told(line: Line) -> None:
    archived = Place("team-b", "other", area=Area.ARCHIVED)
    for record in await records(line):
        await line.store.save(archived, record)
    line.key = None
    await line.add(content_at(6))
    assert await keys_in_use(line.store) == {OLD.name: 10, UNENCRYPTED: 1}
    told: list[Step] = []
    report = await rotate(line, told)
    assert report.counts == {Outcome.REWRAPPED: 10, Outcome.UNENCRYPTED: 1}
    assert report.is_complete
    assert await keys_in_use(line.store) == {NEW.name: 10, UNENCRYPTED: 1}
    assert [(step.done, step.known) for step in told] == [(n, 11) for n in range(1, 12)]
    assert {step.place for step in told} == {line.place, archived}


async def test_an_unreadable_manifest_uses_no_key(line: Line) -> None:
    await put(line, replace((await records(line))[0], manifest=b"{}"))
    assert await keys_in_use(line.store) == {OLD.name: 4}


async def test_what_is_deleted_meanwhile_is_gone(line: Line) -> None:
    async def deleting(step: Step) -> None:
        await line.store.delete(line.place, line.refs[-1].name)

    tasks: list[Any] = []
    report = await rewrap_all(
        line.store, KEYS, lambda step: tasks.append(asyncio.create_task(deleting(step))), counted()
    )
    await asyncio.gather(*tasks)
    assert report.counts == {Outcome.REWRAPPED: 4, Outcome.GONE: 1}


async def test_builds_go_on_saving_under_either_key_while_a_rotation_runs(line: Line) -> None:
    """An operator that has not read the new keyring yet still wraps under the old key."""
    others = [Line(line.store, OLD, build=f"b{n}", build_uid=f"{n}" * 8) for n in range(4)]

    async def save(other: Line) -> None:
        for number in range(12):
            other.key = OLD if number < 6 else NEW
            await other.grow(1)
            await asyncio.sleep(0)

    saves = asyncio.gather(*[save(other) for other in others])
    first, second = await asyncio.gather(rotate(line), rotate(line))
    await saves
    assert first.is_complete
    assert second.is_complete
    last = await rotate(line)
    assert last.is_complete
    assert set(last.counts) <= {Outcome.CURRENT, Outcome.REWRAPPED}
    assert await keys_in_use(line.store) == {NEW.name: 5 + 4 * 12}
    for each in (line, *others):
        for ref, content in zip(each.refs, each.contents, strict=True):
            found = await read_checkpoint(
                each.store, each.place, each.refs, ref.name, each.expected, ONLY_NEW
            )
            assert isinstance(found, Checkpoint)
            assert found.content == content


async def test_what_is_saved_meanwhile_is_rotated_too(line: Line) -> None:
    late = Line(line.store, OLD, build="late", build_uid="99999999")
    task: list[Any] = []

    def told(step: Step) -> None:
        if step.done == 1:
            task.append(asyncio.create_task(late.grow(3)))

    report = await rewrap_all(line.store, KEYS, told, counted())
    await asyncio.gather(*task)
    assert report.counts == {Outcome.REWRAPPED: 8}
    assert await keys_in_use(line.store) == {NEW.name: 8}


async def test_a_rotation_ends_though_others_never_do(line: Line) -> None:
    late, tasks = Line(line.store, OLD, build="late", build_uid="99999999"), list[Any]()
    # One more is saved for each that is seen.
    report = await rewrap_all(
        line.store, KEYS, lambda step: tasks.append(asyncio.create_task(late.grow(1))), counted()
    )
    await asyncio.gather(*tasks)
    left = (await keys_in_use(line.store))[OLD.name]
    assert left > 0
    assert report.counts == {Outcome.REWRAPPED: 5 + len(late.refs) - left}


async def test_what_is_saved_but_not_yet_visible_when_it_is_listed_is_rotated_too() -> None:
    """The payload is there, and its manifest comes under the old key once it was looked for."""
    store = MemoryStore()
    first, late = Line(store, OLD), Line(MemoryStore(), OLD, build="late", build_uid="99999999")
    await first.grow(1)
    await late.grow(1)
    name, place = late.refs[0].name, late.place
    (record,) = await records(late)
    await store.create(paths.payload(place, name), record.payload)
    told: list[Step] = []

    def tell(step: Step) -> None:
        told.append(step)
        if step.outcome is Outcome.GONE:
            store._blobs[paths.manifest(place, name)] = Blob(record.manifest, "new")

    report = await rewrap_all(store, KEYS, tell, counted())
    assert {Outcome.REWRAPPED: 2} == report.counts
    assert [Outcome.REWRAPPED, Outcome.GONE, Outcome.REWRAPPED] == [step.outcome for step in told]
    assert [(1, 2), (2, 2), (2, 2)] == [(step.done, step.known) for step in told]
    assert report.is_complete
    assert {NEW.name: 2} == await keys_in_use(store)


async def test_half_a_checkpoint_does_not_keep_a_rotation_going(line: Line) -> None:
    await line.store.create(paths.payload(line.place, "9-test-00000000"), b"half")
    report = await rotate(line)
    assert {Outcome.REWRAPPED: 5, Outcome.GONE: 1} == report.counts
    assert report.is_complete


async def test_an_old_key_that_comes_back_is_wrapped_anew(line: Line) -> None:
    """As a copy does that was read before, and is written after."""
    before = (await records(line))[0]
    told: list[Step] = []

    class Undone(BusyStore):
        left = 2

        async def list(self, prefix: str) -> list[str]:
            if prefix.startswith("backups") and self.left:
                self.left -= 1
                await self.write(paths.manifest(line.place, before.name), before.manifest)
            return await super().list(prefix)

    undone = Undone()
    for record in await records(line):
        await undone.save(line.place, record)
    report = await rewrap_all(undone, KEYS, told.append, counted())
    assert {Outcome.REWRAPPED: 5} == report.counts
    assert 5 == len(told)
    assert report.is_complete
    assert {NEW.name: 5} == await keys_in_use(undone)


async def test_a_report_says_what_is_left(line: Line) -> None:
    await put(line, replace((await records(line))[1], manifest=b"{}"))
    line.key = None
    await line.add(content_at(6))
    assert {UNENCRYPTED: 1} == (await rotate(line)).left
    back = MemoryKeyring([OLD], OLD.name)
    report = await rewrap_all(line.store, back, lambda _step: None, counted())
    assert {NEW.name: 4, UNENCRYPTED: 1} == report.left
    assert not report.is_complete
    assert {DamageReason.KEY_MISSING, DamageReason.MANIFEST_UNREADABLE} == {
        skipped.damage.reason for _, skipped in report.damaged
    }


async def test_a_rotation_that_others_do_not_let_end_says_so() -> None:

    class Busy(BusyStore):
        async def list(self, prefix: str) -> list[str]:
            if prefix.startswith("backups"):
                await late.grow(1)
            return await super().list(prefix)

    busy = Busy()
    late = Line(busy, OLD)
    await late.grow(1)
    report = await rotate(late)
    assert not report.is_settled
    assert not report.is_complete
    # What came during the last look; one more came while that was counted.
    assert {OLD.name: 1} == report.left
    assert {OLD.name: 2, NEW.name: MAX_ROUNDS} == await keys_in_use(busy)


async def test_payloads_are_not_loaded(line: Line) -> None:
    class Lean(MemoryStore):
        async def read(self, path: str) -> Blob | None:
            assert not path.endswith(".payload")
            return await super().read(path)

    lean = Lean()
    for record in await records(line):
        await lean.create(paths.payload(line.place, record.name), record.payload)
        await lean.create(paths.manifest(line.place, record.name), record.manifest)
    assert {OLD.name: 5} == await keys_in_use(lean)
    report = await rewrap_all(lean, KEYS, lambda _step: None, counted())
    assert {Outcome.REWRAPPED: 5} == report.counts


# Documents.


def sealing(store: Store, key: Key = OLD) -> Sealing:
    """The store, encrypting under that key."""
    keyring = MemoryKeyring([OLD, NEW], key.name)
    return Sealing(store, keyring, counted(), must_be_encrypted=True)


async def mirrored(store: Store) -> dict[str, bytes]:
    """A build with three states, a history, backups, an archived one, an index; as it is stored."""
    persistence = StatePersistence(store)
    for sequence in (0, 2, 3):
        await persistence.save_state(a_bundle(sequence))
    other = a_bundle(2, id="other")
    await persistence.save_state(other)
    assert isinstance(await persistence.archive_state(NAMESPACE, "other"), Archived)
    await persistence.flush_index()
    return await everything(unsealed(store))


async def everything(store: Store) -> dict[str, bytes]:
    """All documents as they are given."""
    found = {path: await store.read(path) for path in await store.list("")}
    return {path: blob.data for path, blob in found.items() if blob}


async def test_plain_documents_stay_so_until_one_says_to_seal_them() -> None:
    bare = MemoryStore()
    before = await mirrored(bare)
    told: list[Step] = []
    report = await rewrap_all(sealing(bare, NEW), KEYS, told.append, counted())
    assert {Outcome.UNENCRYPTED: len(before)} == report.counts
    assert {UNENCRYPTED: len(before)} == report.left == await keys_in_use(bare)
    assert before == await everything(bare)
    report = await rewrap_all(sealing(bare, NEW), KEYS, told.append, counted(), seal_plain=True)
    assert {Outcome.SEALED: len(before)} == report.counts
    assert {} == report.left
    assert report.is_complete
    assert {NEW.name: len(before)} == await keys_in_use(bare)
    assert before == await everything(sealing(bare, NEW))
    assert sorted(before) == sorted({step.name for step in told})
    places = {Place("", ""), Place(NAMESPACE, UID), Place(NAMESPACE, "other", area=Area.ARCHIVED)}
    assert places == {step.place for step in told}
    found = await StatePersistence(sealing(bare, NEW)).load_state(NAMESPACE, UID)
    assert isinstance(found, Loaded)
    assert found.repaired is None
    assert "" == found.gaps


async def test_what_is_no_document_of_ours_is_never_sealed() -> None:
    bare, planted = MemoryStore(), (b"", b"\0garbage", b"[1]", b'{"a": 1}', b"buildstate.dev/docu")
    for number, data in enumerate(planted):
        await bare.create(f"active/team/uid/{number}.json", data)
    report = await rewrap_all(bare, KEYS, lambda _step: None, counted(), seal_plain=True)
    assert {Outcome.DAMAGED: len(planted)} == report.counts
    assert list(planted) == list((await everything(bare)).values())


async def test_a_document_is_wrapped_anew_and_its_bytes_stay() -> None:
    bare = MemoryStore()
    before = await mirrored(sealing(bare))
    assert {OLD.name: len(before)} == await keys_in_use(sealing(bare))
    contents = await everything(sealing(bare))
    report = await rewrap_all(sealing(bare), KEYS, lambda _step: None, counted())
    assert {Outcome.REWRAPPED: len(before)} == report.counts
    after = await everything(bare)
    assert after.keys() == before.keys()
    for path, data in after.items():
        first, line, body = data.split(b"\n", 2)
        assert (first, body) == tuple(before[path].split(b"\n", 2)[::2])
        assert line != before[path].split(b"\n", 2)[1]
    only_new = Sealing(bare, ONLY_NEW, counted(), must_be_encrypted=True)
    assert contents == await everything(only_new)
    # Once more changes nothing.
    report = await rewrap_all(sealing(bare), KEYS, lambda _step: None, counted())
    assert {Outcome.CURRENT: len(before)} == report.counts
    assert after == await everything(bare)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data.replace(OLD.name.encode(), b"2026-09"), DamageReason.KEY_MISSING),
        (lambda data: data.replace(b'"name"', b'"mane"'), DamageReason.MANIFEST_UNREADABLE),
        (lambda data: data[:70] + b"AAAA" + data[74:], DamageReason.DECRYPTION_FAILED),
    ],
)
async def test_a_document_that_cannot_be_wrapped_is_reported_and_stops_nothing(
    spoil: Callable[[bytes], bytes], reason: DamageReason
) -> None:
    bare = MemoryStore()
    before = await mirrored(sealing(bare))
    await bare.write(CURRENT, spoil(before[CURRENT]))
    # Sealing what is plain does not touch it either.
    report = await rewrap_all(bare, KEYS, lambda _step: None, counted(), seal_plain=True)
    assert {Outcome.REWRAPPED: len(before) - 1, Outcome.DAMAGED: 1} == report.counts
    ((place, skipped),) = report.damaged
    assert (Place(NAMESPACE, UID), CURRENT, reason) == (place, skipped.name, skipped.damage.reason)
    assert not report.is_complete
    assert spoil(before[CURRENT]) == (await everything(bare))[CURRENT]


async def test_states_are_saved_and_archived_while_a_rotation_runs() -> None:
    class Slow(MemoryStore):
        async def read(self, path: str) -> Blob | None:
            await asyncio.sleep(0)
            return await super().read(path)

        async def swap(self, path: str, data: bytes, version: str | None) -> None:
            await asyncio.sleep(0)
            await super().swap(path, data, version)

    bare = Slow()
    await mirrored(sealing(bare))

    async def go_on(store: Store) -> None:
        persistence = StatePersistence(store)
        for sequence in (4, 5):
            while True:
                try:
                    await persistence.save_state(a_bundle(sequence))
                    break
                except Conflict:
                    continue
        assert isinstance(await persistence.archive_state(NAMESPACE, UID), Archived)
        await persistence.flush_index()

    # An operator that has not read the new keyring yet still wraps under the old key.
    first, second, _ = await asyncio.gather(
        rewrap_all(bare, KEYS, lambda _step: None, counted()),
        rewrap_all(bare, KEYS, lambda _step: None, counted()),
        go_on(sealing(bare, OLD)),
    )
    last = await rewrap_all(bare, KEYS, lambda _step: None, counted())
    assert last.is_complete
    assert [NEW.name] == list(await keys_in_use(bare))
    only_new = StatePersistence(Sealing(bare, ONLY_NEW, counted(), must_be_encrypted=True))
    found = await only_new.load_state(NAMESPACE, UID)
    assert isinstance(found, Loaded)
    assert (5, Area.ARCHIVED, "") == (found.document["state"]["sequence"], found.area, found.gaps)
    assert 5 == len(await only_new.history(NAMESPACE, UID))
    assert not first.damaged
    assert not second.damaged


async def test_a_rotation_of_documents_that_was_interrupted_goes_on() -> None:
    class Failing(MemoryStore):
        left = 3

        async def swap(self, path: str, data: bytes, version: str | None) -> None:
            if self.left == 0:
                raise Transient("503")
            self.left -= 1
            await super().swap(path, data, version)

    failing, source = Failing(), MemoryStore()
    before = await mirrored(sealing(source))
    for path, data in before.items():
        await failing.create(path, data)
    with pytest.raises(Transient):
        await rewrap_all(failing, KEYS, lambda _step: None, counted())
    failing.left = 100
    report = await rewrap_all(failing, KEYS, lambda _step: None, counted())
    assert {Outcome.CURRENT: 3, Outcome.REWRAPPED: len(before) - 3} == report.counts
    assert await everything(sealing(source)) == await everything(sealing(failing))


async def test_without_an_active_key_no_document_is_touched() -> None:
    bare = MemoryStore()
    before = await mirrored(sealing(bare))
    for keyring in (NO_KEYS, MemoryKeyring([OLD]), MemoryKeyring([OLD], NEW.name)):
        with pytest.raises(KeyUnusable, match="active"):
            await rewrap_all(bare, keyring, lambda _step: None, counted(), seal_plain=True)
    assert before == await everything(bare)
