"""What builds hold is read once, said when it was corrected, and verified before a restore."""

from dataclasses import replace

import pytest
from tests.doubles import RecordingKube, StoppedClock, Told
from tests.worlds import (
    CLAIM,
    NAME,
    NAMESPACE,
    NOW,
    ABuild,
    a_build,
    a_pod_document,
    after,
)

from buildstate.domain.actions import CreatePod, DeletePod
from buildstate.domain.errors import Transient
from buildstate.domain.observed import PodPhase
from buildstate.domain.phases import BuildPhase
from buildstate.domain.states import HeldVolume
from buildstate.engine.allocations import ResourceStateManager
from buildstate.engine.caches import Cache
from buildstate.engine.reports import Reporter
from buildstate.kube.ports import Document, Key, Resource

WORLD = a_build().with_work().with_workspace().in_phase(BuildPhase.BUILD)
LASTING = WORLD.with_pod(PodPhase.RUNNING, created=after(-10))


def a_claim(uid: str, **metadata: str) -> Document:
    """The build's own claim, which was given more than it asked for."""
    return {
        "metadata": {"namespace": NAMESPACE, "name": CLAIM, "uid": uid, **metadata},
        "spec": {"resources": {"requests": {"storage": "1Gi"}}},
        "status": {"capacity": {"storage": "2Gi"}},
    }


class Managing:
    """A manager of resources over a recording cluster."""

    def __init__(self, *claims: Document, pods: tuple[Document, ...] = ()) -> None:
        self.kube = RecordingKube({Resource.CLAIMS: claims, Resource.PODS: pods})
        self.cache, self.told, self.clock = Cache(), Told(), StoppedClock()
        reporter = Reporter(self.told, self.told)
        self.manager = ResourceStateManager(self.kube, self.cache, self.clock, reporter)

    def put(self, claim: Document) -> None:
        """Let another claim stand there."""
        self.kube.objects[Resource.CLAIMS, Key(NAMESPACE, CLAIM)] = claim

    async def claims(self, world: ABuild) -> dict[str, str]:
        """The claims that a checkpoint of the build as it stands builds upon."""
        return await self.manager.claims(world.observed(), world.known)

    async def volumes(self, world: ABuild) -> tuple[HeldVolume, ...]:
        """The volumes that are known when the build is looked at."""
        return (await self.manager.track_resource_allocation(world.observed())).volumes

    async def obstacle(self, world: ABuild, **claims: str) -> str:
        """What is in the way of restoring the build as a checkpoint holds it."""
        held = replace(WORLD.held(), claims=claims)
        return await self.manager.restore_resource_state(world.observed(), held)

    def asked(self) -> int:
        """How often the cluster was asked for the claim."""
        return sum(call[:2] == ("get", Resource.CLAIMS) for call in self.kube.calls)


# The volume.


async def test_a_claim_is_asked_for_once_in_a_run() -> None:
    managing = Managing(a_claim("first"))
    assert [{CLAIM: "first"}] * 2 == [await managing.claims(WORLD) for _ in range(2)]
    assert 1 == managing.asked()


async def test_a_new_run_may_have_another_claim_of_the_same_name() -> None:
    managing = Managing(a_claim("first"))
    await managing.claims(WORLD)
    managing.put(a_claim("second"))
    again = replace(WORLD, state=replace(WORLD.known, epoch=1))
    assert {CLAIM: "second"} == await managing.claims(again)


async def test_a_claim_that_is_going_is_built_upon_by_nobody() -> None:
    managing = Managing(a_claim("first", deletionTimestamp=f"{NOW:%FT%TZ}"))
    assert {} == await managing.claims(WORLD)
    managing.put(a_claim("second"))
    assert {CLAIM: "second"} == await managing.claims(WORLD)


async def test_what_was_made_in_this_run_need_not_be_asked_for() -> None:
    managing = Managing()
    made = HeldVolume(name=CLAIM, uid="made", size="1Gi")
    managing.cache.put_volume(WORLD.observed().uid, 0, made)
    assert ({CLAIM: "made"}, 0) == (await managing.claims(WORLD), managing.asked())


async def test_the_size_that_a_claim_was_given_is_read_once_a_pod_has_lasted() -> None:
    managing = Managing(a_claim("first"))
    expected = (HeldVolume(name=CLAIM, uid="first", size="2Gi"),)
    assert expected == await managing.volumes(LASTING)
    assert () == await managing.volumes(LASTING)
    assert 1 == managing.asked()


@pytest.mark.parametrize(
    "world",
    [
        WORLD,
        WORLD.with_pod(PodPhase.RUNNING),
        LASTING.written(),
        LASTING.being_deleted(),
        a_build(),
    ],
    ids=["no Pod", "young", "written", "being deleted", "new"],
)
async def test_where_nothing_is_to_be_written_down_nothing_is_read(world: ABuild) -> None:
    managing = Managing(a_claim("first"))
    await managing.volumes(world)
    assert [] == managing.kube.calls


async def test_a_pod_that_only_an_old_picture_shows_is_looked_at_before_it_is_written_down() -> (
    None
):
    managing = Managing()
    observed = await managing.manager.track_resource_allocation(LASTING.observed())
    assert () == observed.pods


async def test_a_claim_that_is_not_there_is_no_volume() -> None:
    assert () == await Managing().volumes(LASTING)


async def test_what_is_gone_is_forgotten() -> None:
    managing = Managing(a_claim("first"))
    await managing.volumes(LASTING)
    managing.manager.forget(Key(NAMESPACE, NAME))
    await managing.volumes(LASTING)
    assert 2 == managing.asked()


# What was corrected.


async def test_what_was_corrected_is_told_once() -> None:
    managing, leftover = Managing(), DeletePod("p", "u", is_leftover=True)
    for _ in range(2):
        managing.manager.corrected([leftover, CreatePod("q", "v")], WORLD.observed())
    reasons = ["LeftoverPodDeleted", "PodMadeAgain"]
    assert [("corrected", reason) for reason in reasons] == managing.told.figures
    assert reasons == [event["reason"] for event in managing.told.events]
    assert "Pod p, of which no state speaks" in managing.told.events[0]["message"]


async def test_what_belongs_to_a_build_is_no_correction() -> None:
    managing = Managing()
    managing.manager.corrected([DeletePod("p", "u"), CreatePod("q")], WORLD.observed())
    assert [] == managing.told.events


# Before a restore.


async def test_a_workspace_that_is_the_same_is_gone_on_with() -> None:
    assert "" == await Managing(a_claim("first")).obstacle(WORLD, **{CLAIM: "first"})


async def test_a_workspace_that_is_gone_is_said_to_be() -> None:
    assert f"the workspace {CLAIM}, which" in await Managing().obstacle(WORLD)
    going = a_claim("first", deletionTimestamp=f"{NOW:%FT%TZ}")
    assert "is gone" in await Managing(going).obstacle(WORLD, **{CLAIM: "first"})


async def test_a_workspace_that_was_given_back_is_said_to_have_been() -> None:
    ended = replace(WORLD, state=replace(WORLD.known, workspace_claim=None))
    assert "given back when the build ended" in await Managing().obstacle(ended)


async def test_another_workspace_of_the_same_name_is_another_one() -> None:
    said = await Managing(a_claim("second")).obstacle(WORLD, **{CLAIM: "first"})
    assert "is not the one" in said


async def test_a_pod_of_before_that_only_is_not_seen_holds_up_a_restore() -> None:
    held = LASTING.written()
    pod = held.pods[0]
    document = a_pod_document(pod.name, 5, uid=pod.uid, phase="Running")
    managing = Managing(a_claim("first"), pods=(document,))
    with pytest.raises(Transient, match="is still at work"):
        await managing.obstacle(replace(held, pods=()))
    assert [pod.uid] == [one.uid for one in managing.cache.pods(held.observed().uid)]


@pytest.mark.parametrize("left", ["nothing", "ended", "another"])
async def test_a_pod_of_before_that_is_gone_holds_up_nothing(left: str) -> None:
    held = LASTING.written()
    pod = held.pods[0]
    uid = "another" if left == "another" else pod.uid
    document = a_pod_document(
        pod.name, 5, uid=uid, phase="Failed" if left == "ended" else "Running"
    )
    managing = Managing(a_claim("c"), pods=() if left == "nothing" else (document,))
    assert "" == await managing.obstacle(replace(held, pods=()))
