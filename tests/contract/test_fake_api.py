"""A real API server does what the pretended one is held to: the same suite, asked of both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO

import aiohttp
import orjson
import pytest
from tests.contract.apis import Api
from tests.simulation import behaviours
from tests.simulation.behaviours import Desk, Document, Said

from clusters.providers import Cluster
from clusters.slots import port

pytestmark = pytest.mark.contract


class RealDoor:
    """The way into a real API server as cluster-admin."""

    def __init__(self, api: Api, etcd: str) -> None:
        self.namespace = api.namespace
        self._api = api
        self._etcd = etcd

    async def ask(
        self, method: str, path: str, body: Document | None = None, accept: str = "application/json"
    ) -> Said:
        kind = "merge-patch+json" if method == "PATCH" else "json"
        headers = {"Content-Type": f"application/{kind}", "Accept": accept}
        url = self._api.server + path
        # A large body is to be given as a file.
        data = None if body is None else BytesIO(orjson.dumps(body))
        async with self._api.session.request(method, url, data=data, headers=headers) as answer:
            return Said(answer.status, await answer.json())

    @asynccontextmanager
    async def watch(self, path: str) -> AsyncIterator[AsyncIterator[Document]]:
        async with self._api.session.get(self._api.server + path) as answer:
            try:
                yield documents(answer)
            finally:
                # A watch that is left is not over, and a polite farewell would outlast the test.
                if answer.connection is not None and answer.connection.transport is not None:
                    answer.connection.transport.abort()

    async def forget(self) -> None:
        listed = await self.ask("GET", f"/api/v1/namespaces/{self.namespace}/events")
        revision = {"revision": listed.metadata["resourceVersion"], "physical": True}
        async with self._api.session.post(f"{self._etcd}/v3/kv/compaction", json=revision) as said:
            assert 200 == said.status, await said.text()


async def documents(answer: aiohttp.ClientResponse) -> AsyncIterator[Document]:
    async for line in answer.content:
        yield orjson.loads(line)


@pytest.fixture
async def desk(api_cluster: Cluster, api: Api) -> Desk:
    slot = int((api_cluster.kubeconfig.parent / "slot").read_text())
    return Desk(RealDoor(api, f"http://127.0.0.1:{port(slot, 'etcd')}"))


class TestVersions(behaviours.Versions): ...


class TestLimits(behaviours.Limits): ...


class TestBuilds(behaviours.Builds): ...


class TestEndings(behaviours.Endings): ...


class TestQuotas(behaviours.Quotas): ...


class TestWatches(behaviours.Watches): ...
