"""The reader of Pods against a real API server: where it begins, what a cut and a gap do to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from aiohttp import ClientResponse, ClientSession, web
from aiohttp.test_utils import TestServer
from tests.contract.apis import Api, opened
from tests.worlds import NAMESPACE, UID, a_pod_document
from yarl import URL

from buildstate.domain.names import MANAGED_BY, MANAGED_BY_LABEL
from buildstate.engine import sweeps
from buildstate.engine.caches import Cache
from buildstate.kube import pods
from buildstate.kube.client import KubeClient
from buildstate.kube.connections import Connection, connect
from buildstate.kube.ports import Key, Resource
from buildstate.kube.traces import Request
from buildstate.kube.watches import Positions, Watch
from clusters import Cluster

pytestmark = pytest.mark.contract

OURS = {MANAGED_BY_LABEL: MANAGED_BY}
PATIENCE = 30.0
_numbers = count(1)


class Wire:
    """A way to the API server that can be cut."""

    def __init__(self, host: str, port: int) -> None:
        self._far = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self.is_cut = False

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[int]:
        """Give the port at its near end."""
        near = await asyncio.start_server(self._join, "127.0.0.1", 0)
        try:
            yield int(near.sockets[0].getsockname()[1])
        finally:
            near.close()
            self.cut()

    def cut(self) -> None:
        """Break every connection, as a machine between would that is switched off."""
        for writer in self._writers:
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._far)
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


class Follower:
    """A reader with the cache behind it."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self.kube = KubeClient(connection, (namespace,))
        self.cache = Cache()
        self.events: list[tuple[str, str]] = []
        self.told: list[Request] = []
        self.gaps = 0
        self.watch = Watch(
            connection,
            Resource.PODS,
            taken=self._take,
            catch_up=self._catch_up,
            told=self.told.append,
        )

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Follow from where a list ended."""
        begin = (await self.kube.list_all(Resource.PODS)).versions
        task = asyncio.create_task(self.watch.run(begin))
        try:
            await until(lambda: bool(self.told))
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _take(self, kind: str, document: dict[str, Any]) -> None:
        self.events.append((kind, document["metadata"]["name"]))

    async def _catch_up(self) -> Positions:
        self.gaps += 1
        return (await sweeps.catch_up(self.cache, self.kube)).pod_versions


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - the condition is of many kinds
            await asyncio.sleep(0.01)


async def make(api: Api, name: str, **labels: str) -> None:
    """Make a Pod."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "work", "image": "none"}]},
    }
    made = await api.post(f"/api/v1/namespaces/{api.namespace}/pods", pod)
    assert 201 == made.code, made.message


@pytest.fixture
def namespace(api_cluster: Cluster) -> Iterator[str]:
    name = f"watches-{next(_numbers)}"
    api_cluster.kubectl("create", "namespace", name)
    api_cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default")
    yield name
    api_cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
async def api(api_cluster: Cluster, namespace: str) -> AsyncIterator[Api]:
    async with opened(api_cluster, namespace) as api:
        yield api


@pytest.fixture
async def wire(
    api_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Wire, Connection]]:
    """A wire to the cluster, and a connection over it."""
    text = api_cluster.kubeconfig.read_text()
    server = yaml.safe_load(text)["clusters"][0]["cluster"]["server"]
    far = urlsplit(server)
    assert far.hostname is not None
    assert far.port is not None
    wire = Wire(far.hostname, far.port)
    async with wire.laid() as port:
        file = tmp_path / "kubeconfig"
        file.write_text(text.replace(server, f"{far.scheme}://127.0.0.1:{port}"))
        monkeypatch.setenv("KUBECONFIG", str(file))
        connection = await connect([])
        yield wire, connection
        await connection.close()


async def test_it_sees_what_happens_to_our_pods_after_the_list(
    api: Api, wire: tuple[Wire, Connection]
) -> None:
    await make(api, "before", **OURS)
    follower = Follower(wire[1], api.namespace)
    async with follower.at_work():
        await make(api, "stranger")
        await make(api, "ours", **OURS)
        await api.set_pod_phase("ours", "Running")
        await api.replace_pod("ours")
        await until(lambda: ("DELETED", "ours") in follower.events)
    # The scheduler may say something about the first one, too.
    assert ("ADDED", "before") not in follower.events
    assert "stranger" not in {name for _, name in follower.events}
    kinds = dict.fromkeys(kind for kind, name in follower.events if name == "ours")
    assert ["ADDED", "MODIFIED", "DELETED"] == list(kinds)
    assert 0 == follower.gaps


async def test_after_a_cut_it_sees_what_happened_meanwhile_without_a_list(
    api: Api, wire: tuple[Wire, Connection]
) -> None:
    await make(api, "going", **OURS)
    follower = Follower(wire[1], api.namespace)
    async with follower.at_work():
        wire[0].is_cut = True
        wire[0].cut()
        await until(lambda: follower.told[-1].code == 0)
        await api.replace_pod("going")
        await make(api, "coming", **OURS)
        assert [] == follower.events
        wire[0].is_cut = False
        await until(lambda: ("ADDED", "coming") in follower.events)
    assert ("DELETED", "going") in follower.events
    assert 0 == follower.gaps


class Forgetful:
    """A connection of which the first watch is told that its version is too old.

    A real API server says so only after minutes.
    """

    def __init__(self, connection: Connection, session: ClientSession, gone: URL) -> None:
        self._connection = connection
        self._session = session
        self._gone: URL | None = gone

    async def ask(self, method: str, path: str, *rest: Any) -> ClientResponse:
        gone, self._gone = (self._gone, None) if "watch=true" in path else (None, self._gone)
        if gone is not None:
            return await self._session.request(method, gone)
        return await self._connection.ask(method, path, *rest)


@pytest.fixture
async def forgetful(wire: tuple[Wire, Connection]) -> AsyncIterator[Connection]:
    async def gone(_request: web.Request) -> web.Response:
        return web.json_response({"reason": "Expired", "message": "too old"}, status=410)

    app = web.Application()
    app.router.add_get("/", gone)
    async with TestServer(app) as server, ClientSession() as session:
        yield Forgetful(wire[1], session, server.make_url("/"))  # type: ignore[misc]


async def test_after_a_gap_it_goes_on_from_a_list_and_forgets_what_vanished_in_it(
    api: Api, forgetful: Connection
) -> None:
    await make(api, "here", **OURS)
    follower = Follower(forgetful, api.namespace)
    ghost = pods.owned(a_pod_document("ghost"))
    assert ghost is not None
    follower.cache.put_pod(ghost)
    async with follower.at_work():
        await until(lambda: follower.told[-1].code == 200)
        await make(api, "later", **OURS)
        await until(lambda: ("ADDED", "later") in follower.events)
    assert ([410, 200], 1) == ([request.code for request in follower.told], follower.gaps)
    # It was looked for, and is gone.
    assert await follower.kube.get(Resource.PODS, Key(NAMESPACE, "ghost")) is None
    assert () == follower.cache.pods(UID)
