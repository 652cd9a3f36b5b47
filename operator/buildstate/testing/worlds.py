"""A world in which the operator lives, dies and lives again, until a story is at its end."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from buildstate.testing import loops
from buildstate.testing.clocks import SimulatedClock
from buildstate.testing.clusters import Cluster
from buildstate.testing.controllers import Controllers
from buildstate.testing.keepsakes import Bucket, Keepsakes, damages
from buildstate.testing.kubelets import Kubelet
from buildstate.testing.lines import Call, Fate, Fates, Line, Tally, calm
from buildstate.testing.operators import Life, surroundings
from buildstate.testing.requests import Document, Request
from buildstate.testing.servers import Commit, Server
from buildstate.testing.stories import NAMESPACE, Story, phase_of
from buildstate.testing.streams import Passage, Passages
from buildstate.testing.wires import SimulatedWire

USER, ADMIN = "user", "admin"
QUIET_SECONDS = 80.0
"""For so long nobody may write anything when all is done; a sweep falls into that time."""

LONGEST = 1800.0
"""Seconds after which a story that has not ended never will."""

_POLL = 5.0


def at_once(_event: Document) -> Passage:
    """Let every event come."""
    return Passage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What goes wrong in a world: with calls, with events; after `until` seconds nothing does."""

    fates: Fates = calm
    passages: Passages = at_once
    disturb: Callable[["World"], None] = lambda _world: None
    until: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One story as it went: what was written, and what is wrong with it (`problems`)."""

    story: Story
    commits: tuple[Commit, ...]
    asked: tuple[Call, ...]
    calls: tuple[Call, ...]
    cluster: Cluster
    damages: tuple[str, ...]
    lives: int
    seconds: float
    steps: int
    problems: tuple[str, ...]


class World:
    """Everything that there is."""

    def __init__(self, story: Story, seed: int, weather: Weather) -> None:
        loop = asyncio.get_running_loop()
        self.story = story
        self.clock = SimulatedClock()
        self.server = Server(SimulatedClock(), loop.time)
        self.bucket = Bucket()
        self.keepsakes = Keepsakes(self.server, self.bucket)
        self.tally = Tally()
        self.weather = weather
        self.problems: list[str] = []
        self.damages: list[str] = []
        self.lives: list[Life] = []
        self._seed = seed
        self._deeds = list(story.deeds)
        self._hands = self.chance("people")
        Controllers(self.server, self.chance("controllers"))
        Kubelet(self.server, SimulatedClock(), self.chance("kubelet"), story.script)

    def chance(self, name: str) -> Random:
        """Give the chance of one part of the world: it hangs on the seed and on nothing else."""
        return Random(f"{self._seed}/{name}")  # noqa: S311 - no secret is made of it

    async def live(self) -> None:
        """Let the story happen to its end, and wait until it is quiet."""
        for namespace in ("default", NAMESPACE):
            body = {"metadata": {"name": namespace}}
            self.server.ask(Request("POST", "/api/v1/namespaces", body=body), ADMIN)
        self.begin_life()
        self.server.hear(lambda _commit: self._do_soon())
        self._do_soon()
        self.weather.disturb(self)
        await self._quiet()
        self.damages = [one async for one in damages(self.server, self.bucket)]

    def begin_life(self) -> None:
        """Let an operator begin."""
        name = f"operator-{len(self.lives) + 1}"
        chance = self.chance(name)
        line = Line(self._fate, self.tally, lambda: self.crash(name))
        wire = SimulatedWire(self.server, line, name, self.weather.passages)
        around = surroundings(wire, line, self.clock, self.bucket, chance)
        life = Life(name, around, line, wire, self._mourn)
        self.lives.append(life)
        life.begin()

    def crash(self, name: str) -> None:
        """Kill that operator; another one begins soon."""
        life = next(one for one in self.lives if one.name == name)
        if not life.line.is_dead:
            life.die()
            delay = 3.0 * self.chance(f"restart of {name}").random()
            asyncio.get_running_loop().call_later(delay, self.begin_life)

    async def end(self) -> None:
        """End everybody."""
        for life in self.lives:
            life.die()
        for life in self.lives:
            await life.gone()

    def _fate(self, call: Call) -> Fate:
        is_broken = call.place == self.story.broken
        return Fate(is_cut=True) if is_broken else self.weather.fates(call)

    def _mourn(self, error: BaseException | None) -> None:
        self.problems.append(f"the operator ended by itself: {error!r}")

    def _do_soon(self) -> None:
        if self._deeds and self._deeds[0].when(self.server.cluster):
            deed = self._deeds.pop(0)
            delay = 0.5 * self._hands.random()
            asyncio.get_running_loop().call_later(delay, self._do, deed.request)

    def _do(self, request: Request) -> None:
        response = self.server.ask(request, USER)
        if response.code >= 400:
            self.problems.append(f"{request.method} {request.path}: {response.document['message']}")
        self._do_soon()

    async def _quiet(self) -> None:
        loop = asyncio.get_running_loop()
        writes, since = -1, loop.time()
        while not (self._is_over() and loop.time() - since >= QUIET_SECONDS):
            if loop.time() > LONGEST + self.weather.until:
                self.problems.append(self._why_not_over())
                return
            await asyncio.sleep(_POLL)
            if writes != self._writes() or loop.time() < self.weather.until:
                writes, since = self._writes(), loop.time()

    def _writes(self) -> int:
        return self.server.cluster.version if self.story.is_troubled else len(self.tally.calls)

    def _is_over(self) -> bool:
        cluster = self.server.cluster
        is_there = all(phase_of(cluster, name) == end for name, end in self.story.ends.items())
        return is_there and not self._deeds

    def _why_not_over(self) -> str:
        found = {name: phase_of(self.server.cluster, name) for name in self.story.ends}
        last = ", ".join(map(str, self.tally.calls[-3:]))
        return f"it does not come to rest: {found}, {len(self._deeds)} deeds to do; last {last}"


def lived(story: Story, seed: int, weather: Weather = Weather()) -> Run:
    """Give the run of a story under that seed."""
    surprises: list[str] = []

    async def main() -> Run:
        world, loop = World(story, seed, weather), asyncio.get_running_loop()
        assert isinstance(loop, loops.SimulatedLoop)
        try:
            await world.live()
        except asyncio.CancelledError:
            surprises.append(loop.trouble)
        finally:
            await world.end()
        return Run(
            story=story,
            commits=tuple(world.server.commits),
            asked=tuple(world.tally.asked),
            calls=tuple(world.tally.calls),
            cluster=world.server.cluster,
            damages=(*world.keepsakes.wrong, *world.damages),
            lives=len(world.lives),
            seconds=loop.time(),
            steps=loop.steps,
            problems=(*world.problems, *surprises),
        )

    with _listening(surprises):
        return loops.run(main, Random(f"{seed}/loop"))  # noqa: S311 - no secret is made of it


class _Surprises(logging.Handler):
    """Writes down what the operator did not expect: each record that has a traceback."""

    def __init__(self, surprises: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._surprises = surprises

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self._surprises.append(f"{record.getMessage()}: {record.exc_info[1]!r}")


@contextmanager
def _listening(surprises: list[str]) -> Iterator[None]:
    logger, handler = logging.getLogger("buildstate"), _Surprises(surprises)
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = before
