"""The floor: the four Pods of each build, one after another, and nothing else."""

import asyncio
from time import perf_counter

from bench.pods import Watch, pod
from buildstate.kube.client import KubeClient
from buildstate.kube.connections import Connection
from buildstate.kube.ports import Resource

PHASES = ("setup", "build", "test", "cleanup")


async def throughput(connection: Connection, namespace: str, builds: int) -> float:
    """Give builds a second when that many are begun at once."""
    kube = KubeClient(connection.api)
    async with Watch(connection, Resource.PODS, "Succeeded") as watch:
        began = perf_counter()
        await asyncio.gather(
            *(_build(kube, watch, namespace, f"floor-{number}") for number in range(builds))
        )
        return builds / (perf_counter() - began)


async def latency(connection: Connection, namespace: str, builds: int) -> list[float]:
    """Give the seconds of each of that many builds, one at a time."""
    kube = KubeClient(connection.api)
    seconds = []
    async with Watch(connection, Resource.PODS, "Succeeded") as watch:
        for number in range(builds):
            began = perf_counter()
            await _build(kube, watch, namespace, f"alone-{number}")
            seconds.append(perf_counter() - began)
    return seconds


async def _build(kube: KubeClient, watch: Watch, namespace: str, name: str) -> None:
    for phase in PHASES:
        end = watch.end_of(f"{name}-{phase}")
        await kube.create(Resource.PODS, pod(namespace, f"{name}-{phase}"))
        await end.wait()
