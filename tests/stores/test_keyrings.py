import base64
import os
from pathlib import Path

import pytest

from buildstate.domain.checkpoints import DamageReason
from buildstate.stores.keyrings import (
    NO_KEYS,
    DirectoryKeyring,
    Key,
    Keyring,
    KeyUnusable,
    MemoryKeyring,
)

FIRST, SECOND = bytes(range(100, 132)), bytes(range(150, 182))


def encoded(secret: bytes) -> bytes:
    """A key as `openssl rand -base64 32` gives it."""
    return base64.b64encode(secret) + b"\n"


def secret(keyring: Keyring, name: str) -> bytes | None:
    """The bytes of a key."""
    key = keyring.get(name)
    return key.secret if key else None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        FIRST[:31],
        FIRST + b"x",
        FIRST * 1000,
        b"correct horse battery staple 32!",
        FIRST[:16].hex().encode(),
        base64.b64encode(FIRST[:24]),
        base64.b64encode(FIRST + b"x"),
        base64.urlsafe_b64encode(b"\xff" * 32),
        base64.b64encode(FIRST)[:-1],
        b"\xff" * 44,
    ],
    ids=lambda data: repr(data[:12]),
)
def test_a_file_that_holds_no_key_is_told_of_and_harms_no_other(
    tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "bad").write_bytes(data)
    (tmp_path / "good").write_bytes(FIRST)
    keyring = DirectoryKeyring(tmp_path, active="good")
    assert keyring.get("bad") is None
    assert keyring.active == Key("good", FIRST)
    (problem,) = keyring.problems
    assert str(tmp_path / "bad") in problem
    assert "openssl rand -base64 32" in problem


def test_a_directory_that_is_not_there_is_told_of_and_nothing_is_stored(tmp_path: Path) -> None:
    keyring = DirectoryKeyring(tmp_path / "gone", active="2026-11")
    assert keyring.get("2026-11") is None
    with pytest.raises(KeyUnusable, match=r"gone.*No such file.*mounted") as refused:
        _ = keyring.active
    assert refused.value.reason == DamageReason.KEY_MISSING


def test_an_active_key_that_is_not_there_is_no_reason_to_store_in_the_clear(tmp_path: Path) -> None:
    (tmp_path / "2026-10").write_bytes(FIRST)
    for keyring in (
        DirectoryKeyring(tmp_path, active="2026-11"),
        MemoryKeyring([Key("2026-10", FIRST)], active="2026-11"),
    ):
        with pytest.raises(KeyUnusable, match=r"'2026-11'.*add it"):
            _ = keyring.active
        assert len(keyring.problems) == 1
        assert keyring.get("2026-10") is not None


def test_what_is_no_file_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "not a name").write_bytes(FIRST)
    (tmp_path / "good").write_bytes(FIRST)
    keyring = DirectoryKeyring(tmp_path, active="good")
    assert secret(keyring, "good") == FIRST
    named = [
        Path(problem.split(" cannot")[0].split(" is ")[0]).name for problem in keyring.problems
    ]
    assert named == ["folder", "not a name", "nowhere", "pipe"]


def test_raw_bytes_and_base64_are_keys(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(FIRST)
    (tmp_path / "text").write_bytes(encoded(SECOND))
    keyring = DirectoryKeyring(tmp_path, active="text")
    assert [FIRST, SECOND] == [secret(keyring, "raw"), secret(keyring, "text")]
    assert keyring.active == Key("text", SECOND)
    assert keyring.problems == ()


def test_without_an_active_key_nothing_is_encrypted_but_all_is_read(tmp_path: Path) -> None:
    (tmp_path / "2026-10").write_bytes(FIRST)
    keyring = DirectoryKeyring(tmp_path, active=None)
    assert keyring.active is None
    assert secret(keyring, "2026-10") == FIRST
    assert not keyring.problems
    assert not NO_KEYS.problems


def mount(volume: Path, version: str, keys: dict[str, bytes]) -> None:
    """What the kubelet does with a Secret: a new directory, and a link that is moved at once."""
    data = volume / f"..{version}"
    data.mkdir(parents=True)
    for name, content in keys.items():
        (data / name).write_bytes(content)
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(Path("..data") / name)
    (volume / "..data_tmp").symlink_to(data.name)
    (volume / "..data_tmp").rename(volume / "..data")
    for link in volume.iterdir():
        if not link.name.startswith(".") and link.name not in keys:
            link.unlink()


def test_a_secret_that_changes_is_read_again(tmp_path: Path) -> None:
    mount(tmp_path, "1", {"a": FIRST})
    keyring = DirectoryKeyring(tmp_path, active="a")
    assert secret(keyring, "a") == FIRST
    assert keyring.get("b") is None
    mount(tmp_path, "2", {"a": FIRST, "b": encoded(SECOND)})
    assert secret(keyring, "b") == SECOND
    mount(tmp_path, "3", {"b": SECOND})
    assert keyring.get("a") is None
    assert secret(keyring, "b") == SECOND
    assert keyring.get("..data") is None
    mount(tmp_path, "4", {"b": FIRST})
    assert secret(keyring, "b") == FIRST


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(FIRST)
    keyring = DirectoryKeyring(tmp_path, active="a")
    assert secret(keyring, "a") == FIRST
    path.write_bytes(SECOND)
    os.utime(path, ns=(0, 0))
    assert secret(keyring, "a") == SECOND
    path.unlink()
    assert keyring.get("a") is None


def test_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(FIRST)
    keyring = DirectoryKeyring(tmp_path, active="a")
    assert keyring.get("a") is keyring.active


def test_a_keyring_that_comes_late_is_read(tmp_path: Path) -> None:
    keyring = DirectoryKeyring(tmp_path / "later", active="a")
    assert len(keyring.problems) == 2
    mount(tmp_path / "later", "1", {"a": FIRST})
    assert keyring.active == Key("a", FIRST)
    assert not keyring.problems


def test_no_key_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(encoded(FIRST))
    (tmp_path / "b").write_bytes(b"hunter2-hunter2-hunter2-hunter2!")
    keyring = DirectoryKeyring(tmp_path, active="c")
    memory = MemoryKeyring([Key("a", FIRST)])
    with pytest.raises(KeyUnusable) as refused:
        _ = keyring.active
    shown = f"{keyring!r} {keyring._content!r} {keyring.problems} {keyring.get('a')!r} {memory!r}"
    shown += f" {refused.value} {refused.value!r}"
    forms = ("hunter2", repr(FIRST)[2:-1], FIRST.hex(), base64.b64encode(FIRST).decode())
    assert not [form for form in forms if form in shown]
