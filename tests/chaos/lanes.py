"""A lane: one namespace, the operator that serves it, and the ways in which that one dies."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from bench.processes import OperatorProcess
from tests.chaos.faults import FaultyProxy, Weather
from tests.chaos.monitors import Document, Monitor
from tests.chaos.workloads import WORKLOADS, Workload, is_over, persist
from tests.contract.apis import Api, opened
from tests.contract.operators import Operators
from tests.contract.proxies import AFTER, BEFORE, Fuse, served, write_kubeconfig
from tests.contract.zygotes import Zygote

from clusters import Cluster

AT_ONCE = 4
LAST_WRITE = 25
PATIENCE = 8.0
KILL_AT_WRITE, KILL_AT_TIME, FROZEN = "kill at a write", "kill at any time", "frozen, and replaced"


@dataclass
class Lane:
    """Builds that go through one namespace while its operator is killed again and again."""

    api: Api
    operators: Operators
    settings: dict[str, str]
    fuse: Fuse
    weather: Weather
    monitor: Monitor
    chance: random.Random
    begun: dict[str, Workload] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    _running: list[OperatorProcess] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def suffer(self, left: Callable[[], bool]) -> None:
        """Kill one operator after the other while there are kills left; one is alive at the end."""
        while left():
            await self._begin()
            await self._die()
        await self._begin()

    async def feed(self, left: Callable[[], bool]) -> None:
        """Keep some builds going while there are kills left, and bring all to their end."""
        async with asyncio.TaskGroup() as builds:
            for _ in range(AT_ONCE):
                builds.create_task(self._one_after_another(left))

    async def _one_after_another(self, left: Callable[[], bool]) -> None:
        while left():
            kind = self.chance.choice(sorted(WORKLOADS))
            await self._bring_through(f"{kind}-{next(self._numbers)}", WORKLOADS[kind])

    async def _bring_through(self, name: str, workload: Workload) -> None:
        await persist(lambda: self.api.create(name, workload.spec))
        self.begun[name] = workload
        await self.monitor.until(lambda: self._build(name) is not None)
        await workload.act(self.api, self.monitor, name)
        await self.monitor.until(lambda: is_over(self._build(name), workload))

    def unfinished(self) -> list[str]:
        """The builds that are not where they must end."""
        return [
            f"{self.api.namespace}/{name}"
            for name, workload in self.begun.items()
            if not is_over(self._build(name), workload)
        ]

    def _build(self, name: str) -> Document | None:
        return self.monitor.named(self.api.namespace, name)

    async def _begin(self) -> None:
        # A start that fails in this weather is another death.
        while True:
            with suppress(AssertionError):
                begun = await self.operators.begin(**self.settings)
                self._running.append(begun)
                self.fuse.operator = begun
                return

    async def _die(self) -> None:
        way = self.chance.choices((KILL_AT_WRITE, KILL_AT_TIME, FROZEN), (6, 3, 1))[0]
        if way == KILL_AT_WRITE:
            side = self.chance.choice((BEFORE, AFTER))
            self.fuse.arm(self.chance.randint(1, LAST_WRITE), side)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.fuse.blown.wait(), PATIENCE)
        elif way == KILL_AT_TIME:
            await asyncio.sleep(self.chance.uniform(0.0, 2.0))
        else:
            await self._freeze()
        self.kills[way] += 1
        self.fuse.arm(0, BEFORE)
        for operator in self._running:
            _signal(operator, signal.SIGKILL)
        self._running.clear()

    async def _freeze(self) -> None:
        """Stop the operator, let another one work, and let the first go on with what it knew."""
        (stale,) = self._running
        await asyncio.sleep(self.chance.uniform(0.0, 1.0))
        _signal(stale, signal.SIGSTOP)
        await self._begin()
        await asyncio.sleep(self.chance.uniform(0.5, 2.0))
        _signal(stale, signal.SIGCONT)
        await asyncio.sleep(self.chance.uniform(0.5, 2.0))


def _signal(operator: OperatorProcess, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(operator.pid, number)


@asynccontextmanager
async def lane(
    cluster: Cluster, directory: Path, mother: Zygote, monitor: Monitor, chance: random.Random
) -> AsyncIterator[Lane]:
    """A lane in a namespace that is called as its directory; nothing runs yet."""
    name, fuse, weather = directory.name, Fuse(), Weather(chance)
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default")
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(opened(cluster, name))
        proxy = FaultyProxy(api.session, api.server, fuse, weather)
        address = await stack.enter_async_context(served(proxy))
        kubeconfig = write_kubeconfig(directory, address)
        operators = Operators(kubeconfig, directory, stack.enter_context(ExitStack()), mother)
        settings = {"BUILDSTATE_NAMESPACES": name, "BUILDSTATE_SWEEP_SECONDS": "10"}
        yield Lane(api, operators, settings, fuse, weather, monitor, chance)
