from typing import Any

import aiohttp
import kopf
import pytest
from kopf._core.intents import causes

from buildstate.handlers import lifecycle
from buildstate.handlers.storages import NoDiffBase, NoProgress
from buildstate.telemetry.health import REOPENED_WITHIN


class Line:
    """What `lifecycle` needs of a connection."""

    server = "https://cluster.example"

    def __init__(self) -> None:
        self.sessions: list[aiohttp.ClientSession] = []

    def session(self) -> aiohttp.ClientSession:
        self.sessions.append(aiohttp.ClientSession())
        return self.sessions[-1]


def registered(line: Line, primed: list[kopf.OperatorSettings]) -> kopf.OperatorRegistry:
    """A registry with the life of an operator."""
    registry = kopf.OperatorRegistry()

    async def prime() -> None:
        primed.append(SETTINGS)

    lifecycle.register(registry, line, prime)  # type: ignore[arg-type]
    return registry


SETTINGS = kopf.OperatorSettings()


def handler(registry: kopf.OperatorRegistry, activity: causes.Activity) -> Any:
    """The one handler of an activity."""
    (only,) = (one for one in registry._activities.get_all_handlers() if one.activity is activity)
    return only.fn


async def test_at_the_start_the_cache_is_filled_before_any_watch_is_opened() -> None:
    primed: list[kopf.OperatorSettings] = []
    await handler(registered(Line(), primed), causes.Activity.STARTUP)(settings=SETTINGS)
    assert ([SETTINGS], True) == (primed, SETTINGS.scanning.disabled)


async def test_each_login_gives_a_session_of_its_own() -> None:
    line = Line()
    login = handler(registered(line, []), causes.Activity.AUTHENTICATION)
    first, second = await login(), await login()
    assert line.server == first.server
    assert line.sessions == [first.aiohttp_session, second.aiohttp_session]
    for session in line.sessions:
        await session.close()


@pytest.fixture(scope="module")
def settings() -> kopf.OperatorSettings:
    """Settings of kopf as we configure them."""
    settings = kopf.OperatorSettings()
    lifecycle.configure(settings)
    return settings


def test_kopf_writes_nothing(settings: kopf.OperatorSettings) -> None:
    assert (True, False) == (settings.peering.standalone, settings.posting.enabled)
    assert isinstance(settings.persistence.diffbase_storage, NoDiffBase)
    assert isinstance(settings.persistence.progress_storage, NoProgress)


def test_a_silent_watch_is_given_up_before_the_probe_gives_up(
    settings: kopf.OperatorSettings,
) -> None:
    server, silence = settings.watching.server_timeout, settings.watching.inactivity_timeout
    assert server is not None
    assert silence is not None
    assert server + silence < REOPENED_WITHIN
