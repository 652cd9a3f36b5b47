from dataclasses import replace
from typing import Any

import pytest
import zstandard
from tests.stores.lines import KEYS, NEW, OLD, Line, content_at

from buildstate.domain import contents
from buildstate.domain.checkpoints import CheckpointKind, CheckpointRef, Damage, DamageReason
from buildstate.domain.deltas import diff
from buildstate.domain.phases import BuildPhase
from buildstate.stores import paths
from buildstate.stores.chains import Checkpoint, Expected, find_newest, read_checkpoint
from buildstate.stores.contracts import Place, Record
from buildstate.stores.envelopes import Manifest, inspect, pack
from buildstate.stores.keyrings import NO_KEYS, Key, Keyring, MemoryKeyring
from buildstate.stores.memories import MemoryStore

DELTA = {"kind": "Delta"}


class CountingStore(MemoryStore):
    """Counts how often a checkpoint is loaded."""

    loads = 0

    async def load(self, place: Place, name: str) -> Record | None:
        self.loads += 1
        return await super().load(place, name)


@pytest.fixture(params=[NEW, None], ids=["encrypted", "open"])
async def line(request: pytest.FixtureRequest) -> Line:
    """Six checkpoints: a full one, three deltas, a full one, a delta."""
    line = Line(CountingStore(), request.param)
    await line.grow(6)
    return line


async def read(line: Line, index: int, **given: Any) -> Checkpoint | Damage:
    """Read one checkpoint of a line, counted from 0."""
    refs = given.get("refs", line.refs)
    keyring: Keyring = given.get("keyring", KEYS)
    expected: Expected = given.get("expected", line.expected)
    return await read_checkpoint(
        line.store, line.place, refs, line.refs[index].name, expected, keyring
    )


async def reason(line: Line, index: int, **given: Any) -> DamageReason | None:
    """Why a checkpoint is not restored, None if it is."""
    found = await read(line, index, **given)
    return found.reason if isinstance(found, Damage) else None


async def record(line: Line, index: int) -> Record:
    """What is stored of a checkpoint."""
    found = await line.store.load(line.place, line.refs[index].name)
    assert found
    return found


async def put(line: Line, stored: Record) -> None:
    """Store a record whatever was there, as somebody with the rights of the store can."""
    await line.store.delete(line.place, stored.name)
    await line.store.save(line.place, stored)


# What is not as the status says is not restored.


async def test_a_checkpoint_without_a_reference_is_missing(line: Line) -> None:
    found = await read(line, 2, refs=line.refs[3:])
    assert isinstance(found, Damage)
    assert found.reason == DamageReason.MISSING


async def test_a_checkpoint_that_is_not_stored_is_missing(line: Line) -> None:
    await line.store.delete(line.place, line.refs[0].name)
    assert await reason(line, 0) == DamageReason.MISSING


async def test_half_a_checkpoint_is_missing(line: Line) -> None:
    assert isinstance(line.store, MemoryStore)
    await line.store.remove(paths.payload(line.place, line.refs[4].name))
    assert await reason(line, 4) == DamageReason.MISSING


async def test_a_chain_without_one_of_its_records_is_broken_and_names_it(line: Line) -> None:
    await line.store.delete(line.place, line.refs[1].name)
    found = await read(line, 3)
    assert isinstance(found, Damage)
    assert found.reason == DamageReason.CHAIN_BROKEN
    assert line.refs[1].name in found.message
    assert await reason(line, 0) is None
    assert await reason(line, 5) is None


async def test_a_chain_without_one_of_its_references_is_broken_and_names_it(line: Line) -> None:
    found = await read(line, 3, refs=[line.refs[0], *line.refs[2:]])
    assert isinstance(found, Damage)
    assert found.reason == DamageReason.CHAIN_BROKEN
    assert line.refs[1].digest in found.message


async def test_references_that_lead_in_a_circle_are_a_broken_chain(line: Line) -> None:
    refs = [
        replace(ref, kind=CheckpointKind.DELTA, parent=line.refs[3].digest) for ref in line.refs
    ]
    assert await reason(line, 3, refs=refs) == DamageReason.CHAIN_BROKEN
    assert await reason(line, 5, refs=refs) == DamageReason.CHAIN_BROKEN


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "sha256:" + "0" * 64},
        {"number": 9},
        {"epoch": 3},
        {"sequence": 99},
        {"phase": BuildPhase.TEST},
        {"parent": "sha256:" + "0" * 64},
        {"parent": ""},
        {"kind": CheckpointKind.FULL},
        {"trigger": "Restore"},
    ],
    ids=repr,
)
async def test_a_reference_that_says_something_else_than_the_seal_is_refused(
    line: Line, change: dict[str, Any]
) -> None:
    refs = [*line.refs[:5], replace(line.refs[5], **change)]
    wanted = {DamageReason.SEAL_MISMATCH}
    # Nobody knows what that would be a delta of.
    wanted |= {DamageReason.CHAIN_BROKEN} if "parent" in change else set()
    assert await reason(line, 5, refs=refs) in wanted


@pytest.mark.parametrize("name", ["../../x", "", "x/y", "5-build-00000000"])
async def test_a_reference_whose_name_is_not_its_own_is_refused(line: Line, name: str) -> None:
    refs = [replace(line.refs[0], name=name)]
    found = await read_checkpoint(line.store, line.place, refs, name, line.expected, KEYS)
    assert isinstance(found, Damage)
    assert found.reason == DamageReason.SEAL_MISMATCH


async def test_every_byte_of_every_record_of_a_chain_counts(line: Line) -> None:
    for index in range(4):
        stored = await record(line, index)
        for part in ("manifest", "payload"):
            data = getattr(stored, part)
            for place in range(0, len(data), 11):
                flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
                await put(line, replace(stored, **{part: flipped}))
                assert await reason(line, 3) is not None
            await put(line, replace(stored, **{part: data[:-1]}))
            assert await reason(line, 3) is not None
        await put(line, stored)
    assert await reason(line, 3) is None


async def test_what_belongs_to_another_build_is_foreign(line: Line) -> None:
    for fields in (
        {"build_uid": "33333333-cccc-4ccc-8ccc-333333333333", "build": "other"},
        {"namespace": "team-b", "namespace_uid": "44444444-dddd-4ddd-8ddd-444444444444"},
        {"namespace_uid": "44444444-dddd-4ddd-8ddd-444444444444"},
    ):
        other = Line(MemoryStore(), line.key, **fields)
        await other.grow(6)
        for index in (0, 3, 4):
            mine, theirs = await record(line, index), await record(other, index)
            await put(line, replace(theirs, name=mine.name))
            assert await reason(line, index) == DamageReason.FOREIGN
            await put(line, replace(mine, payload=theirs.payload))
            # Without encryption the same content has the same bytes.
            is_altered = mine.payload != theirs.payload
            assert is_altered == (line.key is not None)
            assert is_altered == (await reason(line, index) is not None)
            await put(line, mine)
        # Even where the status was led to it.
        await put(line, await record(other, 0))
        found = await read_checkpoint(
            line.store, line.place, other.refs, other.refs[0].name, line.expected, KEYS
        )
        assert isinstance(found, Damage)
        assert found.reason == DamageReason.FOREIGN


async def test_a_namespace_that_is_gone_need_not_be_known(line: Line) -> None:
    expected = replace(line.expected, namespace_uid=None)
    assert await reason(line, 5, expected=expected) is None


async def test_an_older_checkpoint_under_a_newer_name_is_refused(line: Line) -> None:
    for older, newer in ((0, 4), (1, 2), (4, 5)):
        mine = await record(line, newer)
        await put(line, replace(await record(line, older), name=mine.name))
        assert await reason(line, newer) == DamageReason.SEAL_MISMATCH
        await put(line, mine)


async def test_a_checkpoint_of_an_older_epoch_is_no_stand_in(line: Line) -> None:
    # The same number, content and name of a phase, but before the restore.
    now = await line.add(content_at(7), epoch=1)
    before = Line(MemoryStore(), line.key)
    await before.grow(6)
    await before.add(content_at(7), epoch=0)
    await put(line, replace(await record(before, 6), name=now.name))
    assert await reason(line, 6) == DamageReason.SEAL_MISMATCH


async def test_a_forged_content_does_not_pass_without_encryption_either() -> None:
    line = Line(CountingStore(), None)
    await line.grow(4)
    for index in range(4):
        stored = await record(line, index)
        manifest = inspect(stored)
        assert isinstance(manifest, Manifest)
        forged = {**content_at(index + 1), "artifacts": ["forged"]}
        before = content_at(index)
        plain = contents.encode(forged if index == 0 else diff(before, forged))
        payload = zstandard.compress(plain)
        forgery = replace(manifest, size=len(payload), digest=contents.digest(payload))
        await put(line, Record(stored.name, forgery.encode(), payload))
        assert await reason(line, index) == DamageReason.CONTENT_ALTERED
        if index < 3:
            assert await reason(line, 3) == DamageReason.CHAIN_BROKEN
        await put(line, stored)


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"{}",
        b"[]",
        b'{"a":1.5}',
        b"not json",
        b'{"edit":{"set":[]},"format":"x"}',
        b"[" * 9999,
    ],
)
async def test_a_delta_that_is_none_is_refused(line: Line, plain: bytes) -> None:
    stored = await record(line, 1)
    manifest = inspect(stored)
    assert isinstance(manifest, Manifest)
    await put(line, pack(manifest.seal, plain, line.key, line.entropy))
    assert await reason(line, 1) == DamageReason.CONTENT_ALTERED


async def test_no_delta_makes_what_is_nested_deeper_than_it_can_be_itself(line: Line) -> None:
    deepest, before = nested(contents.MAX_LEVELS - 6), nested(contents.MAX_LEVELS)
    await line.add(before)
    change = {"object": {"a": {"object": {"a": {"set": deepest}}}}}
    delta = {"format": "buildstate.dev/delta/v1", "edit": change}
    line.record({"a": {"a": deepest}}, **DELTA)
    await put(line, pack(line.seal, contents.encode(delta), line.key, line.entropy))
    line.refs.append(line.seal.reference())
    assert await reason(line, 7) is None
    with pytest.raises(ValueError, match="levels"):
        contents.encode({"a": delta})


def nested(levels: int) -> dict[str, Any]:
    """An object of that many levels."""
    document: dict[str, Any] = {}
    for _ in range(levels - 1):
        document = {"a": document}
    return document


async def test_what_a_delta_makes_is_limited_too(line: Line) -> None:
    await line.add({"a": "x" * 5000})
    await line.add({"a": "x" * 5000, "b": "y" * 5000}, **DELTA)
    expected = replace(line.expected, limit=6000)
    assert await reason(line, 6, expected=expected) is None
    assert await reason(line, 7, expected=expected) == DamageReason.CONTENT_ALTERED
    assert await reason(line, 6, expected=replace(expected, limit=4000)) == DamageReason.TOO_LARGE


async def test_what_must_be_encrypted_is(line: Line) -> None:
    expected = replace(line.expected, must_be_encrypted=True)
    wanted = None if line.key else DamageReason.DOWNGRADED
    assert await reason(line, 4, expected=expected) == wanted


async def test_a_missing_key_in_the_middle_of_a_chain_is_no_damage() -> None:
    line = Line(MemoryStore(), OLD)
    await line.grow(2)
    line.key = NEW
    await line.add(content_at(3), **DELTA)
    found = await read(line, 2, keyring=MemoryKeyring([NEW]))
    assert isinstance(found, Damage)
    assert found.reason == DamageReason.KEY_MISSING
    assert not found.is_lasting
    assert OLD.name in found.message
    assert await reason(line, 2) is None


# What is, is restored exactly.


@pytest.mark.parametrize("keys", [[NEW], [None], [NEW, None, OLD]], ids=["sealed", "open", "mixed"])
@pytest.mark.parametrize("full_every", [1, 8, 50])
async def test_each_of_50_checkpoints_comes_back_to_the_byte(
    keys: list[Key | None], full_every: int
) -> None:
    line = Line(MemoryStore())
    for number in range(50):
        line.key = keys[number % len(keys)]
        kind = "Delta" if number % full_every else "Full"
        await line.add(content_at(number + 1), kind=kind, epoch=number // 20)
    for index in range(50):
        found = await read(line, index)
        assert isinstance(found, Checkpoint)
        assert found.content == line.contents[index]
        assert found.document == content_at(index + 1)
        assert found.seal.digest == line.refs[index].digest


async def test_a_chain_is_loaded_once_and_no_more_than_it_needs(line: Line) -> None:
    assert isinstance(line.store, CountingStore)
    await read(line, 3)
    assert line.store.loads == 4
    await read(line, 4)
    assert line.store.loads == 5


# The newest that can be verified.


async def newest(line: Line, refs: list[CheckpointRef], keyring: Keyring = KEYS) -> Any:
    """The number of the newest that is found, and the numbers and reasons of what is not."""
    found = await find_newest(line.store, line.place, refs, line.expected, keyring)
    names = {ref.name: ref.number for ref in refs}
    number = found.checkpoint.seal.number if found.checkpoint else None
    return number, [(names[one.name], str(one.damage.reason)) for one in found.skipped]


async def test_the_newest_is_found_at_once(line: Line) -> None:
    assert (6, []) == await newest(line, line.refs)
    assert isinstance(line.store, CountingStore)
    assert line.store.loads == 2


async def test_a_damaged_one_is_skipped_for_the_one_before(line: Line) -> None:
    await put(line, replace(await record(line, 5), payload=b""))
    assert (5, [(6, "PayloadAltered")]) == await newest(line, line.refs)
    await line.store.delete(line.place, line.refs[4].name)
    skipped = [(6, "ChainBroken"), (5, "Missing")]
    assert (4, skipped) == await newest(line, line.refs[::-1])


async def test_a_damaged_full_one_takes_its_deltas_along_and_is_loaded_once(line: Line) -> None:
    assert isinstance(line.store, CountingStore)
    for index in (0, 4):
        await put(line, replace(await record(line, index), payload=b""))
    line.store.loads = 0
    number, skipped = await newest(line, line.refs)
    assert number is None
    reasons = ["ChainBroken", "PayloadAltered", *["ChainBroken"] * 3, "PayloadAltered"]
    assert reasons == [reason for _, reason in skipped]
    assert line.store.loads == 2


async def test_an_older_epoch_is_not_given_but_may_be_stood_on(line: Line) -> None:
    await line.add(content_at(7), epoch=1, **DELTA)
    found = await find_newest(line.store, line.place, line.refs, line.expected, KEYS, 1)
    assert found.checkpoint
    assert found.checkpoint.seal.number == 7
    await line.store.delete(line.place, line.refs[-1].name)
    found = await find_newest(line.store, line.place, line.refs, line.expected, KEYS, 1)
    assert found.checkpoint is None
    assert [one.damage.reason for one in found.skipped] == [DamageReason.MISSING]


async def test_without_references_there_is_none(line: Line) -> None:
    assert (None, []) == await newest(line, [])


async def test_a_newer_one_whose_key_is_missing_is_worth_waiting_for() -> None:
    line = Line(MemoryStore(), OLD)
    await line.add(content_at(1))
    line.key = NEW
    await line.add(content_at(2))
    only_old = MemoryKeyring([OLD])
    found = await find_newest(line.store, line.place, line.refs, line.expected, only_old)
    assert found.checkpoint
    assert found.checkpoint.seal.number == 1
    assert found.waits_for_a_key
    assert (None, [(2, "KeyMissing"), (1, "KeyMissing")]) == await newest(line, line.refs, NO_KEYS)
    await put(line, replace(await record(line, 1), payload=b""))
    found = await find_newest(line.store, line.place, line.refs, line.expected, only_old)
    assert not found.waits_for_a_key
