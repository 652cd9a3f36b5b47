"""One life of the operator in a world: it begins with nothing but what the world holds."""

import asyncio
from collections.abc import Callable
from random import Random

from buildstate.kube.ports import Clock, KeepingKube
from buildstate.settings import Settings
from buildstate.stores.breakers import Sparing
from buildstate.stores.configmaps import ConfigMapStore
from buildstate.stores.decorators import Operation, Retrying, Telling
from buildstate.stores.keyrings import NO_KEYS
from buildstate.stores.memories import MemoryStore
from buildstate.stores.registries import Registry
from buildstate.stores.sealings import Sealing
from buildstate.testing.keepsakes import INSIDE
from buildstate.testing.lines import Line
from buildstate.testing.servers import Server
from buildstate.testing.stores import SimulatedStore
from buildstate.testing.streams import Passages
from buildstate.testing.watches import watch_builds
from buildstate.testing.wires import SimulatedWire
from buildstate.wiring import Operator, Surroundings, Telemetry, assemble, operate

SWEEP_SECONDS = 60.0


class Life:
    """One operator from its beginning to its end; `ended` hears of an end that nobody wanted."""

    def __init__(
        self,
        name: str,
        surroundings: Surroundings,
        line: Line,
        wire: SimulatedWire,
        ended: Callable[[BaseException | None], None],
    ) -> None:
        self.name = name
        self.line = line
        self.wire = wire
        self._surroundings = surroundings
        self._ended = ended
        self._task: asyncio.Task[None] | None = None
        self.operator: Operator | None = None

    def begin(self) -> None:
        """Begin."""
        self.operator = assemble(self._surroundings, Telemetry())
        self._task = asyncio.create_task(operate(self.operator), name=self.name)
        self._task.add_done_callback(self._judge)

    def die(self) -> None:
        """End as by `kill -9`: nothing reaches anybody any more, and all that was known is lost."""
        self.line.cut()
        if self._task is not None:
            self._task.cancel()

    async def gone(self) -> None:
        """Wait until nothing of it is left."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    def _judge(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and not self.line.is_dead:
            self._ended(task.exception())


def surroundings(
    wire: SimulatedWire, line: Line, clock: Clock, bucket: MemoryStore, chance: Random
) -> Surroundings:
    """Give an operator's surroundings in a world."""
    return Surroundings(
        settings=Settings(workers=4, sweep_seconds=SWEEP_SECONDS),
        wire=wire,
        clock=clock,
        entropy=chance.randbytes,
        chance=chance.random,
        open_stores=lambda kube, tell: _stores(kube, tell, SimulatedStore(bucket, line), chance),
        watch_builds=lambda inbox, prime: watch_builds(wire, inbox, prime, chance.random),
    )


def _stores(
    kube: KeepingKube, tell: Callable[[Operation], None], outside: SimulatedStore, chance: Random
) -> Registry:
    time, keyring = asyncio.get_running_loop().time, NO_KEYS
    inside = ConfigMapStore(INSIDE, kube, "default")
    patient = (
        Telling(Retrying(store, chance=chance.random, clock=time), tell, clock=time)
        for store in (inside, outside)
    )
    spared = (Sparing(one, clock=time) if one.is_outside else one for one in patient)
    stores = [Sealing(one, keyring, chance.randbytes, must_be_encrypted=False) for one in spared]
    return Registry(INSIDE, stores, keyring)


def wired(server: Server, line: Line, name: str, passages: Passages) -> SimulatedWire:
    """Give the wire of the operator of that name."""
    return SimulatedWire(server, line, name, passages)
