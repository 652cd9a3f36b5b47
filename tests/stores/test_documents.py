"""Encrypted documents: whatever is done to their bytes is found."""

import json
from typing import Any

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st
from tests.stores.lines import KEYS, NEW, OLD, counted
from tests.stores.states import AWAY, BACKUPS, CURRENT, HOME
from tests.stores.test_envelopes import flips

from buildstate.domain import contents
from buildstate.domain.checkpoints import Damage, DamageReason
from buildstate.domain.errors import Permanent
from buildstate.stores import documents
from buildstate.stores.ciphers import encrypt
from buildstate.stores.documents import FORMAT, MAX_DOCUMENT, Sealed, parse, seal, unseal
from buildstate.stores.keyrings import NO_KEYS, Key, MemoryKeyring

PLAIN = contents.encode({"build": {"name": "shop"}, "state": {"phase": "BUILD"}})
SEALED = seal(CURRENT, PLAIN, NEW, counted())
ELSEWHERE = [
    CURRENT.replace("0001", "0002"),
    CURRENT.replace("team", "other"),
    CURRENT.replace("active", "archived"),
    f"{HOME}history/000000000001-000000000002.json",
    f"{BACKUPS}000000000002.json",
    "active/index.json",
    f"{AWAY}current_state.json",
    f"{CURRENT}\0",
    "",
]


def reason(data: bytes, path: str = CURRENT, keyring: Any = KEYS, **given: Any) -> str | None:
    """Why bytes are refused as a document that must be encrypted; None if they are not."""
    found = unseal(path, data, keyring, **{"must_be_encrypted": True, **given})
    return found.reason if isinstance(found, Damage) else None


def parts(data: bytes) -> list[bytes]:
    """The two lines and the rest."""
    return data.split(b"\n", 2)


def with_key(key: Any) -> bytes:
    """The document with another second line."""
    first, _, body = parts(SEALED)
    line = json.dumps(key, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return b"\n".join([first, line.encode(errors="surrogatepass"), body])


def with_frame(frame: bytes) -> bytes:
    """A document that somebody with the key made, whatever the frame is."""
    data_key = bytes(32)
    body = encrypt(data_key, frame, f"{FORMAT}\0{CURRENT}".encode(), counted())
    return Sealed(documents.wrap(CURRENT, data_key, NEW, counted()), body).encode()


# What is altered.


@given(st.binary())
@example(b"")
@example(PLAIN)
@example(f"{FORMAT}\n".encode())
@example(f"{FORMAT}\n\n".encode())
@example(f"{FORMAT}\n{{}}\n".encode())
def test_any_bytes_are_answered(data: bytes) -> None:
    assert reason(data) is not None
    assert reason(f"{FORMAT}\n".encode() + data) is not None


def test_any_flipped_bit_is_found() -> None:
    for data in flips(SEALED):
        assert reason(data) is not None


def test_any_cut_is_found() -> None:
    for place in range(len(SEALED)):
        assert reason(SEALED[:place]) is not None
        assert reason(SEALED[place + 1 :]) is not None
    for more in (b"\0", b"\n", SEALED):
        assert reason(SEALED + more) is not None


@pytest.mark.parametrize("path", ELSEWHERE)
def test_a_document_opens_at_its_own_path_only(path: str) -> None:
    assert reason(SEALED, path) == DamageReason.DECRYPTION_FAILED
    # Nor with a data key that is wrapped for the other one.
    key, other = parse(CURRENT, SEALED), parse(path, seal(path, PLAIN, NEW, counted()))
    assert isinstance(key, Sealed)
    assert isinstance(other, Sealed)
    for mixed in (Sealed(key.key, other.body), Sealed(other.key, key.body)):
        assert reason(mixed.encode(), path) == DamageReason.DECRYPTION_FAILED


def test_the_key_of_a_write_opens_no_other_write() -> None:
    entropy = counted()
    first, second = (parse(CURRENT, seal(CURRENT, PLAIN, NEW, entropy)) for _ in range(2))
    assert isinstance(first, Sealed)
    assert isinstance(second, Sealed)
    mixed = Sealed(first.key, second.body).encode()
    assert reason(mixed) == DamageReason.DECRYPTION_FAILED


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
@example(None)
@example({})
@example({"name": NEW.name, "wrapped": ""})
@example({"name": "../" + NEW.name, "wrapped": "A" * 80})
@example({"name": NEW.name, "wrapped": "A" * 80, "more": 1})
@example({"name": "x" * 1000, "wrapped": "A" * 80})
def test_any_second_line_is_answered(key: Any) -> None:
    assert reason(with_key(key)) is not None


def test_the_second_line_has_one_form() -> None:
    first, line, body = parts(SEALED)
    key = json.loads(line)
    for other in (
        json.dumps(key).encode(),
        line + b" ",
        line.replace(b'"}', b'="}'),
        b'{"name":"a",' + line[1:],
    ):
        found = reason(b"\n".join([first, other, body]))
        assert found == DamageReason.MANIFEST_UNREADABLE


def test_another_key_of_that_name_is_told() -> None:
    other = MemoryKeyring([Key(NEW.name, OLD.secret)], NEW.name)
    assert reason(SEALED, keyring=other) == DamageReason.DECRYPTION_FAILED


def test_a_missing_key_is_no_lasting_damage() -> None:
    for keyring in (NO_KEYS, MemoryKeyring([OLD], OLD.name)):
        found = unseal(CURRENT, SEALED, keyring)
        assert isinstance(found, Damage)
        assert found.reason == DamageReason.KEY_MISSING
        assert not found.is_lasting
        assert repr(NEW.name) in found.message
        assert CURRENT in found.message


def test_what_is_plain_is_refused_where_all_must_be_encrypted() -> None:
    found = unseal(CURRENT, PLAIN, KEYS, must_be_encrypted=True)
    assert isinstance(found, Damage)
    assert found.reason == DamageReason.DOWNGRADED
    assert "rewrap" in found.message
    assert unseal(CURRENT, PLAIN, KEYS) == PLAIN


def test_what_somebody_with_the_key_made_is_limited_too() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(MAX_DOCUMENT + 1))
    assert reason(with_frame(bomb)) == DamageReason.TOO_LARGE
    frame = zstandard.compress(PLAIN)
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(PLAIN)
    for wrong in (b"", PLAIN, frame[:-1], frame + b"x", frame + frame, unsized):
        assert reason(with_frame(wrong)) == DamageReason.CONTENT_ALTERED
    assert unseal(CURRENT, with_frame(frame), KEYS) == PLAIN


def test_what_is_too_large_is_not_stored() -> None:
    with pytest.raises(Permanent, match="at most") as refused:
        seal(CURRENT, bytes(MAX_DOCUMENT + 1), NEW, counted())
    assert refused.value.reason == "TooLarge"


# What is not.


@given(st.binary(max_size=2000), st.text().filter(lambda path: path.isprintable()))
@example(b"", CURRENT)
@example(SEALED, CURRENT)
def test_what_was_sealed_is_unsealed(plain: bytes, path: str) -> None:
    stored = seal(path, plain, NEW, counted())
    assert unseal(path, stored, KEYS, must_be_encrypted=True) == plain
    assert unseal(path, stored, MemoryKeyring([NEW])) == plain


def test_nothing_of_a_document_can_be_read() -> None:
    secret = b"a secret that somebody put into his spec"
    assert secret not in seal(CURRENT, secret, NEW, counted())
    assert NEW.secret not in seal(CURRENT, secret, NEW, counted())


def test_the_same_document_is_never_stored_as_the_same_bytes() -> None:
    entropy = counted()
    stored = {seal(CURRENT, PLAIN, NEW, entropy) for _ in range(5)}
    assert len({parts(data)[1] for data in stored}) == len({parts(data)[2] for data in stored}) == 5
