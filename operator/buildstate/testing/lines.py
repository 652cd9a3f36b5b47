"""The lines over which one operator reaches the world, and what happens to it on the way."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn, TypeVar

from buildstate.domain.errors import BuildStateError

T = TypeVar("T")


class Side(Enum):
    """Where an operator dies at one of its writes."""

    BEFORE = "before"
    SENT = "sent"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class Call:
    """One thing that an operator asks of its world.

    `number` counts its writes and those of all operators before it, from 1; it is 0 for a read.
    `seconds` is when it was asked.
    """

    place: str
    verb: str
    what: str
    number: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.number}: {self.verb} {self.what}"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one call.

    It is there after `there` seconds and answered `back` seconds later. With `code` it is answered
    so and not done, with `is_cut` it breaks before it is done, with `is_lost` after that, and with
    `is_late` it is done when nobody waits for it any more. With `age` a list is as it was so many
    writes ago. `crash` is where the operator dies of it.
    """

    there: float = 0.002
    back: float = 0.002
    code: int = 0
    is_cut: bool = False
    is_lost: bool = False
    is_late: bool = False
    age: int = 0
    crash: Side | None = None


Fates = Callable[[Call], Fate]


class Tally:
    """Counts the writes of all operators of a world; `asked` has their reads, too."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.asked: list[Call] = []

    def count(self, place: str, verb: str, what: str, *, is_write: bool) -> Call:
        """Give the call with its number."""
        number, seconds = len(self.calls) + 1, asyncio.get_running_loop().time()
        call = Call(place, verb, what, number if is_write else 0, seconds)
        self.asked.append(call)
        if is_write:
            self.calls.append(call)
        return call


class Line:
    """Carries the calls of one operator until it dies; `die` ends it."""

    def __init__(self, fates: Fates, tally: Tally, die: Callable[[], None]) -> None:
        self._fates = fates
        self._tally = tally
        self._die = die
        self.is_dead = False

    def cut(self) -> None:
        """Carry nothing any more."""
        self.is_dead = True

    def fate_of(self, place: str, verb: str, what: str, *, is_write: bool) -> Fate:
        """Count one call and give what becomes of it."""
        self.refuse_dead()
        fate = self._fates(self._tally.count(place, verb, what, is_write=is_write))
        if fate.crash is Side.BEFORE:
            self._crash()
        return fate

    async def carry(self, fate: Fate, do: Callable[[], Awaitable[T]]) -> T:
        """Give what `do` gives, if that is the fate of it; raises ConnectionResetError."""
        if fate.is_late:
            _do_later(fate.there, do)
            raise ConnectionResetError("cut while it is on its way")
        await asyncio.sleep(fate.there)
        self.refuse_dead()
        if fate.is_cut:
            raise ConnectionResetError("cut on the way there")
        given = await do()
        if fate.crash is Side.SENT:
            self._crash()
        await asyncio.sleep(fate.back)
        self.refuse_dead()
        if fate.is_lost:
            raise ConnectionResetError("cut on the way back")
        if fate.crash is Side.ANSWERED:
            # It may go on for a few steps, as far as nothing is asked of anybody.
            asyncio.get_running_loop().call_soon(self._die)
        return given

    def refuse_dead(self) -> None:
        """Raise where the operator is dead: nothing of it reaches anybody."""
        if self.is_dead:
            raise ConnectionResetError("the operator is dead")

    def _crash(self) -> NoReturn:
        self._die()
        raise ConnectionResetError("the operator is dead")


def _do_later(seconds: float, do: Callable[[], Awaitable[object]]) -> None:
    loop = asyncio.get_running_loop()
    loop.call_later(seconds, lambda: loop.create_task(_unheard(do)))


async def _unheard(do: Callable[[], Awaitable[object]]) -> None:
    # Whatever comes of it: nobody is there to hear it.
    with suppress(BuildStateError):
        await do()


def calm(_call: Call) -> Fate:
    """Let everything go well."""
    return Fate()
