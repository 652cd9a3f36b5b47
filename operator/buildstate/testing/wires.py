"""The wire from an operator to the pretended API server: what `kube.wires` asks for, no network."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Self

import orjson

from buildstate.kube.wires import Timeout
from buildstate.testing.lines import Fate, Line
from buildstate.testing.requests import Request, Response
from buildstate.testing.servers import Server
from buildstate.testing.streams import Passages, Stream

_REASONS = {409: "Conflict", 429: "TooManyRequests", 500: "InternalError"}


class SimulatedAnswer:
    """An answer that was there from the beginning, or a stream of lines."""

    def __init__(self, status: int, body: bytes = b"", stream: Stream | None = None) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"Retry-After": "1"} if status == 429 else {}
        self._body = body
        self._stream = stream

    @property
    def content(self) -> "SimulatedAnswer":
        """The body, to be read as it comes."""
        return self

    def iter_any(self) -> AsyncIterator[bytes]:
        """Give what has come, again and again until the end."""
        assert self._stream is not None
        return self._stream

    async def read(self) -> bytes:
        """Give the whole body."""
        return self._body

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            self._stream.close()


class SimulatedWire:
    """The wire of one operator; `who` is what the API server writes down of its sender."""

    def __init__(self, server: Server, line: Line, who: str, passages: Passages) -> None:
        self._server = server
        self._line = line
        self._who = who
        self._passages = passages
        self.streams: list[Stream] = []

    def cut(self) -> None:
        """Break every watch that is open."""
        for stream in self.streams:
            stream.cut()

    async def ask(
        self,
        method: str,
        path: str,
        timeout: Timeout,  # noqa: ASYNC109 - the signature is that of the real one
        accept: str = "application/json",
        data: bytes | None = None,
    ) -> SimulatedAnswer:
        """Send a request; give its answer as soon as that begins."""
        body = orjson.loads(data) if data is not None else None
        request = Request.made(method, path, body, accept)
        fate = self._line.fate_of("cluster", method, request.path, is_write=request.is_write)
        async with asyncio.timeout(timeout.total):
            return await self._line.carry(
                fate, lambda: self._answer(request, fate, timeout.sock_read)
            )

    async def _answer(
        self, request: Request, fate: Fate, patience: float | None
    ) -> SimulatedAnswer:
        if fate.code:
            return _shown(_refusal(fate.code))
        if request.is_watch:
            stream = Stream(self._server, request, self._passages, patience)
            self.streams = [*(one for one in self.streams if one.is_open), stream]
            return SimulatedAnswer(200, stream=stream)
        if fate.age:
            return _shown(self._server.recall(request, fate.age))
        # Whoever gave it up answers for it no more.
        who = f"late {self._who}" if fate.is_late else self._who
        return _shown(self._server.ask(request, who))


def _refusal(code: int) -> Response:
    reason = _REASONS.get(code, "ServiceUnavailable")
    message = f"the API server answers {code} because the test wants it"
    status = {"kind": "Status", "status": "Failure", "reason": reason, "message": message}
    return Response(code, {**status, "code": code})


def _shown(response: Response) -> SimulatedAnswer:
    return SimulatedAnswer(response.code, orjson.dumps(response.document))
