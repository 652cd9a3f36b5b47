"""A watch of the pretended API server: lines that come when something happens, or do not."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import orjson

from buildstate.testing import apiservers
from buildstate.testing.requests import Document, Request
from buildstate.testing.servers import Commit, Server

BOOKMARK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Passage:
    """What becomes of one event on its way: it comes after `seconds`, `times` times (0: never).

    With `is_held` it comes after the one that follows it.
    """

    seconds: float = 0.002
    times: int = 1
    is_held: bool = False


Passages = Callable[[Document], Passage]


class Stream:
    """One open watch. It gives chunks of lines, and ends when the API server is tired of it."""

    def __init__(
        self, server: Server, request: Request, passages: Passages, patience: float | None
    ) -> None:
        self._server = server
        self._request = request
        self._passages = passages
        self._patience = patience
        self._coming: deque[bytes] = deque()
        self._held: list[bytes] = []
        self._there: list[bytes] = []
        self._end: BaseException | None = None
        self._reader: asyncio.Future[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._stop_hearing = server.hear(self._heard)
        self._begin()

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> bytes:
        """Give what has come; raises what ended it."""
        while not self._there:
            if self._end is not None:
                raise self._end
            await self._wait()
        chunk, self._there = b"".join(self._there), []
        return chunk

    @property
    def is_open(self) -> bool:
        """Say whether something may still come."""
        return self._end is None

    def end(self, error: BaseException | None = None) -> None:
        """End it, in peace or by `error`."""
        self.close()
        self._end = self._end or error or StopAsyncIteration()
        self._wake()

    def cut(self) -> None:
        """Break it in the middle of a line."""
        if self._coming:
            line = self._coming.popleft()
            self._there.append(line[: len(line) // 2])
        self.end(ConnectionResetError("the watch was cut"))

    def close(self) -> None:
        """Hear nothing any more."""
        self._stop_hearing()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _begin(self) -> None:
        query, cluster = self._request.query, self._server.cluster
        version = int(query.get("resourceVersion") or 0)
        if 0 < version < cluster.compacted:
            self._put(_error(410, "Expired", f"too old resource version: {version}"))
            self._later(0.002, self.end)
            return
        for event in self._missed(version):
            self._pass(event)
        self._later(float(query.get("timeoutSeconds", "300")), self.end)
        if query.get("allowWatchBookmarks") == "true":
            self._later(BOOKMARK_SECONDS, self._bookmark)

    def _missed(self, version: int) -> Iterator[Document]:
        if version:
            yield from apiservers.events(self._server.cluster.since(version), self._request)
            return
        chosen, target = apiservers.selecting(self._request), self._request.target
        for _, document in self._server.cluster.of(target.kind.plural, target.namespace):
            if chosen(document):
                yield {"type": "ADDED", "object": document}

    def _heard(self, commit: Commit) -> None:
        for event in apiservers.events(commit.changes, self._request):
            self._pass(event)

    def _pass(self, event: Document) -> None:
        passage, line = self._passages(event), _line(event)
        if passage.is_held:
            self._held.append(line)
            return
        held, self._held = self._held, []
        for one in (*[line] * passage.times, *held):
            self._put(one, passage.seconds)

    def _put(self, line: bytes, seconds: float = 0.002) -> None:
        self._coming.append(line)
        # Each gives the one that has waited for longest, so none overtakes another.
        asyncio.get_running_loop().call_later(seconds, self._arrive)

    def _arrive(self) -> None:
        if self._coming and self._end is None:
            self._there.append(self._coming.popleft())
            self._wake()

    def _bookmark(self) -> None:
        kind, version = self._request.target.kind, str(self._server.cluster.version)
        mark = {"kind": kind.name, "apiVersion": kind.api_version}
        self._put(
            _line(
                {"type": "BOOKMARK", "object": {**mark, "metadata": {"resourceVersion": version}}}
            )
        )
        self._later(BOOKMARK_SECONDS, self._bookmark)

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, do))

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._reader = loop.create_future()
        silence = loop.call_later(self._patience, self._give_up) if self._patience else None
        try:
            await self._reader
        finally:
            self._reader = None
            if silence:
                silence.cancel()

    def _give_up(self) -> None:
        self.end(TimeoutError("nothing came for too long"))

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


def _line(event: Document) -> bytes:
    return orjson.dumps(event) + b"\n"


def _error(code: int, reason: str, message: str) -> bytes:
    status = {"kind": "Status", "status": "Failure", "code": code, "reason": reason}
    return _line({"type": "ERROR", "object": {**status, "message": message}})
