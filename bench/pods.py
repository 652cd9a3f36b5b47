"""The Pods of a build, and a watch that tells when each has ended."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from buildstate.kube.connections import Connection
from buildstate.kube.ports import Resource

IMAGE = "simulated"


def pod(namespace: str, name: str) -> dict[str, Any]:
    """Give a Pod of the weight of the operator's own."""
    security = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = [{"name": "tmp", "mountPath": "/tmp"}, {"name": "work", "mountPath": "/workspace"}]
    container = {"name": "work", "image": IMAGE, "securityContext": security}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532},
            "containers": [{**container, "volumeMounts": mounts}],
            "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "work", "emptyDir": {}}],
        },
    }


class Watch:
    """Tells when objects have reached the phase that is waited for, from one watch stream."""

    def __init__(self, connection: Connection, resource: Resource, phase: str) -> None:
        self._connection = connection
        group, plural = resource.value
        # Only what has ended is sent: what is on its way would cost the server and us time.
        chosen = f"watch=true&fieldSelector=status.phase%3D{phase}"
        self._url = f"{connection.server}{group}/{plural}?{chosen}"
        self._ends: dict[str, asyncio.Event] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Watch":
        opened = asyncio.Event()
        self._task = asyncio.create_task(self._follow(opened))
        await opened.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def end_of(self, name: str) -> asyncio.Event:
        """Give the event that is set when the object of that name has ended."""
        return self._ends.setdefault(name, asyncio.Event())

    async def _follow(self, opened: asyncio.Event) -> None:
        # An API server closes the watch of a client that is slow; the next one begins with all.
        async with self._connection.session() as session:
            while True:
                async with session.get(self._url, timeout=None) as stream:
                    opened.set()
                    async for line in stream.content:
                        self._take(json.loads(line)["object"])

    def _take(self, document: Mapping[str, Any]) -> None:
        self.end_of(document["metadata"]["name"]).set()
