from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from buildstate.kube.traces import Request
from buildstate.telemetry.health import WatchHealth
from buildstate.telemetry.metrics import Metrics
from buildstate.telemetry.pages import serve


class Site:
    """The pages, and the way to them."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.metrics = Metrics()
        self.health = WatchHealth(("pods",), lambda: self.time)
        self.runner: web.AppRunner | None = None

    async def page(self, path: str) -> tuple[int, str]:
        """Status and text of a page."""
        assert self.runner is not None
        # On port 0 each family of addresses gets a port of its own.
        port = next(address[1] for address in self.runner.addresses if len(address) == 2)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}{path}") as answer,
        ):
            return answer.status, await answer.text()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A site on a free port."""
    site = Site()
    site.runner = await serve(0, site.metrics, site.health)
    yield site
    await site.runner.cleanup()


async def test_the_figures_are_served(site: Site) -> None:
    site.metrics.failed("PhaseFailed")
    status, text = await site.page("/metrics")
    assert 200 == status
    assert 'buildstate_errors_total{category="PhaseFailed"} 1.0' in text


@pytest.mark.parametrize(
    ("passes", "opens", "healthy", "ready"),
    [
        (0, False, (200, "ok\n"), (503, "watches not open: pods\n")),
        (0, True, (200, "ok\n"), (200, "ok\n")),
        (200, False, (503, "watches not open: pods\n"), (503, "watches not open: pods\n")),
    ],
    ids=["starting", "open", "dead"],
)
async def test_the_probes_fail_when_the_watches_are_dead(
    site: Site, passes: float, opens: bool, healthy: tuple[int, str], ready: tuple[int, str]
) -> None:
    if opens:
        site.health.told(Request("watch", "pods", 200, 0.1))
    site.time += passes
    assert (healthy, ready) == (await site.page("/healthz"), await site.page("/readyz"))


async def test_nothing_else_is_served(site: Site) -> None:
    status, _ = await site.page("/")
    assert 404 == status


async def test_a_port_that_is_taken_is_an_error(site: Site) -> None:
    assert site.runner is not None
    port = site.runner.addresses[0][1]
    with pytest.raises(OSError, match="in use"):
        await serve(port, Metrics(), site.health)
