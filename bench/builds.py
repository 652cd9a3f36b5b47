"""The same work as BuildStates: made by the bench, done by the operator."""

import asyncio
from time import perf_counter
from typing import Any

from bench.floors import PHASES
from bench.pods import IMAGE, Watch
from buildstate.kube.client import KubeClient
from buildstate.kube.connections import Connection
from buildstate.kube.ports import Resource


def build(namespace: str, name: str) -> dict[str, Any]:
    """Give a BuildState with work in each of its four phases."""
    work = {phase: {"image": IMAGE, "command": ["true"]} for phase in PHASES}
    return {
        "apiVersion": "buildstate.dev/v1alpha1",
        "kind": "BuildState",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"phases": work},
    }


async def throughput(connection: Connection, namespace: str, builds: int, prefix: str) -> float:
    """Give builds a second when that many are applied at once."""
    kube = KubeClient(connection.api)
    async with Watch(connection, Resource.BUILDS, "COMPLETE") as watch:
        began = perf_counter()
        names = [f"{prefix}-{number}" for number in range(builds)]
        await asyncio.gather(*(_run(kube, watch, namespace, name) for name in names))
        return builds / (perf_counter() - began)


async def latency(connection: Connection, namespace: str, builds: int) -> list[float]:
    """Give the seconds of each of that many builds, one at a time."""
    kube = KubeClient(connection.api)
    seconds = []
    async with Watch(connection, Resource.BUILDS, "COMPLETE") as watch:
        for number in range(builds):
            began = perf_counter()
            await _run(kube, watch, namespace, f"alone-{number}")
            seconds.append(perf_counter() - began)
    return seconds


async def _run(kube: KubeClient, watch: Watch, namespace: str, name: str) -> None:
    end = watch.end_of(name)
    await kube.create(Resource.BUILDS, build(namespace, name))
    await end.wait()
