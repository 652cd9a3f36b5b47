import os

import pytest
from tests.doubles import RecordingKube, StoppedClock, Told
from tests.worlds import NAME, NAMESPACE, NOW, UID, a_build

from buildstate.domain.captures import Capture
from buildstate.domain.checkpoints import CheckpointTrigger
from buildstate.domain.errors import Transient
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import Plan, plan
from buildstate.engine import snapshots
from buildstate.engine.allocations import ResourceStateManager
from buildstate.engine.caches import Cache
from buildstate.engine.recoveries import RecoveryHandler
from buildstate.engine.reports import Reporter
from buildstate.engine.vaults import Vaults
from buildstate.kube.ports import Key, Resource
from buildstate.stores.keyrings import NO_KEYS
from buildstate.stores.memories import MemoryStore
from buildstate.stores.registries import Registry

NAMESPACE_OBJECT = {"metadata": {"namespace": "", "name": NAMESPACE, "uid": "of-the-namespace"}}


class Handling:
    """A recovery handler over a store in memory and a recording cluster."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.kube = RecordingKube({Resource.NAMESPACES: [NAMESPACE_OBJECT]})
        self.store, self.told = store or MemoryStore(), Told()
        vaults = Vaults(Registry("memory", [self.store]), NO_KEYS, self.kube)
        clock, reporter = StoppedClock(), Reporter(self.told, self.told)
        resources = ResourceStateManager(self.kube, Cache(), clock, reporter)
        self.handler = RecoveryHandler(vaults, resources, clock, os.urandom, self.told)


@pytest.mark.parametrize("phase", [BuildPhase.SETUP, BuildPhase.BUILD])
async def test_a_checkpoint_is_stored_and_named_by_what_it_is_of(phase: BuildPhase) -> None:
    handling, world = Handling(), a_build().with_work().checkpointing().in_phase(phase)
    capture = Capture(state=world.known, trigger=CheckpointTrigger.REQUEST)
    document = world.document(7)
    ref = await handling.handler.create_checkpoint(world.observed(), document, capture, world.known)
    assert ref.name.startswith(f"1-{phase.lower()}-")
    assert f"active/{NAMESPACE}/{UID}/checkpoints/{ref.name}.json" in await handling.store.list(
        "active/"
    )
    assert NAME == document["metadata"]["name"]


class Failing(MemoryStore):
    """A store that is down."""

    async def write(self, path: str, data: bytes) -> None:
        raise Transient("it is down")

    async def create(self, path: str, data: bytes) -> None:
        raise Transient("it is down")


async def test_what_cannot_be_stored_is_logged_once_and_looked_for_by_the_sweep(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handling, world = Handling(store=Failing()), a_build().checkpointing().in_phase(BuildPhase.INIT)
    capture = Capture(state=world.known, trigger=CheckpointTrigger.TRANSITION)
    decision = Plan(state=world.known, captures=(capture,))
    caplog.set_level("WARNING")
    for _ in range(3):
        taken = await handling.handler.take(world.observed(), world.document(7), decision)
        assert taken is None
    assert ["a checkpoint is not stored: it is down"] == caplog.messages
    assert {Key(NAMESPACE, NAME)} == handling.handler.suspects
    trouble = handling.handler.informed(world.observed()).trouble
    assert trouble is not None
    assert "PersistenceError" == trouble.reason


def test_a_checkpoint_holds_what_the_build_had_waited_for() -> None:
    base = a_build().depending_on("lib").in_phase(BuildPhase.SETUP).beside("lib")
    state = plan(base.observed(), NOW).state
    assert state is not None
    found = snapshots.content(base.observed(), base.document(7), state, {})["dependencies"]
    assert {"lib": ("uid-of-lib", False)} == {
        name: (one["uid"], one["satisfied"]) for name, one in found.items()
    }


@pytest.mark.parametrize(
    ("is_missing", "said"),
    [(True, "the store is down"), (False, "it is down")],
    ids=["told of already", "news"],
)
async def test_a_trouble_that_the_status_tells_of_keeps_its_words(
    is_missing: bool, said: str
) -> None:
    world = a_build().checkpointing().in_phase(BuildPhase.INIT)
    known = (world.missing_one() if is_missing else world).observed()
    handling = Handling(store=Failing())
    handling.handler.saving.note(Key(NAMESPACE, NAME), Transient("it is down"), NOW)
    trouble = handling.handler.informed(known).trouble
    assert trouble is not None
    assert said == trouble.message
