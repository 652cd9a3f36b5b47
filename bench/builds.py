"""The same work as BuildStates: made by the bench, done by the operator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bench.floors import PHASES
from bench.pods import IMAGE, Watch
from bench.rates import Build
from buildstate.kube.client import KubeClient
from buildstate.kube.connections import Connection
from buildstate.kube.ports import Resource


def document(namespace: str, name: str) -> dict[str, Any]:
    """Give a BuildState with work in each of its four phases."""
    work = {phase: {"image": IMAGE, "command": ["true"]} for phase in PHASES}
    return {
        "apiVersion": "buildstate.dev/v1alpha1",
        "kind": "BuildState",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"phases": work},
    }


@asynccontextmanager
async def ours(connection: Connection, namespace: str) -> AsyncIterator[Build]:
    """Give the operator's way to build in that namespace."""
    kube = KubeClient(connection)
    async with Watch(connection, Resource.BUILDS, "COMPLETE") as watch:

        async def build(name: str) -> None:
            end = watch.end_of(name)
            await kube.create(Resource.BUILDS, document(namespace, name))
            await end.wait()

        yield build
