"""Objects that builds put into a store: on a volume, in a bucket, and where there is none."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from obstore.store import MemoryStore
from tests.stores.servers import Crank, cranky, free_port, s3

from buildstate.domain.errors import Permanent, Transient
from buildstate.domain.findings import Finding, Found, Lack
from buildstate.stores import clouds, objects
from buildstate.stores.clouds import Bucket, CloudStore
from buildstate.stores.objects import Objects
from buildstate.stores.registries import stores_of


def found(content: bytes) -> Found:
    """What is found of that content."""
    return Found(len(content), sha256(content).hexdigest())


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A mounted volume."""
    volume = tmp_path / "volume"
    (volume / "artifacts" / "team" / "dist").mkdir(parents=True)
    (volume / "artifacts" / "other").mkdir()
    (volume / "artifacts" / "other" / "secret").write_bytes(b"theirs")
    (volume / "active").mkdir()
    (volume / "active" / "state").write_bytes(b"ours")
    return volume


def on(volume: Path) -> Objects:
    """The stores that are set up."""
    stores = f"[{{name: disk, kind: Volume, path: {volume}}}, {{name: inside, kind: ConfigMap}}]"
    return Objects(stores_of(f"default: disk\nstores: {stores}"))


async def test_a_file_on_a_volume_is_measured(volume: Path) -> None:
    (volume / "artifacts" / "team" / "dist" / "app").write_bytes(b"hello")
    assert found(b"hello") == await on(volume).measure("team", "store://disk/dist/app")


@pytest.mark.parametrize(
    ("made", "lack"),
    [
        (lambda _path: None, Lack.ABSENT),
        (Path.mkdir, Lack.DIRECTORY),
        (os.mkfifo, Lack.SPECIAL),
        (lambda path: path.symlink_to("../other/secret"), Lack.OUTSIDE),
        (lambda path: path.symlink_to("../../active/state"), Lack.OUTSIDE),
        (lambda path: path.symlink_to("/etc/passwd"), Lack.OUTSIDE),
    ],
)
async def test_what_is_no_file_of_the_namespace_is_not_there(
    volume: Path, made: Callable[[Path], object], lack: Lack
) -> None:
    made(volume / "artifacts" / "team" / "app")
    assert lack == await on(volume).measure("team", "store://disk/app")


async def test_a_namespace_reaches_its_own_part_only(volume: Path) -> None:
    assert Lack.ABSENT == await on(volume).measure("team", "store://disk/secret")
    assert found(b"theirs") == await on(volume).measure("other", "store://disk/secret")


@pytest.mark.parametrize("key", ["../other/secret", "a/../../other/secret", "/etc", "a//b", ".a"])
async def test_no_key_leads_out(volume: Path, key: str) -> None:
    with pytest.raises(Permanent) as caught:
        await on(volume).measure("team", f"store://disk/{key}")
    assert "BadPath" == caught.value.reason


async def test_a_volume_that_is_not_mounted_is_no_missing_file(tmp_path: Path) -> None:
    with pytest.raises(Permanent) as caught:
        await on(tmp_path / "gone").measure("team", "store://disk/app")
    assert "NotFound" == caught.value.reason


@pytest.mark.parametrize("name", ["inside", "nowhere"])
async def test_a_store_that_keeps_no_objects_is_unknown(volume: Path, name: str) -> None:
    with pytest.raises(Permanent) as caught:
        await on(volume).measure("team", f"store://{name}/app")
    assert ("StoreUnknown", True) == (caught.value.reason, "only: disk" in str(caught.value))


# Buckets.


class Shelf:
    """A bucket in memory, and what is measured in it."""

    def __init__(self) -> None:
        self.memory = MemoryStore()
        self.store = CloudStore("main", Bucket("a bucket in memory", lambda: self.memory))

    async def measure(self) -> Finding:
        """What is found in the part of the namespace."""
        return await objects._Bucket(self.store).measure("team", "dist/app")

    async def put(self, content: bytes) -> None:
        """Put something there."""
        await self.memory.put_async("artifacts/team/dist/app", content)


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 35])
async def test_an_object_is_measured_part_by_part(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clouds, "PART", 10)
    shelf, content = Shelf(), os.urandom(size)
    await shelf.put(content)
    assert found(content) == await shelf.measure()


async def test_an_object_that_is_not_there_is_absent() -> None:
    assert Lack.ABSENT == await Shelf().measure()


@pytest.mark.parametrize(("after", "lack"), [(b"z" * 30, Lack.CHANGING), (None, Lack.ABSENT)])
async def test_an_object_that_becomes_another_one_meanwhile_is_not_believed(
    after: bytes | None, lack: Lack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clouds, "PART", 10)
    shelf, part = Shelf(), CloudStore._part
    await shelf.put(b"a" * 30)

    async def slowly(self: CloudStore, *args: object) -> object:
        data = await part(self, *args)  # type: ignore[arg-type]
        if after is None:
            await shelf.memory.delete_async("artifacts/team/dist/app")
        else:
            await shelf.put(after)
        return data

    monkeypatch.setattr(CloudStore, "_part", slowly)
    assert lack == await shelf.measure()


async def test_a_server_that_is_away_is_asked_again() -> None:
    store = CloudStore("main", s3(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(Transient, match="cannot be reached"):
        await objects._Bucket(store).measure("team", "app")


async def test_a_server_that_refuses_us_is_not() -> None:
    async with cranky(Crank(403)) as endpoint:
        with pytest.raises(Permanent) as caught:
            await objects._Bucket(CloudStore("main", s3(endpoint))).measure("team", "app")
    assert "Forbidden" == caught.value.reason
