import os
import socket
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from buildstate.domain.findings import Lack
from buildstate.reporters import files
from buildstate.reporters.files import NotMeasured, measure


class Room(NamedTuple):
    """A workspace, and what lies beside it."""

    root: Path
    outside: Path

    def found(self, path: str) -> tuple[int, bytes] | str:
        """What is measured there, or the word for why it is not."""
        try:
            return measure(str(self.root), path)
        except NotMeasured as error:
            return str(error)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """A workspace with one file, and a secret beside it."""
    room = Room(tmp_path / "workspace", tmp_path / "outside")
    room.root.mkdir()
    room.outside.mkdir()
    (room.root / "file").write_bytes(b"hello")
    (room.root / "dir").mkdir()
    (room.root / "dir" / "inner").write_bytes(b"inner")
    (room.outside / "secret").write_bytes(b"secret")
    (tmp_path / "workspace-of-another").mkdir()
    (tmp_path / "workspace-of-another" / "file").write_bytes(b"theirs")
    return room


def of(content: bytes) -> tuple[int, bytes]:
    """What is measured of a file with that content."""
    return len(content), sha256(content).digest()


@pytest.mark.parametrize("path", ["file", "./file", "dir/../file", "dir//..//./file", "/file"])
def test_a_file_is_measured_however_its_path_is_written(room: Room, path: str) -> None:
    assert of(b"hello") == room.found(path)


def test_an_empty_file_is_a_file(room: Room) -> None:
    (room.root / "empty").touch()
    assert of(b"") == room.found("empty")


ODD = [
    "-rf",
    " a ",
    "a b'\"$(x)`y`",
    "zeile\numbruch",
    "\u00fc\u0301\u202e\U0001f600",
    "*",
    "\\",
    "...",
]


@pytest.mark.parametrize("name", ODD)
def test_a_name_may_be_odd(room: Room, name: str) -> None:
    (room.root / name).write_bytes(b"odd")
    assert of(b"odd") == room.found(name)


def test_a_name_that_is_no_text_is_nobodys(room: Room) -> None:
    Path(os.fsdecode(os.fsencode(room.root) + b"/\xff")).write_bytes(b"odd")
    assert Lack.ABSENT == room.found("\ufffd")


def test_more_than_one_chunk_is_read_to_its_end(room: Room) -> None:
    content = os.urandom(files._CHUNK * 2 + 1)
    (room.root / "large").write_bytes(content)
    assert of(content) == room.found("large")


def test_a_sparse_file_is_as_large_as_it_says(room: Room) -> None:
    with (room.root / "sparse").open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    found = room.found("sparse")
    assert 64 * 1024 * 1024 == found[0]


@pytest.mark.parametrize(
    "path", ["nothing", "no/thing", "file/inner", "a\x00b", "dir/nothing", "dir/../nothing"]
)
def test_what_is_not_there_is_absent(room: Room, path: str) -> None:
    assert Lack.ABSENT == room.found(path)


@pytest.mark.parametrize("path", ["dir", ".", "", "dir/."])
def test_a_directory_is_no_file(room: Room, path: str) -> None:
    assert Lack.DIRECTORY == room.found(path)


def test_a_pipe_that_nobody_writes_to_holds_up_nothing(room: Room) -> None:
    os.mkfifo(room.root / "pipe")
    assert Lack.SPECIAL == room.found("pipe")


def test_a_socket_is_no_file(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(room.root)  # The name of a socket may have 108 bytes only.
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        assert Lack.SPECIAL == room.found("socket")


def test_a_device_is_no_file_and_is_not_opened() -> None:
    with pytest.raises(NotMeasured, match=Lack.SPECIAL):
        measure("/dev", "null")


@pytest.mark.parametrize("path", ["..", "../outside/secret", "dir/../../outside/secret"])
def test_no_path_leads_out(room: Room, path: str) -> None:
    assert Lack.OUTSIDE == room.found(path)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("file", "link"),
        ("dir", "link/inner"),
        ("dir/..", "link/file"),
        ("./dir/../dir", "link/../file"),
        ("{root}/file", "link"),
        ("{root}", "link/dir/inner"),
        ("{root}/dir/", "link/../file"),
    ],
)
def test_a_link_inside_is_followed(room: Room, target: str, path: str) -> None:
    (room.root / "link").symlink_to(target.format(root=room.root))
    assert room.found(path) in (of(b"hello"), of(b"inner"))


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("../outside/secret", "link"),
        ("..", "link/outside/secret"),
        ("{outside}/secret", "link"),
        ("{outside}", "link/secret"),
        ("{root}-of-another/file", "link"),
        ("{root}/../outside/secret", "link"),
        ("/", "link/etc/passwd"),
        ("/proc/self/root", "link/etc/passwd"),
        ("/dev/null", "link"),
    ],
)
def test_a_link_out_is_not_followed(room: Room, target: str, path: str) -> None:
    (room.root / "link").symlink_to(target.format(root=room.root, outside=room.outside))
    assert Lack.OUTSIDE == room.found(path)


def test_a_link_out_behind_a_link_inside_is_not_followed(room: Room) -> None:
    (room.root / "one").symlink_to("two")
    (room.root / "two").symlink_to("../outside/secret")
    assert Lack.OUTSIDE == room.found("one")


def test_a_link_to_nothing_is_absent(room: Room) -> None:
    (room.root / "link").symlink_to("nothing")
    assert Lack.ABSENT == room.found("link")


def test_a_loop_of_links_ends(room: Room) -> None:
    (room.root / "one").symlink_to("two")
    (room.root / "two").symlink_to("one")
    assert Lack.LOOP == room.found("one")


def test_links_that_grow_end(room: Room) -> None:
    (room.root / "more").symlink_to("more/more")
    assert Lack.LOOP == room.found("more")


def test_as_many_links_are_followed_as_the_kernel_does(room: Room) -> None:
    for number in range(files.MAX_LINKS):
        (room.root / f"link-{number}").symlink_to(f"link-{number + 1}")
    (room.root / f"link-{files.MAX_LINKS}").write_bytes(b"hello")
    assert of(b"hello") == room.found("link-0")
    (room.root / "one-more").symlink_to("link-0")
    assert Lack.LOOP == room.found("one-more")


def test_what_may_not_be_read_is_said_to_be(room: Room) -> None:
    assert Lack.UNREAD == room.found("x" * 300)


def test_a_workspace_that_is_gone_holds_nothing(room: Room) -> None:
    assert Lack.ABSENT == Room(room.root / "gone", room.outside).found("file")


def test_what_grows_while_it_is_read_is_not_read_for_ever(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = room.root / "growing", os.readv
    path.write_bytes(b"x")

    def grows(file: int, buffers: list[memoryview]) -> int:
        with path.open("ab") as writing:
            writing.write(b"x" * 10)
        return read(file, buffers)

    monkeypatch.setattr(os, "readv", grows)
    assert Lack.CHANGING == room.found("growing")


def test_what_is_written_over_while_it_is_read_is_not_believed(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = room.root / "changing", os.readv
    path.write_bytes(b"before")
    os.utime(path, (0, 0))

    def changes(file: int, buffers: list[memoryview]) -> int:
        count = read(file, buffers)
        path.write_bytes(b"behind")
        return count

    monkeypatch.setattr(os, "readv", changes)
    assert Lack.CHANGING == room.found("changing")


def test_a_name_that_becomes_a_link_meanwhile_is_not_followed(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = files._refuse_all_but_files

    def swapped(place: int) -> None:
        seen(place)
        (room.root / "file").unlink()
        (room.root / "file").symlink_to(room.outside / "secret")

    monkeypatch.setattr(files, "_refuse_all_but_files", swapped)
    assert of(b"hello") == room.found("file")


@pytest.mark.parametrize("path", ["file", "nothing", "../x", "dir/inner"])
def test_nothing_stays_open(room: Room, path: str) -> None:
    before = still_open()
    room.found(path)
    assert before == still_open()


def still_open() -> set[str]:
    """What the process has open."""
    return {place.name for place in Path("/proc/self/fd").iterdir()}


def test_the_words_are_those_that_the_operator_knows() -> None:
    words = {
        files.ABSENT,
        files.DIRECTORY,
        files.SPECIAL,
        files.OUTSIDE,
        files.LOOP,
        files.NOT_READ,
        files.CHANGING,
    }
    assert {*Lack} == words
