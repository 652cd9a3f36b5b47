"""The Pods of ours as they change: a stream for each namespace, opened again for ever.

kopf could read them, too, at about four times the CPU; most of what is read are Pods.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from buildstate.domain.errors import BuildStateError, Transient
from buildstate.kube.errors import error_of
from buildstate.kube.paths import ours
from buildstate.kube.ports import Document, Resource
from buildstate.kube.traces import Request
from buildstate.kube.wires import Answer, Wire

logger = logging.getLogger(__name__)

SERVER_SECONDS = 290
"""After so long the API server ends a stream, so that a dead one is found."""

SILENCE_SECONDS = 70.0
"""An API server sends a bookmark each minute where nothing happens."""

TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=SILENCE_SECONDS)
SHORT_LIFE = 5.0
FIRST_DELAY = 0.1
LONGEST_DELAY = 15.0

_BROKEN = (BuildStateError, aiohttp.ClientError, TimeoutError, OSError)

Positions = Mapping[str, str]
"""For each namespace the resourceVersion up to which everything is known."""


class Garbage(Transient):
    """A line of a stream is not what a watch sends."""


@dataclass
class _Place:
    """How far one namespace was read. Without a position everything has to be listed anew."""

    namespace: str
    position: str | None
    failures: int = 0


class Watch:
    """Follows one kind of objects, for ever.

    `taken` hears of each event; it is cheap. `catch_up` is asked when the API server no longer
    knows what came after our position: it mends what was missed, and says from where to go on.
    """

    def __init__(
        self,
        connection: Wire,
        resource: Resource,
        *,
        taken: Callable[[str, dict[str, Any]], None],
        catch_up: Callable[[], Awaitable[Positions]],
        told: Callable[[Request], None] = lambda _request: None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._connection = connection
        self._resource = resource
        self._taken = taken
        self._catch_up = catch_up
        self._told = told
        self._chance = chance

    async def run(self, positions: Positions) -> None:
        """Follow each namespace from its position."""
        async with asyncio.TaskGroup() as streams:
            for namespace, position in positions.items():
                streams.create_task(self.follow(namespace, position))

    async def follow(self, namespace: str, position: str | None) -> None:
        """Follow one namespace from its position, or from a list; the empty one is all of them."""
        await self._follow(_Place(namespace, position))

    async def _follow(self, place: _Place) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began, problem = loop.time(), None
            try:
                await self._read(place)
            except _BROKEN as error:
                problem = error
            # Also a stream that ends in peace is opened later and later when that comes too soon.
            is_short = loop.time() - began < SHORT_LIFE
            place.failures = place.failures + 1 if is_short else 0
            await asyncio.sleep(self._delay(place, problem))

    def _delay(self, place: _Place, problem: Exception | None) -> float:
        backoff = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(place.failures, 16))
        asked = getattr(problem, "retry_after", None) or 0.0
        delay = max(asked, backoff * (0.5 + self._chance()))
        if problem is not None:
            name, what = self._resource.value[1], f"{type(problem).__name__} {problem}".rstrip()
            # Of what has not changed since the API server began there are no bookmarks either.
            is_silence = isinstance(problem, aiohttp.SocketTimeoutError)
            level = logging.DEBUG if is_silence else logging.WARNING
            logger.log(level, "the watch of %s broke, again in %.1f s: %s", name, delay, what)
        return delay

    async def _read(self, place: _Place) -> None:
        if place.position is None:
            place.position = (await self._catch_up())[place.namespace]
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": place.position,
            "timeoutSeconds": str(SERVER_SECONDS),
        }
        path = ours(self._resource, place.namespace, query)
        async with await self._open(path, place) as stream:
            rest = b""
            # Not line by line: what came together is read together, and a line has no limit.
            async for chunk in stream.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._take(line, path, place)

    async def _open(self, path: str, place: _Place) -> Answer:
        code, began = 0, asyncio.get_running_loop().time()
        try:
            stream = await self._connection.ask("GET", path, TIMEOUT)
            code = stream.status
        finally:
            self._told(Request.made("GET", path, code, began))
        if code == 200:
            return stream
        if code == 410:
            place.position = None
        async with stream:
            raise error_of(code, await stream.read(), stream.headers.get("Retry-After"))

    def _take(self, line: bytes, path: str, place: _Place) -> None:
        try:
            event = orjson.loads(line)
            kind, document = event["type"], event["object"]
            if kind != "ERROR":
                place.position = document["metadata"]["resourceVersion"]
        except (ValueError, LookupError, TypeError) as error:
            message = f"a line that is no event: {line[:80]!r}"
            raise Garbage(message) from error
        if kind == "ERROR":
            self._give_up(document, path, place)
        if kind != "BOOKMARK":
            self._hand_over(kind, document)

    def _give_up(self, status: Document, path: str, place: _Place) -> None:
        # Most often 410. Whatever it was: from a list we can always go on.
        place.position = None
        code = int(status.get("code") or 0)
        self._told(Request.made("GET", path, code, asyncio.get_running_loop().time()))
        message = str(status.get("message") or "an error without words")
        raise Transient(message)

    def _hand_over(self, kind: str, document: dict[str, Any]) -> None:
        try:
            self._taken(kind, document)
        except Exception:
            # The stream goes on: the next sweep would find the same object, and nothing else.
            logger.exception("an event of %s was passed over", self._resource.value[1])
