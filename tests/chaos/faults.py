"""What stands between an operator and the API server, and spoils what passes through."""

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from tests.contract.proxies import Fuse, Proxy, kept
from yarl import URL

REASONS = {
    401: "Unauthorized",
    409: "Conflict",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
CUT, HELD, DOUBLED, GONE = "watch cut", "watch held", "event doubled", "watch 410"
RESET_BEFORE, RESET_AFTER, DELAY = "reset before", "reset after", "delay"


@dataclass
class Weather:
    """How bad it is: the share of requests and of watched lines that are spoilt. It can clear up.

    `injected` counts what was done, by its class.
    """

    chance: random.Random
    requests: float = 0.06
    lines: float = 0.02
    injected: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        """Spoil nothing more."""
        self.requests = self.lines = 0.0

    def request(self, method: str, path: str) -> str:
        """Choose what happens to one request; empty for nothing."""
        if self.chance.random() >= self.requests:
            return ""
        return self._counted(self.chance.choice(_possible(method, path)))

    def line(self) -> str:
        """Choose what happens at one line of a watch; empty for nothing."""
        if self.chance.random() >= self.lines:
            return ""
        return self._counted(self.chance.choice((CUT, HELD, DOUBLED, GONE)))

    def _counted(self, fault: str) -> str:
        self.injected[fault] += 1
        return fault


def _possible(method: str, path: str) -> tuple[str, ...]:
    usual = (DELAY, RESET_BEFORE, RESET_AFTER, "401", "429", "500", "503", "504")
    # A 422 says that asking again cannot help, and a build that is told so fails, as it should.
    invented = ("422",) if "/events" in path else ()
    return (*usual, *invented, *(("409",) if method in ("PUT", "POST") else ()))


class FaultyProxy(Proxy):
    """Forwards to the API server what the weather lets pass."""

    def __init__(
        self, session: aiohttp.ClientSession, server: str, fuse: Fuse, weather: Weather
    ) -> None:
        super().__init__(session, server, fuse)
        self._weather = weather

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Forward one request, or spoil it."""
        try:
            return await self._handle(request)
        except ConnectionError:
            return _broken(request)  # Who asked was killed meanwhile.

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await self._watch(request)
        fault = self._weather.request(request.method, request.path)
        spoil = _SPOILING.get(fault)
        if spoil is not None:
            return await spoil(self, request)
        return _said(int(fault)) if fault else await super().handle(request)

    async def delay(self, request: web.Request) -> web.StreamResponse:
        """Forward it late."""
        await asyncio.sleep(self._weather.chance.uniform(0.05, 1.0))
        return await super().handle(request)

    async def reset_before(self, request: web.Request) -> web.StreamResponse:
        """Break the connection; nothing is forwarded."""
        return _broken(request)

    async def reset_after(self, request: web.Request) -> web.StreamResponse:
        """Forward it, and break the connection instead of answering: who asked cannot know."""
        body = await request.read()
        url = URL(self.server + request.raw_path, encoded=True)
        async with self.session.request(
            request.method, url, headers=kept(request.headers), data=body or None
        ) as answer:
            await answer.read()
        return _broken(request)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        url = URL(self.server + request.raw_path, encoded=True)
        never = aiohttp.ClientTimeout(total=None)
        async with self.session.get(url, headers=kept(request.headers), timeout=never) as answer:
            response = web.StreamResponse(status=answer.status, headers=kept(answer.headers))
            with contextlib.suppress(ConnectionError):
                await response.prepare(request)
                rest = b""
                async for part in answer.content.iter_any():
                    *lines, rest = (rest + part).split(b"\n")
                    for line in lines:
                        if not await self._pass(line + b"\n", response):
                            return _broken(request)
                await response.write_eof(rest)
            return response

    async def _pass(self, line: bytes, response: web.StreamResponse) -> bool:
        """Hand one line on, or spoil it; say whether the watch goes on."""
        match self._weather.line():
            case fault if fault == CUT:
                await response.write(line[: len(line) // 2])
                return False
            case fault if fault == GONE:
                error = {"type": "ERROR", "object": _status(410, "Expired")}
                await response.write(json.dumps(error).encode() + b"\n")
                return False
            case fault if fault == HELD:
                await asyncio.sleep(self._weather.chance.uniform(0.2, 3.0))
            case fault if fault == DOUBLED:
                await response.write(line)
        await response.write(line)
        return True


Spoil = Callable[[FaultyProxy, web.Request], Awaitable[web.StreamResponse]]

_SPOILING: dict[str, Spoil] = {
    DELAY: FaultyProxy.delay,
    RESET_BEFORE: FaultyProxy.reset_before,
    RESET_AFTER: FaultyProxy.reset_after,
}


def _broken(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _said(code: int) -> web.Response:
    headers = {"Retry-After": "1"} if code == 429 else {}
    return web.json_response(_status(code, REASONS[code]), status=code, headers=headers)


def _status(code: int, reason: str) -> dict[str, object]:
    message = f"{reason}, as the chaos would have it"
    kind = {"apiVersion": "v1", "kind": "Status", "status": "Failure"}
    return {**kind, "code": code, "reason": reason, "message": message}
