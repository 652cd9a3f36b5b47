"""Checkpoints that no status refers to: what a crash or a lost race left behind."""

import logging
from collections.abc import Iterable
from dataclasses import replace

from buildstate.domain.checkpoints import is_name
from buildstate.domain.errors import BuildStateError
from buildstate.domain.observed import Observed
from buildstate.domain.states import BuildState
from buildstate.engine.observe import Observer
from buildstate.engine.vaults import Vaults
from buildstate.kube.ports import Key
from buildstate.stores.contracts import Area

logger = logging.getLogger(__name__)


async def collect(keys: Iterable[Key], observer: Observer, vaults: Vaults) -> set[Key]:
    """Remove the orphans of these builds; give the builds whose store has to be asked again."""
    return {key for key in sorted(keys) if not await _collect(key, observer, vaults)}


async def _collect(key: Key, observer: Observer, vaults: Vaults) -> bool:
    try:
        observed = await observer.observe(key)
        if observed is not None and _is_sure(observed):
            await _remove(observed, vaults)
    except BuildStateError as error:
        logger.warning("orphans stay until the next sweep: %s", error, extra={"build": str(key)})
        return False
    return True


def _is_sure(observed: Observed) -> bool:
    # A state that is not believed refers to nothing; whatever is stored may be all that is left.
    if observed.violations or observed.deleting or observed.state is None:
        return False
    return bool(observed.state.checkpoints)


async def _remove(observed: Observed, vaults: Vaults) -> None:
    vault = await vaults.of(observed)
    assert observed.state is not None
    # What nobody refers to was put away with all the rest.
    area = Area.ARCHIVED if observed.state.is_archived else Area.ACTIVE
    place = replace(vault.place, area=area)
    for name in orphans(await vault.store.names(place), observed.state):
        await vault.store.delete(place, name)
        extra = {"build": f"{observed.namespace}/{observed.name}"}
        logger.info("checkpoint %s, which no status refers to, is removed", name, extra=extra)


def orphans(stored: Iterable[str], state: BuildState) -> list[str]:
    """Give those of the `stored` checkpoints that `state` has no use for.

    One that is newer than the newest reference may be about to get its own.
    """
    newest = state.newest_checkpoint
    if newest is None:
        return []
    known = {ref.name for ref in state.checkpoints}
    unknown = (name for name in stored if is_name(name) and name not in known)
    return [name for name in unknown if int(name.partition("-")[0]) <= newest.number]
