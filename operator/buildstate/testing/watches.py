"""How builds are followed in a world: as kopf does it, from a list and then from a watch."""

import asyncio
from collections.abc import Awaitable, Callable

from buildstate.domain.errors import BuildStateError
from buildstate.engine.inboxes import Inbox
from buildstate.kube.client import KubeClient
from buildstate.kube.ports import Resource
from buildstate.kube.watches import Positions, Watch
from buildstate.kube.wires import Wire

AGAIN_SECONDS = 1.0


async def watch_builds(
    wire: Wire,
    inbox: Inbox,
    prime: Callable[[], Awaitable[None]],
    chance: Callable[[], float],
) -> None:
    """Fill the cache, then take every event of a build for ever.

    As with kopf, what is deleted in a gap of the watch is not heard of.
    """
    kube = KubeClient(wire)

    async def catch_up() -> Positions:
        listing = await kube.list_all(Resource.BUILDS)
        for document in listing.items:
            inbox.build(None, dict(document))
        return listing.versions

    await prime()
    watch = Watch(wire, Resource.BUILDS, taken=inbox.build, catch_up=catch_up, chance=chance)
    await watch.run(await _patiently(catch_up))


async def _patiently(catch_up: Callable[[], Awaitable[Positions]]) -> Positions:
    while True:
        try:
            return await catch_up()
        except BuildStateError:
            await asyncio.sleep(AGAIN_SECONDS)
