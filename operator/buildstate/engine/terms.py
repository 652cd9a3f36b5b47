"""How the terms of namespaces come to the ledgers: from watches, and from lists after a gap."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from buildstate.engine.ledgers import Ledgers
from buildstate.kube import quotas
from buildstate.kube.ports import Document, Key, Kube, Listing, Resource
from buildstate.kube.watches import Positions, Watch

Following = Callable[
    [Resource, Callable[[str, dict[str, Any]], None], Callable[[], Awaitable[Positions]]], Watch
]
"""What gives the watch of a kind, from what hears of it and what mends a gap."""


class Listed(NamedTuple):
    """All ResourceQuotas and LimitRanges, as they stood when they were listed."""

    quotas: Listing
    limits: Listing


class TermsInbox:
    """Takes what the API server tells of ResourceQuotas and LimitRanges.

    `told` hears of each ResourceQuota, too, with None for one that is gone. It is made within the
    event loop.
    """

    def __init__(
        self,
        ledgers: Ledgers,
        kube: Kube,
        told: Callable[[Key, Document | None], None] = lambda _key, _document: None,
    ) -> None:
        self._ledgers = ledgers
        self._kube = kube
        self._told = told
        self._begun: asyncio.Future[Listed] = asyncio.get_running_loop().create_future()
        self._known: dict[Resource, set[Key]] = {Resource.QUOTAS: set(), Resource.LIMITS: set()}

    async def listed(self) -> Listed:
        """Give all that there is."""
        return Listed(
            await self._kube.list_all(Resource.QUOTAS), await self._kube.list_all(Resource.LIMITS)
        )

    def begin(self, listed: Listed) -> None:
        """Take in all that there is, before anything is decided."""
        self._replace(Resource.QUOTAS, listed.quotas)
        self._replace(Resource.LIMITS, listed.limits)
        self._begun.set_result(listed)

    async def follow(self, following: Following, resource: Resource, namespace: str) -> None:
        """Follow the quotas or the limit ranges of one namespace, or of all, for ever."""
        taken = self.quota if resource is Resource.QUOTAS else self.limits
        watch = following(resource, taken, partial(self.catch_up, resource))
        listed = await asyncio.shield(self._begun)
        listing = listed.quotas if resource is Resource.QUOTAS else listed.limits
        await watch.follow(namespace, listing.versions[namespace])

    async def catch_up(self, resource: Resource) -> dict[str, str]:
        """Take in what a gap in the watch has hidden; give where to go on."""
        listing = await self._kube.list_all(resource)
        self._replace(resource, listing)
        return listing.versions

    def quota(self, event: str | None, document: dict[str, Any]) -> None:
        """Take one event of a ResourceQuota."""
        self._take(Resource.QUOTAS, document, is_gone=event == "DELETED")

    def limits(self, event: str | None, document: dict[str, Any]) -> None:
        """Take one event of a LimitRange."""
        self._take(Resource.LIMITS, document, is_gone=event == "DELETED")

    def _replace(self, resource: Resource, listing: Listing) -> None:
        gone = self._known[resource] - {_key(document) for document in listing.items}
        for document in listing.items:
            self._take(resource, document, is_gone=False)
        for key in gone:
            self._tell(resource, key, None)

    def _take(self, resource: Resource, document: Document, *, is_gone: bool) -> None:
        self._tell(resource, _key(document), None if is_gone else document)

    def _tell(self, resource: Resource, key: Key, document: Document | None) -> None:
        known = self._known[resource]
        if document is None:
            known.discard(key)
        else:
            known.add(key)
        if resource is Resource.QUOTAS:
            self._ledgers.quota(*key, quotas.quota(document) if document else None)
            self._told(key, document)
        else:
            self._ledgers.limits(*key, quotas.bounds(document) if document else ())


def _key(document: Document) -> Key:
    return Key(document["metadata"]["namespace"], document["metadata"]["name"])
