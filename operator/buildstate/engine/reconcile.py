"""One pass over one build. Every trigger leads here, and the second pass plans nothing."""

from buildstate.engine.managers import StateManager
from buildstate.kube.ports import Key

SETTLED_AFTER = 5.0
"""Seconds in which what was asked for mostly answers with an event. If it does not, we look."""


async def reconcile(key: Key, manager: StateManager) -> float | None:
    """Bring one build a step closer to what it asks for.

    Gives the seconds after which to look again, 0 for at once, None to wait for an event. The
    status is the intent and is written before its effects; what a write forgets is released
    before it.
    """
    observed = await manager.load(key)
    if observed is None:
        return None
    decision = manager.plan(observed)
    if await manager.act(decision.releases, observed):
        return 0  # What was not released must not be forgotten.
    observed = await manager.commit(observed, decision.state)
    has_news = await manager.act(decision.needs, observed)
    if has_news:
        return 0
    if decision.state is None:
        return decision.wake_after
    return SETTLED_AFTER if decision.needs else 0
