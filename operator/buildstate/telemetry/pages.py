"""The pages that the operator serves: /metrics for Prometheus, /healthz and /readyz for probes."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from buildstate.telemetry.health import WatchHealth
from buildstate.telemetry.metrics import Metrics

Page = Callable[[web.Request], Awaitable[web.Response]]


async def serve(port: int, metrics: Metrics, health: WatchHealth) -> web.AppRunner:
    """Serve the pages on that port; `cleanup` of what it gives ends it. Raises OSError."""
    pages = web.Application()
    pages.router.add_get("/metrics", _figures(metrics))
    pages.router.add_get("/healthz", _probe(health.dead))
    pages.router.add_get("/readyz", _probe(health.not_ready))
    runner = web.AppRunner(pages, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner


def _figures(metrics: Metrics) -> Page:
    async def page(_request: web.Request) -> web.Response:
        return web.Response(
            body=metrics.exposition(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    return page


def _probe(complaints: Callable[[], list[str]]) -> Page:
    async def page(_request: web.Request) -> web.Response:
        ill = complaints()
        if not ill:
            return web.Response(text="ok\n")
        return web.Response(status=503, text=f"watches not open: {', '.join(ill)}\n")

    return page
