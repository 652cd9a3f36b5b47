"""The workers: they take dirty keys from the queue and reconcile them, for ever."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import perf_counter

from buildstate.domain.errors import Conflict, QuotaExceeded, Transient
from buildstate.engine.queues import WorkQueue
from buildstate.kube.ports import Key

logger = logging.getLogger(__name__)

Reconcile = Callable[[Key], Awaitable[float | None]]
Told = Callable[[str, float], None]


async def work(queue: WorkQueue[Key], reconcile: Reconcile, told: Told) -> None:
    """Reconcile one key after the other. `told` hears the result and the seconds of each pass."""
    while True:
        key = await queue.get()
        began = perf_counter()
        result = await _attempt(key, queue, reconcile)
        told(result, perf_counter() - began)
        queue.done(key)


async def _attempt(key: Key, queue: WorkQueue[Key], reconcile: Reconcile) -> str:
    try:
        wake_after = await reconcile(key)
    except (Conflict, QuotaExceeded) as error:
        delay = queue.retry(key)
        logger.debug("looking again in %.1f s: %s", delay, error, extra={"build": str(key)})
        return "conflict" if isinstance(error, Conflict) else "quota"
    except Transient as error:
        delay = queue.retry(key, error.retry_after)
        logger.warning("trying again in %.1f s: %s", delay, error, extra={"build": str(key)})
        return "transient"
    except Exception:
        delay = queue.retry(key)
        logger.exception("trying again in %.1f s", delay, extra={"build": str(key)})
        return "error"
    queue.forget(key)
    if wake_after is not None:
        queue.add_after(key, wake_after)
    return "ok"


def start(
    count: int,
    queue: WorkQueue[Key],
    reconcile: Reconcile,
    told: Told,
) -> list[asyncio.Task[None]]:
    """Start that many workers."""
    return [
        asyncio.create_task(work(queue, reconcile, told), name=f"worker-{number}")
        for number in range(count)
    ]
