"""Progress is seen on a terminal and in a log, and never among the results."""

import asyncio

import pytest
from tests.cli.desks import Heard

from buildstate.cli.consoles import EVERY, table


def test_what_a_store_says_cannot_move_the_cursor() -> None:
    assert "A\nx?[2Jy?z" == table(("A",), [("x\x1b[2Jy\nz",)])


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert "NAME    STATE\nlonger  b\na       c" == table(
        ("NAME", "STATE"), [("longer", "b"), ("a", "c")]
    )


def test_a_log_gets_a_line_only_every_few_seconds() -> None:
    heard = Heard()
    heard.console.show("1 of 9")
    heard.seconds = EVERY
    heard.console.show("5 of 9")
    heard.seconds += EVERY / 2
    heard.console.show("7 of 9")
    assert ("", "5 of 9\n") == (heard.out, heard.err)


def test_a_terminal_has_one_line_that_is_written_over_and_taken_away() -> None:
    heard = Heard(live=True)
    heard.console.show("1 of 9")
    heard.console.show("2 of 9")
    heard.console.say("done")
    assert "\r\x1b[K1 of 9\r\x1b[K2 of 9\r\x1b[K" == heard.err
    assert "done\n" == heard.out


async def test_what_fails_meanwhile_is_not_hidden_by_the_progress() -> None:
    heard = Heard(live=True)

    async def work() -> None:
        async with heard.console.showing(lambda: "at work"):
            await asyncio.sleep(0)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await work()
    assert heard.err.endswith("at work\r\x1b[K")


@pytest.mark.parametrize(
    ("typed", "agreed"),
    [("", False), ("\n", False), ("n\n", False), ("sure\n", False), ("y\n", True), ("YES\n", True)],
)
def test_only_a_clear_yes_is_one(typed: str, agreed: bool) -> None:
    assert agreed is Heard(live=True, typed=typed).console.agrees("Do it?")


def test_nobody_is_asked_who_cannot_answer() -> None:
    assert not Heard().console.can_ask
    assert Heard(live=True).console.can_ask
