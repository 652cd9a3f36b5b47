import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from buildstate.telemetry import logs

HOSTILE = {
    "a new line": 'first\n{"level": "ERROR", "message": "forged"}\r\nlast',
    "an escape": "\x1b[2J\x1b]0;owned\x07",
    "right to left": "\u202egnp.exe",
    "separators": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "null": "a\x00b",
    "half a pair": "\ud800",
    "wide": "\U0001f600",
    "percent": "%s %d %(name)s {0}",
}


Logged = Callable[..., list[str]]
logger = logging.getLogger("buildstate.test")


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[Logged]:
    """The lines that something logs; the logging of the process is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs._QUIET}

    def lines(action: Callable[[], object], level: str = "info") -> list[str]:
        logs.configure(level)
        action()
        return capsys.readouterr().out.splitlines()

    yield lines
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_one_record_is_one_line_of_plain_characters(logged: Logged, text: str) -> None:
    (line,) = logged(lambda: logger.warning(text, extra={"build": text}))
    record = json.loads(line)
    assert line.isascii()
    assert line.isprintable()
    assert (text, text) == (record["message"], record["build"])


def test_a_record_says_when_how_bad_and_from_where(logged: Logged) -> None:
    (line,) = logged(lambda: logger.info("hello %s", "you", extra={"build": "team/demo"}))
    record: dict[str, Any] = json.loads(line)
    assert {"time", "level", "logger", "message", "build"} == record.keys()
    assert ("INFO", "buildstate.test", "hello you", "team/demo") == (
        record["level"],
        record["logger"],
        record["message"],
        record["build"],
    )


def test_an_exception_is_in_the_line_of_its_record(logged: Logged) -> None:
    error = ValueError("first\nsecond")
    (line,) = logged(lambda: logger.error("oh", exc_info=error))
    assert "ValueError: first\nsecond" in json.loads(line)["exc_info"]


def speak() -> None:
    """Log something at two levels."""
    logger.debug("much")
    logger.info("little")


@pytest.mark.parametrize(("level", "expected"), [("info", 1), ("debug", 2), ("error", 0)])
def test_as_much_is_logged_as_was_asked_for(logged: Logged, level: str, expected: int) -> None:
    assert expected == len(logged(speak, level))


def chatter() -> None:
    """Log as kopf does."""
    logging.getLogger("kopf.objects").info("Handler succeeded")
    logging.getLogger("kopf.objects").warning("but this matters")


def test_the_chatter_of_others_is_left_out(logged: Logged) -> None:
    (line,) = logged(chatter)
    assert "but this matters" == json.loads(line)["message"]
