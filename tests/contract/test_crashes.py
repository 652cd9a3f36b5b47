"""Operators that are killed at every single write, to the cluster and to the store.

For each write of a build that fails once and goes on, an operator is ended just before it and just
after it; another one goes on. A lane is a namespace of its own with an operator behind proxies, so
that several can be at work at once.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.contract.apis import Api, opened
from tests.contract.operators import (
    FORWARD,
    FOUR,
    Build,
    FailsOnce,
    Operators,
    assert_sound,
    build_of,
    kubelet,
    phase_of,
    wait_for,
)
from tests.contract.proxies import AFTER, BEFORE, Fuse, before_bucket, before_cluster
from tests.contract.strongboxes import INSIDE, OUTSIDE, Strongbox, opened_stores, place_of, refs_of
from tests.contract.zygotes import Zygote
from tests.stores.servers import Versity

from clusters import Cluster

pytestmark = pytest.mark.contract

LANES = 3
SPEC = {
    "phases": FOUR,
    "checkpoints": {"fullEvery": 4, "keep": 5},
    "recovery": {"strategy": "Resume", "backoffSeconds": 0},
}
PATH = ["SETUP", "BUILD", "TEST", "ERROR", "INIT", *FORWARD]
MADE = {"SETUP": 1, "BUILD": 1, "TEST": 2, "CLEANUP": 1}
AGAIN = 3
"""How many more status writes and checkpoints one crash may cost."""

Deadly = tuple[int, str]


@dataclass(frozen=True)
class Run:
    """One build and what was written for it; `is_cut` says whether an operator was killed."""

    build: Build
    writes: tuple[tuple[str, str], ...]
    is_cut: bool

    def count(self, part: str) -> int:
        """How many writes were to paths that end so."""
        return sum(path.endswith(part) for _, path in self.writes)


@dataclass
class Lane:
    """A namespace in which one build goes after the other."""

    api: Api
    operators: Operators
    settings: dict[str, str]
    fuse: Fuse
    runs: list[Run] = field(default_factory=list)

    async def begin(self) -> None:
        """Start an operator that the fuse can end."""
        self.fuse.operator = await self.operators.begin(**self.settings)

    async def run(self, at: int = 0, side: str = BEFORE) -> Run:
        """Bring one build to its end, over the death of one operator."""
        name = f"build-{len(self.runs)}"
        self.fuse.arm(at, side)
        await self.api.create(name, SPEC)
        complete = asyncio.create_task(wait_for(self.api, name, "COMPLETE"))
        blown = asyncio.create_task(self.fuse.blown.wait())
        await asyncio.wait((complete, blown), return_when=asyncio.FIRST_COMPLETED)
        if at:
            # What is mirrored comes after the end.
            await asyncio.wait((blown,), timeout=1)
        is_cut = self.fuse.blown.is_set()
        if is_cut:
            await self.begin()
        build = await complete
        blown.cancel()
        if not at:
            await asyncio.sleep(1)
        self.fuse.ignored.add(build["metadata"]["uid"])
        run = Run(build, tuple(self.fuse.writes), is_cut)
        self.runs.append(run)
        return run


@asynccontextmanager
async def lane(
    cluster: Cluster, endpoint: str, directory: Path, default: str, mother: Zygote
) -> AsyncIterator[Lane]:
    """A lane with its first operator."""
    fuse, box = Fuse(), Strongbox(directory, default)
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(opened(cluster, directory.name))
        _, kubeconfig = await stack.enter_async_context(before_cluster(cluster, directory, fuse))
        _, address = await stack.enter_async_context(before_bucket(endpoint, fuse))
        box.write(address)
        await stack.enter_async_context(kubelet(api, FailsOnce()))
        operators = Operators(kubeconfig, directory, stack.enter_context(ExitStack()), mother)
        settings = {**box.settings, "BUILDSTATE_NAMESPACES": api.namespace}
        made = Lane(api, operators, settings, fuse)
        await made.begin()
        yield made


async def work(one: Lane, deaths: list[Deadly]) -> None:
    """Take deaths until none is left."""
    while deaths:
        await one.run(*deaths.pop(0))


def assert_survived(run: Run, normal: Run) -> None:
    """The build is as it would be if nobody had been killed."""
    assert_sound(run.build, PATH)
    assert 1 == run.build["status"]["epoch"]
    assert run.count("/status") <= normal.count("/status") + AGAIN
    assert run.count("/configmaps") <= normal.count("/configmaps") + AGAIN
    assert run.count(".payload") <= normal.count(".payload") + 3 * AGAIN


async def made_pods(api: Api) -> dict[str, Counter[str]]:
    """The Pods of every build, counted by phase."""
    made: dict[str, Counter[str]] = {}
    for pod in await api.pods():
        made.setdefault(build_of(pod), Counter())[phase_of(pod)] += 1
    return made


@pytest.mark.parametrize("store", [INSIDE, OUTSIDE])
async def test_whatever_write_an_operator_dies_at_the_next_one_goes_on(
    api_cluster: Cluster, server: Versity, tmp_path: Path, mother: Zygote, store: str
) -> None:
    names = [f"crash-{store}-{number}" for number in range(LANES)]
    for name in names:
        api_cluster.kubectl("create", "namespace", name)
        api_cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default")
        (tmp_path / name).mkdir()
    async with AsyncExitStack() as stack:
        lanes = [
            await stack.enter_async_context(
                lane(api_cluster, server.endpoint, tmp_path / name, store, mother)
            )
            for name in names
        ]
        normal = await lanes[0].run()
        deaths = deadly(len(normal.writes), some=store == OUTSIDE)
        planned = len(deaths)
        await asyncio.gather(*(work(one, deaths) for one in lanes))
        runs = [run for one in lanes for run in one.runs]
        for run in runs:
            assert_survived(run, normal)
        # Where the order of writes differs a little, the last ones are not reached.
        assert sum(run.is_cut for run in runs) >= 0.9 * planned
        for one in lanes:
            assert [MADE] * len(one.runs) == [*(await made_pods(one.api)).values()]
            assert [] == one.operators.tracebacks()
    box = Strongbox(tmp_path / names[0], store)
    box.write(server.endpoint)
    await assert_nothing_is_left(api_cluster, box, [run.build for run in runs], tmp_path)


def deadly(count: int, *, some: bool) -> list[Deadly]:
    """Every write with both sides, or two of three with one of them, in turns."""
    both = [(at, side) for at in range(1, count + 1) for side in (BEFORE, AFTER)]
    return [one for number, one in enumerate(both) if number % 3 == 0] if some else both


async def assert_nothing_is_left(
    cluster: Cluster, box: Strongbox, builds: list[Build], logs: Path
) -> None:
    """Every reference verifies, and the sweep of one more operator removes all else."""
    with ExitStack() as stack:
        operators = Operators(cluster.kubeconfig, logs, stack)
        await operators.begin(**box.settings, BUILDSTATE_SWEEP_SECONDS="10")
        async with opened_stores(cluster.kubeconfig, box) as stores, asyncio.timeout(40):
            for build in builds:
                assert 5 <= len(await stores.read(build))
            for build in builds:
                known = sorted(ref.name for ref in refs_of(build))
                while known != await stores.store().names(place_of(build)):  # noqa: ASYNC110
                    await asyncio.sleep(0.3)
