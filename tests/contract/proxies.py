"""What stands between the operator and a server: it counts writes, and can end the operator at one.

Both servers are spoken to as they would be without it. A write is a POST, PUT, PATCH or DELETE that
is no Event: losing one of those loses nothing.
"""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web
from bench.processes import OperatorProcess
from multidict import CIMultiDict
from tests.contract.apis import opened
from yarl import URL

from clusters import Cluster

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
BEFORE, AFTER = "before", "after"
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "upgrade"})
# What is compressed would have to be taken apart and put together again.
_DROPPED = _HOP | {"accept-encoding"}


@dataclass
class Fuse:
    """Ends the operator at its write number `at`, before it is forwarded or before it is answered.

    0 is never. `writes` says what was written: method and path without its query, in order. Paths
    with something of `ignored` do not count.
    """

    at: int = 0
    side: str = BEFORE
    operator: OperatorProcess | None = None
    writes: list[tuple[str, str]] = field(default_factory=list)
    blown: asyncio.Event = field(default_factory=asyncio.Event)
    ignored: set[str] = field(default_factory=set)

    def arm(self, at: int, side: str) -> None:
        """Begin to count anew."""
        self.at, self.side, self.writes = at, side, []
        self.blown.clear()

    def wrote(self, method: str, path: str) -> bool:
        """Count a request, if it is a write; say whether it is the one."""
        if method not in WRITES or "/events" in path or any(one in path for one in self.ignored):
            return False
        self.writes.append((method, path))
        return len(self.writes) == self.at

    def blow(self) -> None:
        """End the operator as the kernel does when there is no memory left."""
        assert self.operator is not None
        os.kill(self.operator.pid, signal.SIGKILL)
        self.blown.set()

    def counts(self) -> Counter[str]:
        """The writes by method and what they were for."""
        return Counter(f"{method} {kind_of(path)}" for method, path in self.writes)


def kind_of(path: str) -> str:
    """What a path is of: the resource in the cluster, or the kind of a document of a store."""
    parts = path.strip("/").split("/")
    if parts[0] in ("api", "apis"):
        return "/".join(parts[parts.index("namespaces") + 2 :][::2])
    return (
        parts[-1]
        if parts[-1].endswith("state.json") or "checkpoints" not in parts
        else (parts[-1].rpartition(".")[2])
    )


Answer = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


async def _unhindered(_request: web.Request) -> None:
    return None


class Proxy:
    """Forwards to one server. `hinder` may answer instead of it; `asked` counts all by method."""

    def __init__(self, session: aiohttp.ClientSession, server: str, fuse: Fuse) -> None:
        self.session = session
        self.server = server
        self._fuse = fuse
        self.hinder: Answer = _unhindered
        self.asked: list[tuple[float, str, str]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Forward one request and its answer, a watch while it lasts."""
        path = request.rel_url.raw_path
        self.asked.append((asyncio.get_running_loop().time(), request.method, path))
        body = await request.read()
        answer = await self.hinder(request)
        if answer is not None:
            return answer
        is_last = self._fuse.wrote(request.method, path)
        if is_last and self._fuse.side == BEFORE:
            self._fuse.blow()
            return web.Response(status=500)
        return await self._forward(request, body, is_last=is_last)

    async def _forward(
        self, request: web.Request, body: bytes, *, is_last: bool
    ) -> web.StreamResponse:
        url = URL(self.server + request.raw_path, encoded=True)
        async with self.session.request(
            request.method,
            url,
            headers=kept(request.headers),
            data=body or None,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        ) as answer:
            if is_last:
                await answer.read()
                self._fuse.blow()
            response = web.StreamResponse(status=answer.status, headers=kept(answer.headers))
            if "Content-Length" in answer.headers:
                response.content_length = int(answer.headers["Content-Length"])
            # Who asked may have been ended.
            with contextlib.suppress(ConnectionError):
                await response.prepare(request)
                async for part in answer.content.iter_any():
                    await response.write(part)
                await response.write_eof()
            return response


def kept(headers: "CIMultiDict[str] | aiohttp.typedefs.LooseHeaders") -> CIMultiDict[str]:
    """The headers that are handed on: those that speak of this one connection are not."""
    kept = CIMultiDict(headers)
    for name in list(kept):
        if name.lower() in _DROPPED:
            kept.pop(name, None)
    return kept


@asynccontextmanager
async def served(proxy: Proxy) -> AsyncIterator[str]:
    """Serve a proxy on loopback; gives its address."""
    app = web.Application(client_max_size=4 * 2**20)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def before_cluster(
    cluster: Cluster, directory: Path, fuse: Fuse
) -> AsyncIterator[tuple[Proxy, Path]]:
    """A proxy before the API server, and the kubeconfig of who is to go through it."""
    async with opened(cluster, "default") as api:
        proxy = Proxy(api.session, api.server, fuse)
        async with served(proxy) as address:
            yield proxy, write_kubeconfig(directory, address)


@asynccontextmanager
async def before_bucket(endpoint: str, fuse: Fuse) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before an S3 server, and its address; what was signed stays as it is."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        proxy = Proxy(session, endpoint, fuse)
        async with served(proxy) as address:
            yield proxy, address


def write_kubeconfig(directory: Path, address: str) -> Path:
    """Write the kubeconfig of who is to talk to the proxy at that address; gives its path."""
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(_kubeconfig(address)))
    return kubeconfig


def _kubeconfig(address: str) -> dict[str, object]:
    context = {"cluster": "proxy", "user": "nobody"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "proxy", "cluster": {"server": address}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "proxy", "context": context}],
        "current-context": "proxy",
    }
