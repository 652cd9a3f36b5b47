"""What goes wrong in a world: deaths at chosen writes, and storms that a seed decides."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from buildstate.testing.lines import Call, Fate, Side
from buildstate.testing.requests import Document
from buildstate.testing.streams import Passage
from buildstate.testing.worlds import Weather, World

T = TypeVar("T")

Deaths = Mapping[int, Side]
"""By the number of the write where the operator dies at it."""

CODES = (429, 500, 503, 504)


def deadly(deaths: Deaths) -> Weather:
    """Let operators die at those writes, and nothing else go wrong."""
    return Weather(fates=lambda call: Fate(crash=deaths.get(call.number)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """How often what goes wrong while a storm lasts, each from 0 (never) to 1 (always)."""

    slow: float = 0.05
    refused: float = 0.03
    cut: float = 0.03
    lost: float = 0.03
    late: float = 0.01
    old: float = 0.02
    event_lost: float = 0.02
    event_doubled: float = 0.05
    event_late: float = 0.05
    event_held: float = 0.03
    deaths: int = 2
    turns: int = 3
    seconds: float = 30.0


@dataclass(slots=True)
class Storm:
    """A storm at work; `counts` are the faults so far, by their kind."""

    chance: Random
    climate: Climate
    counts: Counter[str] = field(default_factory=Counter)

    def fate(self, call: Call) -> Fate:
        """Give what becomes of one call."""
        there, back = self._delay(), self._delay()
        if asyncio.get_running_loop().time() > self.climate.seconds:
            return Fate()
        is_list = not call.number and call.what.endswith("s")
        fates: tuple[tuple[str, float, Fate], ...] = (
            ("slow", self.climate.slow, Fate(there * 100, back * 100)),
            ("refused", self.climate.refused, Fate(there, back, code=self._code())),
            ("cut", self.climate.cut, Fate(there, back, is_cut=True)),
            ("lost", self.climate.lost, Fate(there, back, is_lost=True)),
            ("late", self._lateness(call), Fate(there * 1000, is_late=True)),
            ("old", self.climate.old if is_list else 0.0, Fate(there, back, age=self._age())),
        )
        return self._drawn(fates, Fate(there, back))

    def passage(self, _event: Document) -> Passage:
        """Give what becomes of one event."""
        seconds = self._delay()
        if asyncio.get_running_loop().time() > self.climate.seconds:
            return Passage()
        passages: tuple[tuple[str, float, Passage], ...] = (
            ("event lost", self.climate.event_lost, Passage(seconds, times=0)),
            ("event doubled", self.climate.event_doubled, Passage(seconds, times=2)),
            ("event late", self.climate.event_late, Passage(seconds * 1000)),
            ("event held", self.climate.event_held, Passage(seconds, is_held=True)),
        )
        return self._drawn(passages, Passage(seconds))

    def disturb(self, world: World) -> None:
        """Let the turns come: each at some time while the storm lasts."""
        turns = {
            "watch cut": _cut,
            "compacted": _compact,
            "clock jumps": self._jump,
            "another operator": World.begin_life,
        }
        for number in range(self.climate.turns + self.climate.deaths):
            is_death = number < self.climate.deaths
            name = "death" if is_death else self.chance.choice(sorted(turns))
            if name == "clock jumps" and world.story.is_timed:
                continue
            do = _kill if is_death else turns[name]
            seconds = self.climate.seconds * self.chance.random()
            asyncio.get_running_loop().call_later(seconds, self._turn, name, do, world)

    def _turn(self, name: str, do: Callable[[World], None], world: World) -> None:
        self.counts[name] += 1
        do(world)

    def _jump(self, world: World) -> None:
        world.clock.jump(self.chance.choice((-3600.0, -30.0, 30.0, 3600.0)))

    def _drawn(self, kinds: tuple[tuple[str, float, T], ...], plain: T) -> T:
        drawn = self.chance.random()
        for name, share, given in kinds:
            drawn -= share
            if drawn < 0:
                self.counts[name] += 1
                return given
        return plain

    def _delay(self) -> float:
        return min(0.1, self.chance.expovariate(500.0))

    def _code(self) -> int:
        return self.chance.choice(CODES)

    def _age(self) -> int:
        return self.chance.randrange(1, 8)

    def _lateness(self, call: Call) -> float:
        # A claim that is made after it was given back stays until its build goes.
        may_be = call.number and call.place == "cluster" and "claims" not in call.what
        return self.climate.late if may_be else 0.0


def _kill(world: World) -> None:
    world.crash(world.lives[-1].name)


def _cut(world: World) -> None:
    for life in world.lives:
        life.wire.cut()


def _compact(world: World) -> None:
    world.server.compact()
    _cut(world)


def stormy(seed: int, climate: Climate = Climate()) -> tuple[Weather, Storm]:
    """Give the weather that a seed decides, and the storm that counts what goes wrong."""
    storm = Storm(Random(f"{seed}/storm"), climate)  # noqa: S311 - no secret is made of it
    weather = Weather(
        fates=storm.fate,
        passages=storm.passage,
        disturb=storm.disturb,
        until=climate.seconds,
    )
    return weather, storm
