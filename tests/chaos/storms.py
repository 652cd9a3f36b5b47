"""What befalls the whole cluster: servers stand still, the past is forgotten, a store is full."""

import asyncio
import functools
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp
from tests.chaos.lanes import Lane
from tests.chaos.workloads import persist

from clusters.layouts import Layout

QUOTA = "/api/v1/namespaces/{}/resourcequotas"


@dataclass
class Storms:
    """Brings one storm after the other, with some calm between; `injected` counts them."""

    layout: Layout
    lanes: list[Lane]
    chance: random.Random
    injected: Counter[str] = field(default_factory=Counter)

    async def rage(self) -> None:
        """Go on until cancelled; whatever stands still then is let go."""
        while True:
            await asyncio.sleep(self.chance.uniform(3.0, 8.0))
            name = self.chance.choice(sorted(_STORMS))
            self.injected[name] += 1
            await _STORMS[name](self)

    async def freeze_etcd(self) -> None:
        """Nothing is stored and nothing is read for some time."""
        await self._freeze("etcd")

    async def freeze_apiserver(self) -> None:
        """Nobody answers for some time."""
        await self._freeze("kube-apiserver")

    async def compact(self) -> None:
        """Forget all old versions: who watches from one of them is told so."""
        server = f"http://127.0.0.1:{self.layout.port('etcd')}/v3/kv"
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{server}/range", json={"key": "AA=="}) as answer:
                revision = (await answer.json())["header"]["revision"]
            async with session.post(f"{server}/compaction", json={"revision": revision}) as answer:
                await answer.read()

    async def fill_store(self) -> None:
        """Let no namespace have another ConfigMap for some time, so no checkpoint either."""
        hard = {"hard": {"count/configmaps": "0"}}
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}}
        for lane in self.lanes:
            await lane.api.post(QUOTA.format(lane.api.namespace), {**quota, "spec": hard})
        await asyncio.sleep(self.chance.uniform(1.0, 4.0))
        await self.empty_store()

    async def empty_store(self) -> None:
        """Let there be ConfigMaps again."""
        for lane in self.lanes:
            quota = f"{QUOTA.format(lane.api.namespace)}/full"
            await persist(functools.partial(lane.api.remove, quota))

    async def _freeze(self, name: str) -> None:
        with self._stopped(name):
            await asyncio.sleep(self.chance.uniform(0.5, 3.0))

    @contextmanager
    def _stopped(self, name: str) -> Iterator[None]:
        pid = next(one.pid for one in self.layout.processes.recorded() if one.name == name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


_STORMS: dict[str, Callable[[Storms], Awaitable[None]]] = {
    "etcd stopped": Storms.freeze_etcd,
    "API server stopped": Storms.freeze_apiserver,
    "etcd compacted": Storms.compact,
    "store full": Storms.fill_store,
}
