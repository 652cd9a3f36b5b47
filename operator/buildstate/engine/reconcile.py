"""One pass over one build. Every trigger leads here, and the second pass plans nothing."""

from buildstate.engine.managers import StateManager
from buildstate.kube.ports import Key


async def reconcile(key: Key, manager: StateManager) -> float | None:
    """Bring one build a step closer to what it asks for.

    Gives the seconds after which to look again, 0 for at once, None to wait for an event. The
    status is the intent and is written before its effects; what a write forgets is released
    before it, and what it refers to is stored before it.
    """
    observed = await manager.load(key)
    if observed is None:
        return None
    decision = manager.plan(observed)
    if await manager.act(decision.releases, observed):
        return 0  # What was not released must not be forgotten.
    preserved = await manager.preserve(observed, decision)
    if preserved is None:
        return 0  # The checkpoint that was due is not stored: the policy says what comes of it.
    committed = await manager.commit(observed, preserved.state)
    try:
        has_news = await manager.act(decision.needs, committed)
    finally:
        manager.settle(committed)
    await manager.discard(observed, committed)
    return 0 if decision.state is not None or has_news else decision.wake_after
