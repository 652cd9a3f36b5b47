"""The API server as cluster-admin sees it: what was answered, in code and words."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp

from buildstate.kube.connections import connect
from clusters.providers import Cluster

Document = Mapping[str, Any]
BUILDS = "/apis/buildstate.dev/v1alpha1/namespaces/{namespace}/buildstates"


class Answer(NamedTuple):
    """One answer of the API server."""

    code: int
    document: Document

    @property
    def message(self) -> str:
        """What the server said of a refusal."""
        return str(self.document.get("message", ""))


class Api:
    """Creates and patches builds in one namespace."""

    def __init__(self, session: aiohttp.ClientSession, server: str, namespace: str) -> None:
        self.session = session
        self.server = server
        self._builds = BUILDS.format(namespace=namespace)
        self.namespace = namespace

    async def create(self, name: str, spec: Document, **metadata: Any) -> Answer:
        """Create a build; unknown fields are refused, as kubectl asks for."""
        build = {
            "apiVersion": "buildstate.dev/v1alpha1",
            "kind": "BuildState",
            "metadata": {"name": name, **metadata},
            "spec": spec,
        }
        return await self._ask("POST", f"{self._builds}?fieldValidation=Strict", build)

    async def patch(self, name: str, patch: Document, part: str = "") -> Answer:
        """Merge `patch` into a build, or into its `part`, such as "/status"."""
        return await self._ask("PATCH", f"{self._builds}/{name}{part}", patch)

    async def put(self, name: str, body: Document, part: str = "") -> Answer:
        """Write a whole build, or its `part`, such as "/status"."""
        return await self._ask("PUT", f"{self._builds}/{name}{part}", body)

    async def set_status(self, name: str, **status: Any) -> Answer:
        """Merge into the status of a build."""
        return await self.patch(name, {"status": status}, "/status")

    async def get(self, name: str) -> Document:
        """Read a build."""
        return (await self._ask("GET", f"{self._builds}/{name}", None)).document

    async def pods(self, phase: str = "") -> list[Document]:
        """List the Pods of the namespace, in that phase of theirs or in any."""
        chosen = f"?fieldSelector=status.phase={phase}" if phase else ""
        path = f"/api/v1/namespaces/{self.namespace}/pods{chosen}"
        items: list[Document] = (await self._ask("GET", path, None)).document["items"]
        return items

    async def set_pod_phase(self, name: str, phase: str) -> None:
        """Say of a Pod what a kubelet would."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/status"
        await self._ask("PATCH", path, {"status": {"phase": phase}})

    async def admit(self, name: str) -> None:
        """Take the scheduling gates off a Pod, as who put them there does."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}"
        answer = await self._ask("PATCH", path, {"spec": {"schedulingGates": []}})
        assert answer.code == 200, answer.message

    async def set_pod_status(self, name: str, **status: Any) -> None:
        """Say all of a Pod that a kubelet would."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/status"
        answer = await self._ask("PATCH", path, {"status": status})
        assert answer.code == 200, answer.message

    async def bind(self, name: str, node: str) -> None:
        """Give a Pod to a node, as the scheduler does; the node need not be there."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/binding"
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}}
        answer = await self._ask("POST", path, {**body, "target": target})
        assert answer.code == 201, answer.message

    async def delete_pod(self, name: str, **options: Any) -> None:
        """Delete a Pod as somebody does with kubectl; one on a node goes when the kubelet says."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}"
        answer = await self._ask("DELETE", path, options)
        assert answer.code in (200, 202), answer.message

    async def replace_pod(self, name: str) -> None:
        """Put a Pod that belongs to nobody in the place of another."""
        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        now = {"gracePeriodSeconds": 0}
        await self._ask("DELETE", f"{pods}/{name}", now)
        container = {"name": "other", "image": "other"}
        pod = {"metadata": {"name": name}, "spec": {"containers": [container]}}
        created = await self._ask("POST", pods, {"apiVersion": "v1", "kind": "Pod", **pod})
        assert created.code == 201, created.message

    async def delete(self, name: str) -> Answer:
        """Delete a build."""
        return await self._ask("DELETE", f"{self._builds}/{name}", None)

    async def every(self, kind: str) -> list[Document]:
        """List the core objects of that kind (`configmaps`, `events`) in the namespace."""
        path = f"/api/v1/namespaces/{self.namespace}/{kind}"
        items: list[Document] = (await self._ask("GET", path, None)).document["items"]
        return items

    async def tells(self, name: str, *reasons: str) -> bool:
        """Say whether there are Events with these reasons of a build; they may come late."""
        missing = {*reasons}
        for _ in range(100):
            events = await self.every("events")
            missing -= {each["reason"] for each in events if each["involvedObject"]["name"] == name}
            if not missing:
                return True
            await asyncio.sleep(0.1)
        return False

    async def builds(self) -> list[Document]:
        """List the builds of the namespace."""
        items: list[Document] = (await self._ask("GET", self._builds, None)).document["items"]
        return items

    async def change(self, path: str, patch: Document) -> Answer:
        """Merge `patch` into anything else."""
        return await self._ask("PATCH", path, patch)

    async def remove(self, path: str) -> Answer:
        """Delete anything else."""
        return await self._ask("DELETE", path, None)

    async def post(self, path: str, body: Document) -> Answer:
        """Create anything else."""
        return await self._ask("POST", path, body)

    async def _ask(self, method: str, path: str, body: Document | None) -> Answer:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        async with self.session.request(
            method,
            self.server + path,
            json=body,
            headers={"Content-Type": kind},
        ) as answer:
            return Answer(answer.status, await answer.json())


@asynccontextmanager
async def opened(cluster: Cluster, namespace: str) -> AsyncIterator[Api]:
    """Talk to the cluster as cluster-admin."""
    os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
    connection = await connect([])
    session = connection.session()
    try:
        yield Api(session, connection.server, namespace)
    finally:
        await session.close()
        await connection.close()
