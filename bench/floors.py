"""The floor: the four Pods of each build, one after another, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.pods import Watch, pod
from bench.rates import Build
from buildstate.kube.client import KubeClient
from buildstate.kube.connections import Connection
from buildstate.kube.ports import Resource

PHASES = ("setup", "build", "test", "cleanup")


@asynccontextmanager
async def floor(connection: Connection, namespace: str) -> AsyncIterator[Build]:
    """Give the floor's way to build in that namespace."""
    kube = KubeClient(connection)
    async with Watch(connection, Resource.PODS, "Succeeded") as watch:

        async def build(name: str) -> None:
            for phase in PHASES:
                end = watch.end_of(f"{name}-{phase}")
                await kube.create(Resource.PODS, pod(namespace, f"{name}-{phase}"))
                await end.wait()

        yield build
