"""The program as a whole: what it is asked, what it leaves behind, and what it is made of."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from buildstate.domain.findings import MAX_REPORT, Found, Lack, parse
from buildstate.reporters.__main__ import VARIABLE, main

OPERATOR = Path(__file__).parents[2] / "operator"
HELLO = Found(5, sha256(b"hello").hexdigest())
OTHER = sha256(b"other").hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with one file."""
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "file").write_bytes(b"hello")
    return root


def ran(root: Path, *wishes: tuple[str, str | None]) -> tuple[int, str]:
    """The exit code, and the report."""
    message = root.parent / "termination-log"
    code = main({VARIABLE: json.dumps(wishes)}, str(root), str(message))
    return code, message.read_text()


@pytest.mark.parametrize(
    ("wishes", "code", "found"),
    [
        pytest.param([("file", None)], 0, (HELLO,), id="there"),
        pytest.param([("file", HELLO.sha256)], 0, (HELLO,), id="as declared"),
        pytest.param([("file", OTHER)], 1, (HELLO,), id="another one"),
        pytest.param([("nothing", None)], 1, (Lack.ABSENT,), id="absent"),
        pytest.param(
            [("file", None), (".", None), ("file", OTHER)],
            1,
            (HELLO, Lack.DIRECTORY, HELLO),
            id="all of them are told",
        ),
        pytest.param([], 0, (), id="none"),
    ],
)
def test_what_is_found_is_told(
    root: Path,
    wishes: list[tuple[str, str | None]],
    code: int,
    found: tuple[Found | Lack, ...],
) -> None:
    ended, report = ran(root, *wishes)
    assert (code, found) == (ended, parse(report, len(wishes)))


def test_the_most_and_the_largest_fit_one_message(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = (2**53 - 1, b"\xff" * 32)
    monkeypatch.setattr("buildstate.reporters.__main__.measure", lambda _root, _path: largest)
    _, report = ran(root, *[("file", None)] * 32)
    # Others may have put two containers beside our three.
    assert len(report) <= MAX_REPORT * 3 / 5
    assert (Found(2**53 - 1, "ff" * 32),) * 32 == parse(report, 32)


def alone(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The end of a Python of its own."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=OPERATOR,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_needs_nothing_but_the_standard_library() -> None:
    # No site-packages at all.
    ended = alone("-S", "-c", "import buildstate.reporters.__main__")
    assert (0, "") == (ended.returncode, ended.stderr)


def test_it_loads_nothing_of_the_operator_and_no_network() -> None:
    ended = alone("-S", "-c", "import buildstate.reporters.__main__, sys; print(*sys.modules)")
    loaded = {*ended.stdout.split()}
    ours = {name for name in loaded if name.startswith("buildstate")}
    assert {
        "buildstate",
        "buildstate.reporters",
        "buildstate.reporters.__main__",
        "buildstate.reporters.files",
    } == ours
    assert set() == loaded & {"socket", "ssl", "asyncio", "http", "urllib", "subprocess", "pathlib"}


def test_who_asks_it_nothing_learns_why_it_ended() -> None:
    ended = alone("-m", "buildstate.reporters")
    assert 1 == ended.returncode
    assert VARIABLE in ended.stderr
