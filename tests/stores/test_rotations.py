import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.stores.lines import KEYS, NEW, OLD, Line, content_at, counted

from buildstate.domain.checkpoints import Damage, DamageReason
from buildstate.domain.errors import Conflict, Transient
from buildstate.stores.chains import Checkpoint, read_checkpoint
from buildstate.stores.contracts import Area, Place, Record
from buildstate.stores.envelopes import inspect, unpack
from buildstate.stores.keyrings import NO_KEYS, KeyUnusable, MemoryKeyring
from buildstate.stores.memories import MemoryStore
from buildstate.stores.rotations import (
    UNENCRYPTED,
    Outcome,
    Report,
    Step,
    keys_in_use,
    rewrap,
    rewrap_all,
)

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
