"""What every request to the API server was and how it went, for metrics and for the probes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request: the Kubernetes verb, the resource, the code (0 without an answer), seconds."""

    verb: str
    resource: str
    code: int
    seconds: float

    @staticmethod
    def made(method: str, path: str, code: int, began: float) -> "Request":
        """Give the request that began at that loop time and has its answer now."""
        verb, resource = verb_and_resource(method, path)
        return Request(verb, resource, code, asyncio.get_running_loop().time() - began)


def tracing(told: Callable[[Request], None]) -> aiohttp.TraceConfig:
    """Give a trace that tells of each request when its answer begins or it has failed."""

    async def begin(
        _session: aiohttp.ClientSession,
        context: SimpleNamespace,
        _params: aiohttp.TraceRequestStartParams,
    ) -> None:
        context.began = asyncio.get_running_loop().time()

    async def answered(
        _session: aiohttp.ClientSession,
        context: SimpleNamespace,
        params: aiohttp.TraceRequestEndParams,
    ) -> None:
        code, path = params.response.status, params.url.path_qs
        told(Request.made(params.method, path, code, context.began))

    async def failed(
        _session: aiohttp.ClientSession,
        context: SimpleNamespace,
        params: aiohttp.TraceRequestExceptionParams,
    ) -> None:
        told(Request.made(params.method, params.url.path_qs, 0, context.began))

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(begin)
    trace.on_request_end.append(answered)
    trace.on_request_exception.append(failed)
    return trace


def verb_and_resource(method: str, path: str) -> tuple[str, str]:
    """Give the Kubernetes verb and the resource of a request, from its path alone."""
    place, _, query = path.partition("?")
    parts = [part for part in place.split("/") if part]
    rest = parts[2:] if parts[:1] == ["api"] else parts[3:]
    if rest[:1] == ["namespaces"]:
        rest = rest[2:]
    if not rest:
        return "get", "discovery"
    resource = "/".join([rest[0], *rest[2:3]])
    if method != "GET":
        return _VERBS.get(method, method.lower()), resource
    if "watch=true" in query:
        return "watch", resource
    return ("get" if len(rest) > 1 else "list"), resource
