import os
from dataclasses import replace
from typing import Any

import pytest
from tests.doubles import Keeping, RecordingKube, StoppedClock, Told, seen
from tests.worlds import NAME, NAMESPACE, a_build, a_document, after

from buildstate.api import convert
from buildstate.domain.actions import AddFinalizer
from buildstate.domain.errors import Conflict, Permanent, QuotaExceeded, Transient
from buildstate.domain.observed import Observed
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import Plan
from buildstate.domain.states import BuildState
from buildstate.engine.allocations import ResourceStateManager
from buildstate.engine.caches import Cache
from buildstate.engine.ledgers import Ledgers
from buildstate.engine.managers import StateManager, TransitionManager
from buildstate.engine.observe import Observer
from buildstate.engine.reconcile import reconcile
from buildstate.engine.recoveries import RecoveryHandler
from buildstate.engine.reports import Reporter
from buildstate.engine.validators import StateValidator
from buildstate.engine.vaults import Vaults
from buildstate.engine.volumes import VolumeInspector
from buildstate.kube.ports import Document, Key, Resource
from buildstate.stores.keyrings import NO_KEYS
from buildstate.stores.memories import MemoryStore
from buildstate.stores.registries import Registry

KEY = Key(NAMESPACE, NAME)
SPEC: dict[str, Any] = {"phases": {"setup": {"image": "busybox"}}}
STANDING = a_build().in_phase(BuildPhase.INIT).written()


class Engine:
    """A state manager over a recording cluster that holds one build."""

    def __init__(self, document: Document, **failing: list[Exception | None]) -> None:
        self.kube = RecordingKube({Resource.BUILDS: [document]}, **failing)
        self.cache = Cache()
        self.cache.put_build(document)
        self.told = Told()
        self.written: list[Key] = []
        validator = StateValidator()
        observer = Observer(self.cache, self.kube, validator)
        reporter = Reporter(self.told, self.told)
        transitions = TransitionManager(self.kube, self.cache, observer, validator, reporter)
        self.clock, self.keeper, self.store = StoppedClock(), Keeping(), MemoryStore()
        vaults = Vaults(Registry("memory", [self.store]), NO_KEYS, self.kube)
        resources = ResourceStateManager(self.kube, self.cache, self.clock, reporter)
        self.manager = StateManager(
            observer=observer,
            transition_manager=transitions,
            recovery_handler=RecoveryHandler(vaults, resources, self.clock, os.urandom, self.told),
            resource_manager=resources,
            volume_inspector=VolumeInspector(self.kube, self.clock),
            keeper=self.keeper,
            kube=self.kube,
            cache=self.cache,
            ledgers=Ledgers(observer.glance, self.cache.keys, self.clock, self.told),
            clock=self.clock,
            told=self.written.append,
        )

    async def look(self) -> tuple[Observed, Plan]:
        """What is seen, and what is planned upon it."""
        observed = seen(await self.manager.load(KEY))
        return observed, self.manager.plan(observed)

    def verbs(self) -> list[str]:
        """What was asked of the cluster."""
        return [call[0] for call in self.kube.calls]

    def version(self) -> str | None:
        """The version of the build that is known."""
        build = self.cache.build(KEY)
        return build.resource_version if build else None


def advanced(decision: Plan) -> BuildState:
    """The state that was planned, which is one."""
    assert decision.state is not None
    return decision.state


# The one write.


async def test_a_write_is_the_sealed_state_and_names_the_version_that_it_is_for() -> None:
    engine = Engine(STANDING.document(7))
    observed, decision = await engine.look()
    await engine.manager.commit(observed, decision.state)
    document = convert.document_of(advanced(decision))
    assert [("replace", KEY, "7", document)] == engine.kube.calls


async def test_a_write_is_known_before_the_watch_tells_of_it() -> None:
    engine = Engine(STANDING.document(7))
    observed, decision = await engine.look()
    after = await engine.manager.commit(observed, decision.state)
    again, _ = await engine.look()
    assert ("8", after.state, ()) == (engine.version(), again.state, again.violations)


async def test_nothing_is_written_where_nothing_is_planned() -> None:
    engine = Engine(STANDING.document(7))
    observed, _ = await engine.look()
    assert observed is await engine.manager.commit(observed, None)
    assert [] == engine.kube.calls


async def test_after_a_lost_race_the_cache_is_fresh_and_no_event_is_told() -> None:
    engine = Engine(STANDING.document(7), replace=[Conflict("changed")])
    observed, decision = await engine.look()
    engine.kube.objects[Resource.BUILDS, KEY] = STANDING.document(9)
    with pytest.raises(Conflict):
        await engine.manager.commit(observed, decision.state)
    assert (["replace", "get"], "9") == (engine.verbs(), engine.version())
    lost = ("lost", "INIT", "SETUP", "conflict")
    assert ([lost], []) == (engine.told.figures, engine.told.events)


async def test_a_build_that_went_in_the_meantime_is_forgotten() -> None:
    engine = Engine(STANDING.document(7), replace=[Conflict("gone")])
    observed, decision = await engine.look()
    engine.kube.objects.clear()
    with pytest.raises(Conflict):
        await engine.manager.commit(observed, decision.state)
    assert engine.version() is None


@pytest.mark.parametrize(
    "newer",
    [STANDING.document(8), {**a_document(3, uid="another")}],
    ids=["a newer version", "another object"],
)
async def test_what_changed_since_it_was_looked_at_is_not_written(newer: Document) -> None:
    engine = Engine(STANDING.document(7))
    observed, decision = await engine.look()
    engine.cache.put_build(newer)
    with pytest.raises(Conflict):
        await engine.manager.commit(observed, decision.state)
    assert [] == engine.kube.calls


async def test_what_is_gone_is_not_written() -> None:
    engine = Engine(STANDING.document(7))
    observed, decision = await engine.look()
    engine.cache.drop_build(STANDING.document(8))
    with pytest.raises(Conflict):
        await engine.manager.commit(observed, decision.state)
    assert [] == engine.kube.calls


async def test_an_illegal_step_is_refused_before_anything_is_sent() -> None:
    engine = Engine(STANDING.document(7))
    observed, decision = await engine.look()
    leap = replace(advanced(decision), phase=BuildPhase.COMPLETE)
    with pytest.raises(Permanent, match="INIT -> COMPLETE is not a valid transition") as refusal:
        await engine.manager.commit(observed, leap)
    assert ("TransitionViolation", []) == (refusal.value.reason, engine.kube.calls)


async def test_a_state_that_breaks_a_law_is_refused_before_anything_is_sent() -> None:
    engine = Engine(STANDING.document(7))
    observed, decision = await engine.look()
    unsound = replace(advanced(decision), sequence=7)
    with pytest.raises(Permanent, match="history the history ends at 1") as refusal:
        await engine.manager.commit(observed, unsound)
    assert ("HistoryElsewhere", []) == (refusal.value.reason, engine.kube.calls)
    assert [("lost", "INIT", "SETUP", "HistoryElsewhere")] == engine.told.figures


async def test_a_write_that_the_server_stored_otherwise_is_read_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Pruning(RecordingKube):
        """An API server whose CRD is older."""

        async def replace_status(self, build: Document, status: Document) -> Document:
            pruned = {name: value for name, value in status.items() if name != "target"}
            return await super().replace_status(build, pruned)

    engine = Engine(STANDING.document(7))
    observed, decision = await engine.look()
    engine.kube.__class__ = Pruning
    await engine.manager.commit(observed, decision.state)
    again, _ = await engine.look()
    assert ["digest"] == [violation.field for violation in again.violations]
    assert "is its CRD older?" in caplog.text


# Acts.


async def refused(engine: Engine, seconds: float) -> None:
    """Look at the build that long after the beginning, and find that there is no room."""
    engine.clock.time = after(seconds)
    with pytest.raises(Transient, match="exceeded quota"):
        await reconcile(KEY, engine.manager)


async def test_a_refusal_that_lasts_is_news_once_and_then_waits_for_its_backoff() -> None:
    quota: list[Exception | None] = [QuotaExceeded("exceeded quota") for _ in range(4)]
    engine = Engine(a_build().in_phase(BuildPhase.INIT).document(1, **SPEC), create=quota)
    await refused(engine, 0)
    await refused(engine, 1.9)
    engine.clock.time = after(2)
    assert 0 == await reconcile(KEY, engine.manager)
    await refused(engine, 2)
    observed, _ = await engine.look()
    assert "Waiting" == (observed.state and observed.state.status)


async def test_a_refusal_that_ends_is_news() -> None:
    quota: list[Exception | None] = [*(QuotaExceeded("exceeded quota") for _ in range(3)), None]
    engine = Engine(a_build().in_phase(BuildPhase.INIT).document(1, **SPEC), create=quota)
    await refused(engine, 0)
    engine.clock.time = after(2)
    assert 0 == await reconcile(KEY, engine.manager)
    await refused(engine, 2)
    for _ in range(2):
        await reconcile(KEY, engine.manager)
    observed, _ = await engine.look()
    assert "Running" == (observed.state and observed.state.status)


async def test_what_must_be_there_before_the_first_write_makes_another_version_of_it() -> None:
    engine = Engine(a_document())
    observed, _ = await engine.look()
    assert await engine.manager.act((AddFinalizer(),), observed)


# The pass.


async def test_the_intent_is_written_before_its_effect() -> None:
    engine = Engine(a_build().in_phase(BuildPhase.INIT).document(1, **SPEC))
    await reconcile(KEY, engine.manager)
    assert ["replace", "create"] == engine.verbs()


async def test_a_write_is_followed_by_the_next_pass_at_once() -> None:
    engine = Engine(a_document())
    assert 0 == await reconcile(KEY, engine.manager)
    assert ["replace"] == engine.verbs()


async def test_what_a_write_forgets_is_released_before_it() -> None:
    spec = {**SPEC, "workspace": {"size": "1Gi"}, "phase": "ERROR"}
    held = a_build().with_work().with_workspace().in_phase(BuildPhase.SETUP)
    engine = Engine(held.document(1, **spec))
    await reconcile(KEY, engine.manager)
    engine.kube.calls.clear()
    engine.kube.objects[Resource.BUILDS, KEY] = _known(engine)
    await reconcile(KEY, engine.manager)
    assert ["get", "delete", "replace"] == engine.verbs()


async def test_what_could_not_be_released_is_not_forgotten() -> None:
    spec = {**SPEC, "workspace": {"size": "1Gi"}, "phase": "ERROR"}
    held = a_build().with_work().with_workspace().in_phase(BuildPhase.SETUP)
    engine = Engine(held.document(1, **spec), delete=[Permanent("no", reason="Forbidden")])
    await reconcile(KEY, engine.manager)
    engine.kube.objects[Resource.BUILDS, KEY] = _known(engine)
    engine.kube.calls.clear()
    assert 0 == await reconcile(KEY, engine.manager)
    assert ["get", "delete"] == engine.verbs()


def _known(engine: Engine) -> Document:
    build = engine.cache.build(KEY)
    assert build is not None
    return {**build.document, "metadata": {**build.document["metadata"]}}


async def test_the_second_pass_does_nothing() -> None:
    reached = a_build().asking_for(BuildPhase.INIT).in_phase(BuildPhase.INIT)
    state = replace(reached, generation=1).written().known
    document = {**a_document(4, phase="INIT"), "status": convert.document_of(state)}
    engine = Engine(document)
    assert (None, None) == (
        await reconcile(KEY, engine.manager),
        await reconcile(KEY, engine.manager),
    )
    assert [] == engine.kube.calls


async def test_a_build_that_is_gone_needs_nothing() -> None:
    engine = Engine(a_document())
    engine.cache.drop_build(a_document())
    assert await reconcile(KEY, engine.manager) is None
    assert [] == engine.kube.calls


async def test_a_pass_that_waits_for_a_time_says_how_long() -> None:
    recovery = {"strategy": "Restart", "backoffSeconds": 10}
    world = a_build().restarting(backoff_seconds=10).in_error()
    state = replace(world, generation=1).written().known
    document = {**a_document(4, recovery=recovery), "status": convert.document_of(state)}
    assert 10.0 == await reconcile(KEY, Engine(document).manager)
