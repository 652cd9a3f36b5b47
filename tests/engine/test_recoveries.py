import os
from dataclasses import replace

import pytest
from tests.doubles import RecordingKube, StoppedClock, Told
from tests.worlds import CLAIM, NAME, NAMESPACE, NOW, UID, ABuild, a_build

from buildstate.domain.captures import Capture
from buildstate.domain.checkpoints import CheckpointTrigger
from buildstate.domain.errors import Transient
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import Plan
from buildstate.engine.recoveries import RecoveryHandler
from buildstate.engine.vaults import Vaults
from buildstate.kube.ports import Document, Key, Resource
from buildstate.stores.keyrings import NO_KEYS
from buildstate.stores.memories import MemoryStore
from buildstate.stores.registries import Registry

WORLD = a_build().with_work().with_workspace().checkpointing().in_phase(BuildPhase.BUILD)
NAMESPACE_OBJECT = {"metadata": {"namespace": "", "name": NAMESPACE, "uid": "of-the-namespace"}}


def a_claim(uid: str, **metadata: str) -> Document:
    """The build's own claim."""
    return {"metadata": {"namespace": NAMESPACE, "name": CLAIM, "uid": uid, **metadata}}


class Handling:
    """A recovery handler over a store in memory and a recording cluster."""

    def __init__(self, *claims: Document, store: MemoryStore | None = None) -> None:
        self.kube = RecordingKube(
            {Resource.NAMESPACES: [NAMESPACE_OBJECT], Resource.CLAIMS: claims}
        )
        self.store, self.told = store or MemoryStore(), Told()
        vaults = Vaults(Registry("memory", [self.store]), NO_KEYS, self.kube)
        self.handler = RecoveryHandler(vaults, self.kube, StoppedClock(), os.urandom, self.told)

    def put(self, claim: Document) -> None:
        """Let another claim stand there."""
        self.kube.objects[Resource.CLAIMS, Key(NAMESPACE, CLAIM)] = claim

    async def claims(self, world: ABuild) -> dict[str, str]:
        """The claims that a checkpoint of the build as it stands builds upon."""
        return await self.handler._claims(world.observed(), world.known)

    def asked(self) -> int:
        """How often the cluster was asked for the claim."""
        return sum(call[:2] == ("get", Resource.CLAIMS) for call in self.kube.calls)


async def test_a_claim_is_asked_for_once_in_a_run() -> None:
    handling = Handling(a_claim("first"))
    assert [{CLAIM: "first"}] * 2 == [await handling.claims(WORLD) for _ in range(2)]
    assert 1 == handling.asked()


async def test_a_new_run_may_have_another_claim_of_the_same_name() -> None:
    handling = Handling(a_claim("first"))
    await handling.claims(WORLD)
    handling.put(a_claim("second"))
    again = replace(WORLD, state=replace(WORLD.known, epoch=1))
    assert {CLAIM: "second"} == await handling.claims(again)


async def test_a_claim_that_is_going_is_built_upon_by_nobody() -> None:
    handling = Handling(a_claim("first", deletionTimestamp=f"{NOW:%FT%TZ}"))
    assert {} == await handling.claims(WORLD)
    handling.put(a_claim("second"))
    assert {CLAIM: "second"} == await handling.claims(WORLD)


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
