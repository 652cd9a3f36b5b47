"""How kopf is set up: as a runtime for watches and nothing else. It never writes to the cluster."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import kopf

from buildstate.engine.inboxes import Inbox
from buildstate.handlers import watches
from buildstate.handlers.storages import NoDiffBase, NoProgress
from buildstate.kube.connections import Connection
from buildstate.kube.watches import SERVER_SECONDS, SILENCE_SECONDS

Prime = Callable[[], Awaitable[None]]

_IDENTITY: Any = "buildstate-operator"
"""Peering is off, but kopf asks the system for a user name unless it is given an identity."""


def operate(
    connection: Connection,
    inbox: Inbox,
    prime: Prime,
    namespaces: tuple[str, ...],
) -> Coroutine[Any, Any, None]:
    """Give kopf at work, to be awaited: it ends when the process is told to stop.

    `prime` fills our cache before kopf opens the first watch; no namespaces are all of them.
    """
    registry = kopf.OperatorRegistry()
    register(registry, connection, prime)
    watches.register(registry, inbox)
    return kopf.operator(
        registry=registry,
        identity=_IDENTITY,
        clusterwide=not namespaces,
        namespaces=namespaces,
    )


def register(registry: kopf.OperatorRegistry, connection: Connection, prime: Prime) -> None:
    """Register what happens at the start and at each login."""

    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings)
        await prime()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(
            server=connection.server,
            aiohttp_session=connection.session(),
        )


def configure(settings: kopf.OperatorSettings) -> None:
    """Set what differs from kopf's defaults, and why is in `docs/decisions`."""
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    # Between a task for each event (0.5 s) and a task for each object for long (kopf's 5 s).
    settings.queueing.idle_timeout = 5.0
    settings.watching.chunk_size = 500
    settings.watching.initial_streaming = False
    settings.watching.inactivity_timeout = SILENCE_SECONDS
    settings.watching.server_timeout = SERVER_SECONDS
    settings.watching.reconnect_backoff = 0.1
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.networking.enforce_retry_after = True
    settings.process.ultimate_exiting_timeout = 20
