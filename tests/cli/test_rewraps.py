"""Keys are rotated, and counted, by the commands."""

import pytest
from tests.cli.desks import Heard, done, session
from tests.stores.lines import NEW, OLD, Line

from buildstate.cli.sessions import Misused
from buildstate.stores.keyrings import KeyUnusable, MemoryKeyring
from buildstate.stores.memories import MemoryStore

BOTH = MemoryKeyring([OLD, NEW], active=NEW.name)


async def under(key: object, count: int = 2) -> MemoryStore:
    store = MemoryStore("main")
    await Line(store, key=key).grow(count)  # type: ignore[arg-type]
    return store


async def test_without_encryption_there_is_nothing_to_rotate() -> None:
    with pytest.raises(Misused, match="has no encryption"):
        await done(session(Heard()), ["rewrap"])


async def test_without_a_usable_key_nothing_is_looked_at() -> None:
    keys = MemoryKeyring([OLD], active=NEW.name)
    with pytest.raises(KeyUnusable, match=NEW.name):
        await done(session(Heard(), await under(OLD), keyring=keys), ["rewrap"])


async def test_a_key_that_is_missing_leaves_its_checkpoints_and_is_named() -> None:
    heard, keys = Heard(), MemoryKeyring([NEW], active=NEW.name)
    assert 1 == await done(session(heard, await under(OLD), keyring=keys), ["rewrap"])
    assert "0 data keys wrapped under 2026-11" in heard.out
    assert "2 damaged" in heard.out
    assert "KeyMissing" in heard.out
    assert "put the missing keys back into the keyring" in heard.err


async def test_all_is_under_the_active_key_afterwards() -> None:
    heard, store = Heard(), await under(OLD)
    assert 0 == await done(session(heard, store, keyring=BOTH), ["rewrap"])
    assert "store main: 2 data keys wrapped under 2026-11, 0 were already" in heard.out
    assert "2026-11  main   2          active" in heard.out
    assert "2026-10" not in heard.out
    again = Heard()
    assert 0 == await done(session(again, store, keyring=BOTH), ["rewrap"])
    assert "0 data keys wrapped under 2026-11, 2 were already" in again.out


async def test_keys_are_counted_and_nothing_is_changed() -> None:
    heard, store = Heard(), await under(OLD)
    assert 0 == await done(session(heard, store, keyring=BOTH), ["keys-in-use"])
    assert "2026-10  main   2          in the keyring" in heard.out
    assert "a key that is not named here, and is not the active one, may be removed" in heard.err


async def test_a_key_in_use_that_is_missing_is_a_failure() -> None:
    heard, keys = Heard(), MemoryKeyring([NEW], active=NEW.name)
    assert 1 == await done(session(heard, await under(OLD), keyring=keys), ["keys-in-use"])
    assert "2026-10  main   2          missing" in heard.out


async def test_what_is_not_encrypted_needs_no_key() -> None:
    heard = Heard()
    assert 0 == await done(session(heard, await under(None)), ["keys-in-use"])
    assert "(not encrypted)  main   2          -" in heard.out


async def test_an_empty_store_uses_no_key() -> None:
    heard = Heard()
    assert 0 == await done(session(heard), ["keys-in-use"])
    assert "no key is in use" in heard.out
