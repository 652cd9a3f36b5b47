"""What is done with all that a store holds of one build: mirrored, put away, or erased."""

import logging

from buildstate.domain.errors import BuildStateError, Permanent, Transient
from buildstate.domain.observed import Observed
from buildstate.engine import snapshots
from buildstate.engine.caches import Cache
from buildstate.engine.observe import Observer
from buildstate.engine.recoveries import RecoveryHandler
from buildstate.engine.vaults import Vaults
from buildstate.kube.ports import Clock, Key
from buildstate.stores.bundles import STALE, StateDamage
from buildstate.stores.contracts import Store
from buildstate.stores.persistences import StatePersistence

logger = logging.getLogger(__name__)

REFUSED_PAUSE = 30.0
"""Seconds after which a mirror that was refused is tried again."""


class Archives:
    """Keeps whole states in the stores of their builds, by the specification's StatePersistence.

    `erase_seconds` is how long a deleted build waits for its store before it is let go.
    """

    def __init__(
        self,
        observer: Observer,
        cache: Cache,
        vaults: Vaults,
        recovery_handler: RecoveryHandler,
        clock: Clock,
        erase_seconds: float,
    ) -> None:
        self._observer = observer
        self._cache = cache
        self._vaults = vaults
        self._recovery_handler = recovery_handler
        self._clock = clock
        self._erase_seconds = erase_seconds
        self._persistences: dict[str, StatePersistence] = {}

    async def mirror(self, key: Key) -> None:
        """Write the state of a build as it stands now to its store, if that is an outside one.

        Raises Transient where that must be tried again.
        """
        observed = await self._observer.observe(key)
        if observed is None or observed.state is None or observed.violations:
            return
        is_over = observed.deleting or observed.state.is_archived
        if not is_over and observed.spec.checkpoints and self._vaults.is_outside(observed):
            try:
                await self._save(observed)
            except Permanent as error:
                # The checkpoints have told of it already; what refuses may be mended any time.
                raise Transient(str(error), retry_after=REFUSED_PAUSE) from error

    async def flush(self) -> None:
        """Write what the indexes have to learn; what fails is written with the next."""
        for name, persistence in self._persistences.items():
            try:
                await persistence.flush_index()
            except BuildStateError as error:
                logger.warning("the index of store %s waits: %s", name, error)

    async def archive(self, observed: Observed) -> None:
        """Put a build's state and checkpoints away; raises Transient where that must wait."""
        key = Key(observed.namespace, observed.name)
        try:
            persistence = await self._save(observed)
            put_away = await persistence.archive_state(
                observed.namespace, observed.uid, observed.name
            )
            if isinstance(put_away, StateDamage):
                raise Permanent(put_away.message, reason=put_away.reason)
        except BuildStateError as error:
            trouble = self._recovery_handler.saving.note(key, error, self._clock.now())
            message = f"{key} is not archived: {trouble.message}"
            raise Transient(message) from error

    async def erase(self, observed: Observed) -> None:
        """Remove what the store holds of a deleted build, or give up after `erase_seconds`.

        Raises Transient while that has to be tried again.
        """
        try:
            vault = await self._vaults.of(observed)
            await self._persistence(vault.store).erase_state(observed.namespace, observed.uid)
        except BuildStateError as error:
            self._give_up(observed, error)

    def _give_up(self, observed: Observed, error: BuildStateError) -> None:
        assert observed.deletion_time is not None
        waited = (self._clock.now() - observed.deletion_time).total_seconds()
        message = f"the store of {observed.namespace}/{observed.name} is not erased: {error}"
        if waited < self._erase_seconds:
            raise Transient(message) from error
        logger.error("%s; the build is let go after %d s", message, waited)

    async def _save(self, observed: Observed) -> StatePersistence:
        build = self._cache.build(Key(observed.namespace, observed.name))
        if build is None or build.resource_version != observed.resource_version:
            message = f"{observed.namespace}/{observed.name} changed since it was looked at"
            raise Transient(message)
        vault = await self._vaults.of(observed)
        persistence = self._persistence(vault.store)
        saved = await persistence.save_state(snapshots.bundle(build.document))
        # A mirror that is older than the store would undo what somebody restored from it.
        if isinstance(saved, StateDamage) and saved.reason != STALE:
            raise Permanent(saved.message, reason=saved.reason)
        return persistence

    def _persistence(self, store: Store) -> StatePersistence:
        return self._persistences.setdefault(store.name, StatePersistence(store))
