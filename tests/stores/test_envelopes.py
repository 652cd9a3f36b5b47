import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st
from tests.stores.lines import KEYS, NEW, OLD, content_at, counted, seal_of

from buildstate.domain import contents
from buildstate.domain.checkpoints import SEAL_FIELDS, CheckpointKind, Damage, DamageReason, Seal
from buildstate.domain.errors import Permanent
from buildstate.stores import envelopes
from buildstate.stores.contracts import Record
from buildstate.stores.envelopes import MAX_CONTENT, MAX_MANIFEST, inspect, pack, unpack
from buildstate.stores.keyrings import NO_KEYS, Key, MemoryKeyring

PLAIN = contents.encode(content_at(1))
SEAL = seal_of(PLAIN)
SEALED = pack(SEAL, PLAIN, NEW, counted())
OPEN = pack(SEAL, PLAIN, None, counted())
BOTH = pytest.mark.parametrize("record", [SEALED, OPEN], ids=["encrypted", "open"])


def reason(record: Record, **given: Any) -> DamageReason | None:
    """Why a record is refused, None if it is not."""
    found = unpack(record, KEYS, **given)
    return found.reason if isinstance(found, Damage) else None


def document(record: Record) -> Any:
    """The manifest of a record."""
    return json.loads(record.manifest)


def with_manifest(record: Record, manifest: Any) -> Record:
    """The record with another manifest."""
    return replace(record, manifest=contents.encode(manifest))


def with_plain(plain: bytes, frame: bytes | None = None, seal: Seal = SEAL) -> Record:
    """A record without encryption whose manifest agrees with its payload, whatever that is."""
    payload = zstandard.compress(plain) if frame is None else frame
    manifest = document(OPEN)
    manifest["payload"] |= {"size": len(payload), "digest": contents.digest(payload)}
    manifest["seal"] = seal.document()
    return Record(seal.name, contents.encode(manifest), payload)


# Any bytes are answered, and every alteration is found.


@given(st.binary(), st.binary())
def test_any_bytes_are_answered(manifest: bytes, payload: bytes) -> None:
    assert isinstance(unpack(Record("1-build-00000000", manifest, payload), KEYS), Damage)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
paths = st.sampled_from(
    [
        (),
        ("seal",),
        ("payload",),
        ("key",),
        ("payload", "size"),
        ("payload", "digest"),
        ("payload", "compression"),
        ("key", "name"),
        ("key", "wrapped"),
        *(("seal", wire) for _, wire in SEAL_FIELDS),
    ]
)


@given(paths, json_values)
@example(("payload", "size"), True)
@example(("payload", "digest"), "sha256:" + "A" * 64)
@example(("payload", "compression"), "none")
@example(("key", "name"), "../" + NEW.name)
@example(("key", "wrapped"), "")
@example(("key", "wrapped"), "ü")
@example(("key",), None)
@example(("seal", "number"), True)
@example(("seal", "number"), -1)
@example(("seal", "epoch"), 2**53)
@example(("seal", "phase"), "build")
@example(("seal", "kind"), "Delta")
@example(("seal", "time"), "2026-13-03T10:00:00Z")
@example(("seal", "time"), "2026-11-03T10:00:00+00:00")
@example(("seal", "parent"), "sha256:")
@example(("seal", "format"), "buildstate.dev/checkpoint/v2")
def test_any_value_in_a_manifest_is_answered(path: tuple[str, ...], value: Any) -> None:
    manifest = document(SEALED)
    place = {"": manifest}
    for name in ("", *path[:-1]):
        place = place[name]
    name = path[-1] if path else ""
    changed = {"": value} if not path else {"": manifest}
    if path:
        if repr(place[name]) == repr(value):
            return
        place[name] = value
    data = json.dumps(changed[""], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    record = replace(SEALED, manifest=data.encode(errors="surrogatepass"))
    assert isinstance(unpack(record, KEYS), Damage)


def flips(data: bytes) -> Iterator[bytes]:
    """The data with one bit altered, for each byte and each bit."""
    for place in range(len(data)):
        for bit in range(8):
            yield data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


@BOTH
def test_every_flipped_bit_is_found(record: Record) -> None:
    altered = [replace(record, payload=data) for data in flips(record.payload)]
    altered += [replace(record, manifest=data) for data in flips(record.manifest)]
    assert len(altered) == 8 * len(record.payload + record.manifest)
    assert [] == [one for one in altered if reason(one) is None]


@BOTH
def test_every_cut_is_found(record: Record) -> None:
    cut = [replace(record, payload=record.payload[:n]) for n in range(len(record.payload))]
    cut += [replace(record, manifest=record.manifest[:n]) for n in range(len(record.manifest))]
    cut += [replace(record, payload=record.payload + b"\0")]
    cut += [replace(record, manifest=record.manifest + b"\n")]
    assert [] == [one for one in cut if reason(one) is None]


def test_a_payload_that_agrees_with_its_manifest_is_still_that_of_its_key() -> None:
    # Who can write to the store can compute the digest anew, but not the tag.
    for payload in [*list(flips(SEALED.payload))[::7], SEALED.payload[:20], b"", OPEN.payload]:
        manifest = document(SEALED)
        manifest["payload"] |= {"size": len(payload), "digest": contents.digest(payload)}
        record = replace(with_manifest(SEALED, manifest), payload=payload)
        assert reason(record) == DamageReason.DECRYPTION_FAILED


@pytest.mark.parametrize("field", [name for name, _ in SEAL_FIELDS if name != "format"])
def test_another_seal_does_not_open_the_payload(field: str) -> None:
    other: dict[str, Any] = {
        "number": 2,
        "epoch": 1,
        "sequence": 9,
        "phase": "TEST",
        "kind": "Delta",
        "trigger": "Request",
        "parent": SEAL.digest,
        "time": "2026-11-03T10:00:00.001Z",
        "content_digest": SEAL.digest,
    }
    # A delta has a parent; both fields are bound by the same bytes.
    extra: dict[str, Any] = {"parent": SEAL.digest} if field == "kind" else {}
    seal = replace(SEAL, **{field: other.get(field, "other"), **extra})
    manifest = document(SEALED) | {"seal": seal.document()}
    record = replace(with_manifest(SEALED, manifest), name=seal.name)
    assert reason(record) == DamageReason.DECRYPTION_FAILED


def test_what_belongs_to_two_builds_cannot_be_mixed() -> None:
    seal = replace(SEAL, build_uid="33333333-cccc-4ccc-8ccc-333333333333")
    other = pack(seal, PLAIN, NEW, counted())
    assert reason(replace(other, manifest=SEALED.manifest)) == DamageReason.SEAL_MISMATCH
    assert reason(replace(SEALED, payload=OPEN.payload)) == DamageReason.PAYLOAD_ALTERED
    assert reason(replace(SEALED, name=other.name)) == DamageReason.SEAL_MISMATCH
    for part in ("seal", "payload", "key"):
        mixed = document(SEALED) | {part: document(other)[part]}
        name = other.name if part == "seal" else SEALED.name
        # With the same bytes from chance, the wrapped keys and payloads differ by their seals only.
        found = reason(replace(with_manifest(SEALED, mixed), name=name))
        assert found in {DamageReason.DECRYPTION_FAILED, DamageReason.PAYLOAD_ALTERED}


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 10_000,
        b'{"a":' * 3_000,
        b" " * MAX_MANIFEST + b"{}",
        SEALED.manifest.replace(b'"key"', b'"k\\u0065y"'),
        SEALED.manifest.replace(b'"size":', b'"size": '),
        SEALED.manifest.replace(b'"digest":', b'"digest":"","digest":'),
        SEALED.manifest.replace(b'"epoch":0', b'"epoch":0.0'),
        SEALED.manifest.replace(b'"epoch":0', b'"epoch":NaN'),
        SEALED.manifest.replace(b'"epoch":0', b'"epoch":' + b"9" * 5000),
        SEALED.manifest.replace(b'"key":{', b'"key":{"more":1,'),
    ],
    ids=lambda data: repr(data[:30]),
)
def test_a_manifest_that_is_none_is_unreadable(manifest: bytes) -> None:
    assert manifest != SEALED.manifest
    assert reason(replace(SEALED, manifest=manifest)) == DamageReason.MANIFEST_UNREADABLE


@pytest.mark.parametrize("part", ["seal", "payload", "key"])
def test_a_manifest_with_more_or_less_than_its_fields_is_unreadable(part: str) -> None:
    more, less, none = document(SEALED), document(SEALED), document(SEALED)
    more[part]["more"] = 1
    less[part].popitem()
    del none[part]
    for manifest in (more, less, none, {**document(SEALED), "more": 1}):
        found = reason(with_manifest(SEALED, manifest))
        assert found == DamageReason.MANIFEST_UNREADABLE


def test_the_base64_of_a_wrapped_key_is_the_only_one() -> None:
    manifest = document(SEALED)
    wrapped = base64.b64decode(manifest["key"]["wrapped"])
    for text in (
        base64.urlsafe_b64encode(b"\xff" * 60).decode(),
        base64.b64encode(wrapped[:-1]).decode(),
        base64.b64encode(wrapped + b"\0").decode(),
        manifest["key"]["wrapped"] + "\n",
        manifest["key"]["wrapped"] + "==",
        base64.b64encode(wrapped[:-1] + b"\0\0").decode()[:-4] + "AB==",
    ):
        manifest["key"]["wrapped"] = text
        assert reason(with_manifest(SEALED, manifest)) == DamageReason.MANIFEST_UNREADABLE


# What unpacks to too much, or to something else.


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    bomb = zstandard.compress(bytes(200_000_000))
    assert len(bomb) < 100_000
    assert reason(with_plain(b"", bomb)) == DamageReason.TOO_LARGE


def test_a_bomb_that_does_not_say_its_size_is_refused() -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=False)
    assert reason(with_plain(b"", compressor.compress(PLAIN))) == DamageReason.CONTENT_ALTERED
    stream = zstandard.ZstdCompressor().compressobj()
    frame = stream.compress(PLAIN) + stream.flush()
    assert reason(with_plain(b"", frame)) == DamageReason.CONTENT_ALTERED


def test_a_bomb_that_lies_about_its_size_is_refused() -> None:
    frame = zstandard.compress(b"x" * 1000)
    at = frame.index((1000 - 256).to_bytes(2, "little"))
    lying = frame[:at] + (10).to_bytes(2, "little") + frame[at + 2 :]
    assert zstandard.frame_content_size(lying) == 266
    assert reason(with_plain(b"", lying)) == DamageReason.CONTENT_ALTERED


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"x" * 50,
        OPEN.payload + b"\0",
        OPEN.payload * 2,
        OPEN.payload[:-1],
        b"\x50\x2a\x4d\x18\x04\0\0\0skip" + OPEN.payload,
        zstandard.compress(b""),
        zstandard.compress(b"{}"),
    ],
    ids=lambda data: repr(data[:8]),
)
def test_what_is_not_the_one_frame_of_the_content_is_altered(frame: bytes) -> None:
    assert reason(with_plain(b"", frame)) == DamageReason.CONTENT_ALTERED


def test_the_limit_is_inclusive() -> None:
    assert reason(SEALED, limit=len(PLAIN)) is None
    assert reason(SEALED, limit=len(PLAIN) - 1) == DamageReason.TOO_LARGE


def test_what_could_not_be_read_is_not_written() -> None:
    plain = bytes(MAX_CONTENT + 1)
    with pytest.raises(Permanent, match=str(MAX_CONTENT)):
        pack(seal_of(plain), plain, None, counted())
    with pytest.raises(ValueError, match="not that of the content"):
        pack(SEAL, b"{}", None, counted())


# Keys.


def test_a_missing_key_is_told_from_a_damage() -> None:
    for keyring in (NO_KEYS, MemoryKeyring([OLD], OLD.name)):
        found = unpack(SEALED, keyring)
        assert isinstance(found, Damage)
        assert found.reason == DamageReason.KEY_MISSING
        assert not found.is_lasting
        assert "2026-11" in found.message


def test_another_key_under_the_name_is_a_damage() -> None:
    found = unpack(SEALED, MemoryKeyring([Key(NEW.name, OLD.secret)]))
    assert isinstance(found, Damage)
    assert found.reason == DamageReason.DECRYPTION_FAILED
    assert found.is_lasting


def test_what_must_be_encrypted_is() -> None:
    assert reason(OPEN, must_be_encrypted=True) == DamageReason.DOWNGRADED
    assert reason(SEALED, must_be_encrypted=True) is None


def test_no_message_has_a_key_in_it() -> None:
    shown = [repr(NEW), repr(KEYS), str(unpack(SEALED, NO_KEYS))]
    shown += [str(unpack(replace(SEALED, payload=one), KEYS)) for one in (b"", OPEN.payload)]
    for secret in (NEW.secret, OLD.secret):
        forms = [repr(secret), secret.hex(), base64.b64encode(secret).decode()]
        assert not [form for form in forms if form in "".join(shown)]


# What is whole comes back.


@BOTH
def test_what_was_packed_is_unpacked(record: Record) -> None:
    assert (SEAL, PLAIN) == unpack(record, KEYS)


@given(st.binary(max_size=3000), st.booleans(), st.sampled_from(CheckpointKind))
def test_any_bytes_come_back(plain: bytes, is_encrypted: bool, kind: CheckpointKind) -> None:
    seal = seal_of(plain, kind=kind.value, parent=SEAL.digest)
    record = pack(seal, plain, NEW if is_encrypted else None, counted())
    assert (seal, plain) == unpack(record, KEYS)


def test_nothing_of_the_content_is_in_an_encrypted_record() -> None:
    plain = contents.encode({"a": "a-secret-that-cannot-be-compressed"})
    record = pack(seal_of(plain), plain, NEW, counted())
    assert b"a-secret" in pack(seal_of(plain), plain, None, counted()).payload
    assert b"a-secret" not in record.payload + record.manifest


def test_each_checkpoint_has_a_data_key_and_nonces_of_its_own() -> None:
    asked: list[bytes] = []

    def entropy(size: int) -> bytes:
        asked.append(bytes([len(asked)]) * size)
        return asked[-1]

    first, second = (pack(SEAL, PLAIN, NEW, entropy) for _ in range(2))
    assert [32, 12, 12] * 2 == [len(one) for one in asked]
    assert (
        len({first.payload[:12], second.payload[:12], first.payload[12:], second.payload[12:]}) == 4
    )


def test_a_manifest_is_small() -> None:
    manifest = inspect(SEALED)
    assert isinstance(manifest, envelopes.Manifest)
    assert manifest.encode() == SEALED.manifest
    assert len(SEALED.manifest) < 1200
