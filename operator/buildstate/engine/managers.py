"""The specification's StateManager and TransitionManager: thin classes over the pure domain."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from buildstate.api import convert
from buildstate.domain import objects
from buildstate.domain.actions import Act, AddFinalizer, RemoveFinalizer, ResizePod
from buildstate.domain.errors import BuildStateError, Conflict, Permanent, QuotaExceeded
from buildstate.domain.observed import Moment, Observed
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import Plan, plan
from buildstate.domain.restores import wanted
from buildstate.domain.states import BuildState
from buildstate.domain.verifications import awaited
from buildstate.engine.act import Keeper, act
from buildstate.engine.allocations import ResourceStateManager
from buildstate.engine.caches import Cache
from buildstate.engine.ledgers import Ledgers
from buildstate.engine.objects import ObjectMeasurer
from buildstate.engine.observe import Observer
from buildstate.engine.recoveries import RecoveryHandler
from buildstate.engine.reports import Reporter
from buildstate.engine.validators import StateValidator
from buildstate.engine.volumes import VolumeInspector
from buildstate.kube.ports import Clock, Document, Key, Kube, Resource
from buildstate.kube.reporters import DEFAULT_IMAGE, Image

logger = logging.getLogger(__name__)


class TransitionManager:
    """Makes a decided state the committed one: the single status write of a pass."""

    def __init__(
        self,
        kube: Kube,
        cache: Cache,
        observer: Observer,
        validator: StateValidator,
        reporter: Reporter,
    ) -> None:
        self._kube = kube
        self._cache = cache
        self._observer = observer
        self._validator = validator
        self._reporter = reporter

    async def commit(self, observed: Observed, state: BuildState) -> Observed:
        """Write `state`, unless the build changed since it was observed; give the world after it.

        Raises Conflict when somebody wrote first: nothing was written, and the cache is fresh.
        Raises Permanent where the state breaks a law: that is a fault of ours, and not written.
        """
        self._refuse_illegal(observed, state)
        key = Key(observed.namespace, observed.name)
        document = convert.document_of(state)
        self._refuse_unsound(observed, state, document)
        try:
            written = await self._write(key, observed.resource_version, document)
        except BuildStateError as error:
            self._reporter.lost(observed, state, type(error).__name__.lower())
            raise
        self._cache.put_build(written)
        after = replace(observed, state=state, violations=())
        if written.get("status") == document:
            self._observer.wrote(key, written["metadata"]["resourceVersion"], after)
        else:
            logger.error("the API server stored another status than was written: is its CRD older?")
        self._reporter.committed(observed, state)
        return after

    async def _write(self, key: Key, resource_version: str, document: Document) -> Document:
        build = self._cache.build(key)
        if build is None or build.resource_version != resource_version:
            message = f"{key} changed since it was looked at"
            raise Conflict(message)
        try:
            return await self._kube.replace_status(build.document, document)
        except Conflict:
            await self._look_again(key)
            raise

    def _refuse_illegal(self, observed: Observed, state: BuildState) -> None:
        # What was never written is in INIT, as the API server says to all who read it.
        before = observed.state or replace(state, phase=BuildPhase.INIT)
        verdict = self._validator.validate_transition(before, state)
        if not verdict.accepted:
            raise Permanent(verdict.message, reason=verdict.reason)

    def _refuse_unsound(self, observed: Observed, state: BuildState, document: Document) -> None:
        result = self._validator.validate_unsealed(document, observed.uid)
        if result:
            return
        first = result.violations[0]
        self._reporter.lost(observed, state, first.reason)
        message = f"a state that breaks a law is not written: {first.field} {first.message}"
        raise Permanent(message, reason=first.reason)

    async def _look_again(self, key: Key) -> None:
        known, fresh = self._cache.build(key), await self._kube.get(Resource.BUILDS, key)
        if fresh is not None:
            self._cache.put_build(fresh)
        elif known is not None:
            self._cache.drop_build(known.document)


@dataclass(frozen=True, slots=True)
class StateManager:
    """The facade: load and validate, plan, write, act. `told` hears of each write."""

    observer: Observer
    transition_manager: TransitionManager
    recovery_handler: RecoveryHandler
    resource_manager: ResourceStateManager
    volume_inspector: VolumeInspector
    keeper: Keeper
    kube: Kube
    cache: Cache
    ledgers: Ledgers
    clock: Clock
    told: Callable[[Key], None]
    reporter_image: Image = DEFAULT_IMAGE
    object_measurer: ObjectMeasurer | None = None

    async def load(self, key: Key) -> Observed | None:
        """Give the build with its validated state, its Pods, and the checkpoint that is due."""
        observed = await self.observer.observe(key)
        if observed is None:
            self.recovery_handler.forget(key)
            self.resource_manager.forget(key)
            self.volume_inspector.forget(key)
            self.ledgers.forget(key)
            if self.object_measurer is not None:
                self.object_measurer.forget(key)
            return None
        inspected = await self.volume_inspector.inspected(observed)
        tracked = await self.resource_manager.track_resource_allocation(inspected)
        known = self.ledgers.informed(self.recovery_handler.informed(tracked))
        known = self._measured(known)
        due = wanted(Moment(observed=known, now=self.clock.now()))
        if due is None:
            return known
        given = await self.recovery_handler.restore_checkpoint(known, due)
        return replace(known, recoverable=given)

    def _measured(self, observed: Observed) -> Observed:
        due = objects.due(Moment(observed=observed, now=self.clock.now()))
        if not due or self.object_measurer is None:
            return observed
        return replace(observed, objects=self.object_measurer.measure(observed, due))

    def plan(self, observed: Observed) -> Plan:
        """Decide what should be written and done now."""
        return plan(observed, self.clock.now())

    async def preserve(self, observed: Observed, decision: Plan) -> Plan | None:
        """Store the checkpoints that are due, and give the plan with the references to them.

        None where one could not be stored: that changes what is to be decided.
        """
        if decision.state is None or not decision.captures:
            return decision
        build = self.cache.build(Key(observed.namespace, observed.name))
        if build is None:
            message = f"{observed.namespace}/{observed.name} is gone"
            raise Conflict(message)
        state = await self.recovery_handler.take(observed, build.document, decision)
        return None if state is None else replace(decision, state=state)

    async def commit(self, observed: Observed, state: BuildState | None) -> Observed:
        """Write `state`, if there is anything to write."""
        if state is None:
            return observed
        key = Key(observed.namespace, observed.name)
        try:
            committed = await self.transition_manager.commit(observed, state)
        except BuildStateError:
            self.recovery_handler.suspects.add(key)
            raise
        self.told(key)
        return committed

    def settle(self, committed: Observed) -> None:
        """Tell the line of the namespace how a pass has left the build."""
        self.ledgers.settle(committed)

    async def discard(self, before: Observed, after: Observed) -> None:
        """Remove the checkpoints that the status has let go."""
        kept = {ref.name for ref in after.state.checkpoints} if after.state else set()
        known = before.state.checkpoints if before.state else ()
        dropped = [ref for ref in known if ref.name not in kept]
        if dropped and not before.violations:
            await self.recovery_handler.discard(after, tuple(dropped))

    async def act(self, acts: tuple[Act, ...], observed: Observed) -> bool:
        """Do the acts; say whether the API server's answer changes what is to be written."""
        if not acts:
            return False
        refusal = await act(acts, observed, self.kube, self.cache, self.keeper, self.reporter_image)
        if refusal is None:
            self.resource_manager.corrected(acts, observed)
        key = Key(observed.namespace, observed.name)
        if refusal is not None and not refusal.is_permanent:
            self.ledgers.refused(key)
        pod = awaited(observed.state, observed) if observed.state else ""
        is_news = self.observer.note(key, pod, refusal, self.clock.now())
        if refusal is not None and not is_news:
            # It is told already, or too new to be told; it waits for a release, or its backoff.
            raise QuotaExceeded(refusal.message)
        # What was done to the object itself has made another version of it.
        told = AddFinalizer | RemoveFinalizer | ResizePod
        return is_news or any(isinstance(one, told) for one in acts)
