"""`python -m bench`: the operator beside the floor, in one run on one real API server."""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import processes
from bench.builds import ours
from bench.floors import floor
from bench.processes import ROOT, OperatorProcess
from bench.rates import all_at_once, numbered, one_at_a_time
from buildstate.kube.connections import Connection, connect
from clusters import Cluster, Profile, choose
from clusters.definitions import establish

NODES = 4
NAMESPACES = ("floor", "ours")
HELD = 1000
WRITES = ("create", "patch", "update", "delete")


@dataclass(frozen=True)
class Load:
    """How much is measured."""

    builds: int
    alone: int
    rest_seconds: float


@dataclass
class Row:
    """One line of the report."""

    what: str
    floor: str
    ours: str
    wanted: str
    is_met: bool

    def __str__(self) -> str:
        mark = "ok" if self.is_met else "MISSED"
        return f"{self.what:<42}{self.floor:>12}{self.ours:>12}   {self.wanted:<22}{mark}"


def main() -> int:
    """Measure and print; give 1 where a figure is not as wanted."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--builds", type=int, default=500)
    parser.add_argument("--alone", type=int, default=20)
    parser.add_argument("--rest-seconds", type=float, default=20)
    options = parser.parse_args()
    load = Load(options.builds, options.alone, options.rest_seconds)
    provider = choose("local")
    left_over = provider.find("bench")
    if left_over is not None:
        left_over.stop()
    cluster = provider.start("bench", Profile.CONTROL_PLANE, NODES)
    try:
        rows = asyncio.run(_measure(cluster, load))
    finally:
        cluster.stop()
    _say(f"\n{'':<42}{'floor':>12}{'buildstate':>12}   wanted")
    for row in rows:
        sys.stdout.write(f"{row}\n")
    return 0 if all(row.is_met for row in rows) else 1


async def _measure(cluster: Cluster, load: Load) -> list[Row]:
    _prepare(cluster)
    os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
    connection = await connect([])
    log = Path(tempfile.gettempdir()) / "buildstate-bench-operator.log"
    try:
        _say(f"floor: {load.alone} builds one at a time, then {load.builds} at once")
        async with floor(connection, "floor") as build:
            floor_alone = median(await one_at_a_time(build, numbered("alone", load.alone)))
            floor_rate = await all_at_once(build, numbered("many", load.builds))
        _say("buildstate: the same")
        with processes.running(cluster.kubeconfig, log) as operator:
            return await _measure_ours(connection, operator, load, floor_alone, floor_rate)
    finally:
        await connection.close()


async def _measure_ours(
    connection: Connection,
    operator: OperatorProcess,
    load: Load,
    floor_alone: float,
    floor_rate: float,
) -> list[Row]:
    async with ours(connection, "ours") as build:
        alone = median(await one_at_a_time(build, numbered("alone", load.alone)))
        await _settle(operator)
        cpu, requests = operator.cpu_seconds(), operator.requests()
        rate = await all_at_once(build, numbered("many", load.builds))
        await _settle(operator)
        cpu = (operator.cpu_seconds() - cpu) * 1000 / load.builds
        made = _difference(operator.requests(), requests)
        _say(f"buildstate: up to {HELD} in all, then {load.rest_seconds:.0f} s of rest")
        await all_at_once(build, numbered("more", max(0, HELD - load.builds)))
        await _settle(operator)
    rest, before = operator.cpu_seconds(), operator.requests()
    await asyncio.sleep(load.rest_seconds)  # Rest itself is what is measured.
    rest = (operator.cpu_seconds() - rest) / load.rest_seconds * 100
    idle = _difference(operator.requests(), before)
    memory = operator.memory_mib()
    return [
        _at_least("builds/s, all at once", floor_rate, rate, 0.6),
        _at_most("s a build, one at a time", floor_alone, alone, 2.0),
        *_request_rows(made, load.builds),
        _below("operator CPU, ms a build", cpu, 20),
        _below("memory with 1,000 finished, MiB", memory, 150),
        _below("CPU at rest, % of a core", rest, 0.5),
        _below("requests at rest", sum(idle.values()), 0),
    ]


def _request_rows(made: dict[tuple[str, str], float], count: int) -> list[Row]:
    each = {key: number / count for key, number in made.items()}
    events = each.pop(("create", "events"), 0)
    writes = sum(number for (verb, _), number in each.items() if verb in WRITES)
    lists = sum(number for (verb, _), number in made.items() if verb == "list")
    return [
        _below("writes a build, Events aside (floor: 4)", writes, 11),
        _below("Events a build, one a transition", events, 5),
        _below("requests a build, Events aside (floor: 4)", sum(each.values()), 11.5),
        _below("lists while working", lists, 0),
    ]


def _at_least(what: str, floor: float, ours: float, share: float) -> Row:
    wanted = f">= {share} of the floor"
    return Row(what, f"{floor:.2f}", f"{ours:.2f}", wanted, ours >= share * floor)


def _at_most(what: str, floor: float, ours: float, times: float) -> Row:
    wanted = f"<= {times:.0f} x the floor"
    return Row(what, f"{floor:.3f}", f"{ours:.3f}", wanted, ours <= times * floor)


def _below(what: str, ours: float, limit: float) -> Row:
    # A hundredth of slack: a watch that is opened again is a request, and no write.
    return Row(what, "", f"{ours:.2f}", f"<= {limit:g}", ours <= limit + 0.01 * max(limit, 1))


async def _settle(operator: OperatorProcess) -> None:
    """Wait until the operator makes no request any more: the last Events are on their way."""
    before: dict[tuple[str, str], float] = {}
    limit = time.monotonic() + 60
    while (now := operator.requests()) != before and time.monotonic() < limit:
        before = now
        await asyncio.sleep(1)


def _difference(
    after: dict[tuple[str, str], float],
    before: dict[tuple[str, str], float],
) -> dict[tuple[str, str], float]:
    return {key: value - before.get(key, 0) for key, value in after.items()}


def _prepare(cluster: Cluster) -> None:
    establish(cluster, ROOT / "crds" / "buildstates.buildstate.dev.yaml")
    for namespace in NAMESPACES:
        cluster.kubectl("create", "namespace", namespace)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
