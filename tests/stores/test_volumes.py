"""The store on a volume, and what only files do: crashes, links, locks, full disks, lost mounts."""

import asyncio
import errno
import fcntl
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.stores.contracts import RECORD, Act, IncompleteContract, winners

from buildstate.domain.errors import AlreadyExists, Permanent, Transient
from buildstate.stores import volumes
from buildstate.stores.contracts import Place, Store
from buildstate.stores.volumes import VolumeStore

PATH = "active/team/uid/current_state.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "volume").mkdir()
    return tmp_path / "volume"


@pytest.fixture
def volume(root: Path) -> VolumeStore:
    return VolumeStore("shared", root)


class TestVolume(IncompleteContract):
    """The contract."""

    @pytest.fixture
    def store(self, volume: VolumeStore) -> Store:
        return volume


class TestVolumeWithoutLinks(IncompleteContract):
    """The contract on a share that has no hard links."""

    @pytest.fixture
    def store(self, volume: VolumeStore, monkeypatch: pytest.MonkeyPatch) -> Store:
        def refuse(_source: Path, _target: Path) -> None:
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", refuse)
        return volume


async def test_a_volume_that_is_not_mounted_is_not_an_empty_one(tmp_path: Path) -> None:
    volume = VolumeStore("shared", tmp_path / "none")
    acts: list[Act] = [
        lambda: volume.read(PATH),
        lambda: volume.create(PATH, b""),
        lambda: volume.write(PATH, b""),
        lambda: volume.list("active/"),
        lambda: volume.remove(PATH),
    ]
    for act in acts:
        with pytest.raises(Permanent, match=r"store shared: .*mount it") as refused:
            await act()
        assert "NotFound" == refused.value.reason
    assert not (tmp_path / "none").exists()


async def test_a_link_that_leads_out_is_not_followed(
    volume: VolumeStore, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside / "uid").mkdir(parents=True)
    (outside / "uid" / "current_state.json").write_bytes(b"secret")
    (root / "active").mkdir()
    (root / "active" / "team").symlink_to(outside)
    acts: list[Act] = [
        lambda: volume.read(PATH),
        lambda: volume.write(PATH, b"mine"),
        lambda: volume.create("active/team/uid/new.json", b"mine"),
        lambda: volume.remove(PATH),
    ]
    for act in acts:
        with pytest.raises(Permanent, match="cannot hold this path"):
            await act()
    assert [outside / "uid" / "current_state.json"] == [
        path for path in outside.rglob("*") if path.is_file()
    ]
    assert [] == await volume.list("active/")


async def test_a_file_that_is_a_link_is_not_read(volume: VolumeStore, root: Path) -> None:
    (root / "secret").write_bytes(b"secret")
    (root / "active").mkdir()
    (root / "active" / "x").symlink_to(root / "secret")
    with pytest.raises(Permanent):
        await volume.read("active/x")


async def test_a_crash_before_the_name_leaves_nothing_to_see(
    volume: VolumeStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(_self: Path, _target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", crash)
    monkeypatch.setattr(Path, "unlink", lambda *_args, **_more: None)
    with pytest.raises(KeyboardInterrupt):
        volume._files.write(PATH, b"half")
    monkeypatch.undo()
    assert await volume.read(PATH) is None
    assert [] == await volume.list("")
    assert 1 == len(list((root / ".temporary").iterdir()))


async def test_what_a_crash_left_is_collected_later(volume: VolumeStore, root: Path) -> None:
    (root / ".temporary").mkdir()
    old, young = root / ".temporary" / "old", root / ".temporary" / "young"
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - volumes.LEFT_OVER - 60,) * 2)
    assert [] == await volume.list("active/")
    assert [young] == list((root / ".temporary").iterdir())


async def test_data_is_on_the_disk_before_its_name(
    volume: VolumeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def noted(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            steps.append(name)
            return real(*args)

        return call

    monkeypatch.setattr(os, "fsync", noted("sync", os.fsync))
    monkeypatch.setattr(os, "link", noted("link", os.link))
    monkeypatch.setattr(Path, "rename", noted("rename", Path.rename))
    await volume.write("index.json", b"body")
    await volume.create("other.json", b"body")
    assert ["sync", "rename", "sync", "sync", "link", "sync"] == steps


async def test_a_full_volume_is_said_to_be_full(
    volume: VolumeStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Transient, match="full: enlarge it"):
        await volume.create(PATH, b"body")
    monkeypatch.undo()
    assert [] == await volume.list("")
    assert [] == list((root / ".temporary").iterdir())


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
async def test_a_volume_that_refuses_us_is_permanent(
    volume: VolumeStore, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(Permanent, match="let the operator's user write there") as refused:
        await volume.write(PATH, b"body")
    assert "Forbidden" == refused.value.reason


async def test_a_volume_with_trouble_may_be_asked_again(
    volume: VolumeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(Transient, match="is not well: Input/output error"):
        await volume.read(PATH)


async def test_what_cannot_be_listed_is_not_absent(
    volume: VolumeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await volume.create(PATH, b"")

    def refuse(_path: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(Permanent):
        await volume.list("active/")


async def test_a_lock_that_nobody_gives_back_is_not_waited_for_forever(
    volume: VolumeStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volumes, "PATIENCE", 0.05)
    with (root / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Transient, match="lock is held"):
            await volume.write(PATH, b"")
        await volume.create(PATH, b"needs no lock")
    await volume.write(PATH, b"")


async def test_emptied_directories_go_with_what_they_held(volume: VolumeStore, root: Path) -> None:
    place = Place("team", "uid")
    await volume.save(place, RECORD)
    await volume.delete(place, RECORD.name)
    assert {".lock", ".temporary"} == names(root)


def names(directory: Path) -> set[str]:
    """The names of everything below a directory."""
    return {path.name for path in directory.rglob("*")}


async def test_a_document_and_a_directory_do_not_have_one_name(volume: VolumeStore) -> None:
    await volume.create("active/a", b"")
    with pytest.raises(Permanent):
        await volume.create("active/a/b", b"")
    assert await volume.read("active/a/b") is None
    with pytest.raises((AlreadyExists, Permanent)):
        await volume.create("active/a", b"")


async def test_of_two_operators_that_swap_one_wins(root: Path) -> None:
    stores = [VolumeStore("shared", root) for _ in range(2)]
    await stores[0].create(PATH, b"first")
    blob = await stores[0].read(PATH)
    assert blob is not None
    version = blob.version
    won = await winners(
        *(stores[number % 2].swap(PATH, str(number).encode(), version) for number in range(20))
    )
    assert 1 == len(won)


WRITER = """
import asyncio, sys
from itertools import count
from pathlib import Path
from buildstate.stores.volumes import VolumeStore

async def main():
    store = VolumeStore("shared", Path(sys.argv[1]))
    for number in count():
        await store.write("current_state.json", str(number % 10).encode() * 300_000)
        await store.create(f"history/{number:06d}.json", str(number % 10).encode() * 300_000)
        print(number, flush=True)

asyncio.run(main())
"""


async def test_a_writer_that_is_killed_leaves_whole_documents_only(root: Path) -> None:
    store = VolumeStore("shared", root)
    for delay in (0.0, 0.003, 0.007):
        writer = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WRITER, str(root)),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert writer.stdout is not None
        answered = int(await writer.stdout.readline())
        await asyncio.sleep(delay)
        writer.kill()
        said = (await writer.stdout.read()).split()
        await writer.wait()
        answered = int(said[-1]) if said else answered
        paths = await store.list("")
        assert f"history/{answered:06d}.json" in paths
        for path in paths:
            blob = await store.read(path)
            assert blob is not None
            assert 300_000 == blob.data.count(blob.data[:1])
            await store.remove(path)
        await store.write("current_state.json", b"nobody holds the lock")
