"""Kubernetes Events on their way out. They inform people; no build ever waits for one."""

import asyncio
import logging
from typing import Any

from buildstate.domain.errors import AlreadyExists, BuildStateError, Transient
from buildstate.kube.ports import Kube, Resource

logger = logging.getLogger(__name__)

CAPACITY = 10_000
ATTEMPTS = 3


class EventOutbox:
    """A bounded queue of Events; what does not fit, or is refused, is dropped and said so."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue(CAPACITY)

    def put(self, event: dict[str, Any]) -> None:
        """Take one Event to send."""
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            logger.warning("an Event was dropped: %s", event["message"])

    async def run(self) -> None:
        """Send what comes, one after the other, for ever."""
        while True:
            event = await self._waiting.get()
            await self._send(event)

    async def _send(self, event: dict[str, Any]) -> None:
        for attempt in range(ATTEMPTS):
            try:
                await self._kube.create(Resource.EVENTS, event)
            except AlreadyExists:
                return
            except Transient as error:
                logger.debug("an Event waits: %s", error)
                await asyncio.sleep(2.0**attempt)
            except BuildStateError as error:
                logger.debug("an Event was refused: %s", error)
                return
            else:
                return
