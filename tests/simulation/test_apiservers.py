"""The pretended API server does what a real one does; `tests/contract` asks that one the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random

import orjson
import pytest
from tests.simulation import behaviours
from tests.simulation.behaviours import Desk, Document, Said

from buildstate.testing.controllers import Controllers
from buildstate.testing.requests import Request
from buildstate.testing.servers import Server
from buildstate.testing.streams import Passage, Stream


class PretendedDoor:
    """The way into a pretended API server."""

    namespace = "team"

    def __init__(self) -> None:
        self.server = Server(Wall(), asyncio.get_running_loop().time)
        Controllers(self.server, Random(1), slowest=0.01)

    async def ask(
        self, method: str, path: str, body: Document | None = None, accept: str = "application/json"
    ) -> Said:
        response = self.server.ask(Request.made(method, path, body, accept), "admin")
        return Said(response.code, response.document)

    @asynccontextmanager
    async def watch(self, path: str) -> AsyncIterator[AsyncIterator[Document]]:
        stream = Stream(self.server, Request.made("GET", path), lambda _event: Passage(), None)
        try:
            yield documents(stream)
        finally:
            stream.close()

    async def forget(self) -> None:
        self.server.compact()


class Wall:
    """A clock on the wall."""

    def now(self) -> datetime:
        return datetime.now(UTC)


async def documents(stream: Stream) -> AsyncIterator[Document]:
    async for chunk in stream:
        for line in chunk.splitlines():
            yield orjson.loads(line)


@pytest.fixture
async def desk() -> Desk:
    door = PretendedDoor()
    for namespace in ("default", "team"):
        await door.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    return Desk(door)


class TestVersions(behaviours.Versions): ...


class TestLimits(behaviours.Limits): ...


class TestBuilds(behaviours.Builds): ...


class TestEndings(behaviours.Endings): ...


class TestQuotas(behaviours.Quotas): ...


class TestWatches(behaviours.Watches): ...
