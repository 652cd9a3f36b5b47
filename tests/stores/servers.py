"""Object stores for the tests: one in memory, a real one in a process, and one that misbehaves."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from obstore.store import S3Store

from buildstate.stores.clouds import Bucket
from clusters import binaries
from clusters.processes import Process, Processes

ACCESS_KEY = "buildstate"
SECRET_KEY = "not-so-secret"
BUCKET = "checkpoints"

QUICK: Mapping[str, Any] = {
    "client_options": {
        "allow_http": True,
        "timeout": timedelta(seconds=1),
        "connect_timeout": timedelta(seconds=1),
    },
    "retry_config": {
        "max_retries": 1,
        "retry_timeout": timedelta(seconds=2),
        "backoff": {"init_backoff": timedelta(milliseconds=10)},
    },
}


class Versity:
    """A real S3 server on loopback, which keeps its objects as files below `directory`."""

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.objects = directory / "objects"
        (self.objects / BUCKET).mkdir(parents=True, exist_ok=True)
        self._processes = Processes(directory)
        self._process: Process | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = self._processes.start(
            "versitygw",
            binaries.tool("versitygw"),
            *("--access", ACCESS_KEY, "--secret", SECRET_KEY, "--port", f"127.0.0.1:{self.port}"),
            *("posix", self.objects),
        )
        self._processes.wait(lambda: _listens(self.port), "versitygw", 30)

    def stop(self) -> None:
        """Kill it; what it has answered is on the disk."""
        if self._process is not None:
            self._process.kill()

    def bucket(self, name: str = BUCKET, secret: str = SECRET_KEY, prefix: str = "") -> Bucket:
        """A bucket of this server, with little patience."""
        return s3(self.endpoint, name, secret, prefix)


@contextmanager
def versity(directory: Path) -> Iterator[Versity]:
    """A real S3 server, stopped at the end."""
    server = Versity(directory)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def s3(endpoint: str, name: str = BUCKET, secret: str = SECRET_KEY, prefix: str = "") -> Bucket:
    """A bucket at an address of this machine."""
    return Bucket(
        f"bucket {name} at {endpoint}",
        lambda: S3Store(
            name,
            prefix=prefix or None,
            endpoint=endpoint,
            access_key_id=ACCESS_KEY,
            secret_access_key=secret,
            region="us-east-1",
            **QUICK,
        ),
    )


class Crank:
    """A server that answers everything with one code, or, without one, not at all."""

    def __init__(self, code: int | None, text: str = "") -> None:
        self.code = code
        self.text = text
        self.asked: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        """Answer badly."""
        self.asked.append(request.method)
        await request.read()
        if self.code is None:
            await asyncio.sleep(60)
        return web.Response(status=self.code or 500, text=self.text)


@asynccontextmanager
async def cranky(crank: Crank) -> AsyncIterator[str]:
    """Serve a crank on loopback; gives its address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", crank.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
