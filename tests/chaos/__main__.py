"""`python -m tests.chaos`: kill operators by the hundred in bad weather, and look what is left."""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.lanes import Lane, lane
from tests.chaos.monitors import BUILDS, PODS, Monitor
from tests.chaos.storms import Storms
from tests.chaos.workloads import Judge
from tests.contract.apis import opened
from tests.contract.strongboxes import Strongbox, opened_stores
from tests.contract.zygotes import Zygote, zygote

from clusters import Cluster, Profile, choose
from clusters.definitions import establish
from clusters.layouts import Layout

CRD = Path(__file__).parents[2] / "crds" / "buildstates.buildstate.dev.yaml"
CLUSTER = "chaos"
FINISH_WITHIN = 180.0
SHOWN = 40


@dataclass(frozen=True)
class Ordeal:
    """How much is asked of the operator."""

    kills: int
    lanes: int
    rest_seconds: float
    seed: int


def main() -> int:
    """Run it and print the figures; give 1 where an invariant was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="how many operators are killed")
    parser.add_argument("--lanes", type=int, default=3, help="namespaces at the same time")
    parser.add_argument("--rest-seconds", type=float, default=60, help="without writes at the end")
    parser.add_argument("--seed", type=int, default=1, help="of the choices; not of their timing")
    ordeal = Ordeal(**vars(parser.parse_args()))
    provider = choose("local")
    left_over = provider.find(CLUSTER)
    if left_over is not None:
        left_over.stop()
    cluster = provider.start(CLUSTER, Profile.CONTROL_PLANE)
    try:
        establish(cluster, CRD)
        with zygote() as mother, tempfile.TemporaryDirectory() as directory:
            return asyncio.run(_run(cluster, ordeal, mother, Path(directory)))
    finally:
        cluster.stop()


async def _run(cluster: Cluster, ordeal: Ordeal, mother: Zygote, directory: Path) -> int:
    layout = Layout.find(CLUSTER)
    assert layout is not None
    chance = random.Random(ordeal.seed)
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(opened(cluster, "default"))
        monitor = Monitor(api.session, api.server, Judge())
        watchers = [
            asyncio.create_task(monitor.follow(PODS, monitor.take_pod)),
            asyncio.create_task(monitor.follow(BUILDS, monitor.take_build)),
        ]
        stack.callback(lambda: [one.cancel() for one in watchers])
        places = [directory / f"chaos-{number}" for number in range(ordeal.lanes)]
        for place in places:
            place.mkdir()
        lanes = [
            await stack.enter_async_context(lane(cluster, place, mother, monitor, chance))
            for place in places
        ]
        storms = Storms(layout, lanes, chance)
        await _endure(ordeal, lanes, storms)
        await _settle(lanes, monitor)
        await _rest(ordeal, lanes, monitor)
        _judge_ends(lanes, monitor)
        await _verify(cluster, lanes, monitor, directory)
    return _report(lanes, storms, monitor)


async def _endure(ordeal: Ordeal, lanes: list[Lane], storms: Storms) -> None:
    def left() -> bool:
        return sum(sum(one.kills.values()) for one in lanes) < ordeal.kills

    raging = asyncio.create_task(storms.rage())
    telling = asyncio.create_task(_tell(ordeal, lanes))
    feeding = [asyncio.create_task(one.feed(left)) for one in lanes]
    await asyncio.gather(*(one.suffer(left) for one in lanes))
    for task in (raging, telling):
        task.cancel()
    await asyncio.gather(raging, telling, return_exceptions=True)
    await storms.empty_store()
    for one in lanes:
        one.weather.clear()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FINISH_WITHIN):
            await asyncio.gather(*feeding)


async def _tell(ordeal: Ordeal, lanes: list[Lane]) -> None:
    while True:
        await asyncio.sleep(15)
        kills = sum(sum(one.kills.values()) for one in lanes)
        builds = sum(len(one.begun) for one in lanes)
        _say(f"{kills} of {ordeal.kills} kills, {builds} builds")


async def _settle(lanes: list[Lane], monitor: Monitor) -> None:
    """Every build comes to its end; what was deleted takes its Pods along."""
    for one in lanes:
        left = one.unfinished()
        monitor.hold("I7", holds=not left, otherwise=f"never finished: {', '.join(left)}")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(30):
            await monitor.until(monitor.is_tidy)


async def _rest(ordeal: Ordeal, lanes: list[Lane], monitor: Monitor) -> None:
    """Nothing is written any more."""
    _say(f"all is calm: nothing may be written for {ordeal.rest_seconds:.0f} s")
    for one in lanes:
        one.fuse.arm(0, "")
    before = len(monitor.changes)
    await asyncio.sleep(ordeal.rest_seconds)  # Rest itself is what is looked at.
    changes = monitor.changes[before:]
    monitor.hold("I7", holds=not changes, otherwise=f"changes after the end: {changes[:5]}")
    for one in lanes:
        writes = one.fuse.writes
        monitor.hold("I12", holds=not writes, otherwise=f"writes in the rest: {writes[:5]}")


def _judge_ends(lanes: list[Lane], monitor: Monitor) -> None:
    for uid, live in monitor.live.items():
        monitor.hold("I3", holds=not live, otherwise=f"live Pods of {uid} are left")
    for one in lanes:
        for name, workload in one.begun.items():
            build = monitor.named(one.api.namespace, name)
            if build is None or workload.made is None:
                continue
            made = Counter(monitor.phases_of(build["metadata"]["uid"]))
            wanted = Counter(workload.made)
            monitor.hold(
                "I10", holds=made == wanted, otherwise=f"{name}: Pods {dict(made)}, not {wanted}"
            )
        tracebacks = one.operators.tracebacks()
        monitor.hold("I12", holds=not tracebacks, otherwise=f"tracebacks: {tracebacks[:2]}")


async def _verify(cluster: Cluster, lanes: list[Lane], monitor: Monitor, directory: Path) -> None:
    """Every checkpoint that a status refers to is there and verifies to the byte."""
    box = Strongbox(directory / "stores")
    box.write()
    async with opened_stores(cluster.kubeconfig, box) as stores:
        for build in monitor.builds.values():
            try:
                await stores.read(dict(build))
                problem = ""
            except AssertionError as error:
                problem = str(error)
            name = build["metadata"]["name"]
            monitor.hold("I4", holds=not problem, otherwise=f"{name}: {problem}")


def _report(lanes: list[Lane], storms: Storms, monitor: Monitor) -> int:
    kills = sum((one.kills for one in lanes), Counter[str]())
    faults = sum((one.weather.injected for one in lanes), Counter[str]())
    _table("operators killed", kills)
    _table("faults between operator and API server", faults)
    _table("storms", storms.injected)
    _table("builds", Counter(n.partition("-")[0] for one in lanes for n in one.begun))
    _table("invariants checked", monitor.checked)
    _say(f"violations: {len(monitor.violations)}")
    for violation, times in monitor.violations.most_common(SHOWN):
        _say(f"  {violation} ({times} x)")
    return 1 if monitor.violations else 0


def _table(title: str, figures: Counter[str]) -> None:
    _say(f"{title}: {figures.total()}")
    for name, number in sorted(figures.items()):
        _say(f"  {name:<28}{number:>8}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
