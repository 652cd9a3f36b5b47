"""The quotas of labelled namespaces at work: what is followed for them, and who keeps them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from buildstate.engine import workers
from buildstate.engine.budgets import BudgetKeeper
from buildstate.kube.ports import Resource


class Stream(Protocol):
    """Objects of one kind as they change."""

    async def follow(self, namespace: str, position: str | None) -> None:
        """Follow one namespace for ever, from its position or from a list."""


Taken = Callable[[str, dict[str, Any]], None]
Following = Callable[[Resource, Taken, Callable[[], Awaitable[Mapping[str, str]]]], Stream]
"""Gives the stream of a kind, by who hears of each event and who is asked after a gap."""


def watched(keeper: BudgetKeeper, following: Following) -> list[asyncio.Task[None]]:
    """Begin to keep the quotas of the namespaces that are served, if any are to be kept."""
    if not keeper.is_wanted:
        return []
    worker = workers.start(1, keeper.queue, keeper.keep, lambda _result, _seconds: None)
    if keeper.namespaces:
        # Who serves some namespaces may not watch them: they are read now and with each sweep.
        keeper.wake_served()
        return worker
    labels = following(Resource.NAMESPACES, keeper.namespace, keeper.look_at_namespaces)
    return [*worker, asyncio.create_task(labels.follow("", None), name="labels")]
