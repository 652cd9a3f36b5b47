"""The volume of a Pod that waits is looked into with few reads, once for each change."""

from dataclasses import replace
from typing import Any

from tests.doubles import RecordingKube, StoppedClock
from tests.worlds import CLAIM, NAME, NAMESPACE, ABuild, a_build, after

from buildstate.domain.errors import Permanent, Transient
from buildstate.domain.observed import PodPhase
from buildstate.domain.phases import BuildPhase
from buildstate.engine.volumes import VolumeInspector
from buildstate.kube.ports import Document, Key, Resource

WAITING = (
    a_build()
    .with_work()
    .with_workspace()
    .in_phase(BuildPhase.BUILD)
    .with_pod(PodPhase.PENDING, waiting="Unschedulable")
)


def a_claim(phase: str, **spec: str) -> dict[str, Any]:
    """The build's own claim."""
    metadata = {"namespace": NAMESPACE, "name": CLAIM, "uid": "of-the-claim"}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase}}


def a_class(name: str, *, is_default: bool = False) -> Document:
    """A StorageClass."""
    mark = {"storageclass.kubernetes.io/is-default-class": "true"} if is_default else {}
    return {"metadata": {"namespace": "", "name": name, "annotations": mark}}


def an_event(number: int, uid: str, reason: str, message: str) -> Document:
    """What somebody told of an object, the later the higher its number."""
    return {
        "metadata": {"namespace": NAMESPACE, "name": f"e{number}"},
        "involvedObject": {"uid": uid},
        "reason": reason,
        "message": message,
        "lastTimestamp": f"2026-03-01T12:00:0{number}Z",
    }


class Inspecting:
    """An inspector of volumes over a recording cluster."""

    def __init__(
        self,
        *claims: Document,
        classes: tuple[Document, ...] = (),
        events: tuple[Document, ...] = (),
        **failing: list[Exception | None],
    ) -> None:
        self.kube = RecordingKube(
            {
                Resource.CLAIMS: claims,
                Resource.STORAGE_CLASSES: classes,
                Resource.EVENTS: events,
            },
            **failing,
        )
        self.clock = StoppedClock()
        self.inspector = VolumeInspector(self.kube, self.clock)

    async def said(self, world: ABuild = WAITING) -> str:
        """What is found."""
        why = (await self.inspector.inspected(world.observed())).obstruction
        return f"{why.reason}: {why.message}" if why else ""


async def test_a_pod_that_waits_for_no_volume_costs_no_read() -> None:
    inspecting = Inspecting()
    running = a_build().with_work().with_workspace().in_phase(BuildPhase.BUILD).with_pod()
    assert ["", ""] == [await inspecting.said(running), await inspecting.said(a_build())]
    assert [] == inspecting.kube.calls


async def test_the_cluster_is_asked_once_and_once_more_when_it_lasts() -> None:
    inspecting = Inspecting()
    for seconds in (0, 10, 29, 30, 60, 600):
        inspecting.clock.time = after(seconds)
        assert "ClaimMissing" in await inspecting.said()
    assert 2 == len(inspecting.kube.calls)


async def test_a_build_that_waits_no_more_is_looked_into_anew_when_it_waits_again() -> None:
    inspecting = Inspecting()
    await inspecting.said()
    await inspecting.said(replace(WAITING, pods=()))
    await inspecting.said()
    inspecting.inspector.forget(Key(NAMESPACE, NAME))
    await inspecting.said()
    assert 3 == len(inspecting.kube.calls)


async def test_a_class_that_is_missing_is_found() -> None:
    claim = a_claim("Pending", storageClassName="nope")
    said = await Inspecting(claim, classes=(a_class("slow"), a_class("fast"))).said()
    assert said.startswith("StorageClassMissing: StorageClass nope")
    assert "fast, slow" in said


async def test_a_claim_without_a_class_is_fine_where_there_is_a_default_one() -> None:
    default, other = a_class("usual", is_default=True), a_class("fast")
    assert "ClaimPending" in await Inspecting(a_claim("Pending"), classes=(other, default)).said()
    assert "no default one" in await Inspecting(a_claim("Pending"), classes=(other,)).said()


async def test_the_latest_words_about_the_claim_count() -> None:
    told = (
        an_event(2, "of-the-claim", "ProvisioningFailed", "still no space"),
        an_event(1, "of-the-claim", "ProvisioningFailed", "no space"),
        an_event(3, "of-another", "ProvisioningFailed", "something else"),
    )
    default = a_class("usual", is_default=True)
    said = await Inspecting(a_claim("Pending"), classes=(default,), events=told).said()
    assert said.endswith(": still no space")


async def test_of_a_bound_claim_the_words_about_the_pod_count() -> None:
    (pod,) = WAITING.pods
    told = an_event(1, pod.uid, "FailedAttachVolume", "Multi-Attach error")
    placed = replace(pod, waiting="ContainerCreating", started=after(-30))
    inspecting = Inspecting(a_claim("Bound"), events=(told,))
    assert "VolumeOnOtherNode" in await inspecting.said(replace(WAITING, pods=(placed,)))
    assert "" == await Inspecting(a_claim("Bound")).said()


async def test_a_bound_claim_of_a_pod_that_no_node_takes_needs_no_more_reads() -> None:
    inspecting = Inspecting(a_claim("Bound"))
    assert "" == await inspecting.said()
    assert 1 == len(inspecting.kube.calls)


async def test_a_claim_that_is_bound_once_its_pod_has_a_node_is_not_waited_for() -> None:
    late = {**a_class("usual", is_default=True), "volumeBindingMode": "WaitForFirstConsumer"}
    inspecting = Inspecting(a_claim("Pending"), classes=(late,))
    assert "" == await inspecting.said()
    assert ["get", "find"] == [call[0] for call in inspecting.kube.calls]
    claim = a_claim("Pending")
    claim["metadata"]["annotations"] = {"volume.kubernetes.io/selected-node": "one"}
    assert "ClaimPending" in await Inspecting(claim, classes=(late,)).said()


async def test_a_claim_that_is_lost_needs_no_more_reads() -> None:
    inspecting = Inspecting(a_claim("Lost"))
    assert "ClaimLost" in await inspecting.said()
    assert 1 == len(inspecting.kube.calls)


async def test_who_may_not_read_classes_and_events_still_says_what_it_sees() -> None:
    refused = [Permanent("no", reason="Forbidden") for _ in range(2)]
    inspecting = Inspecting(a_claim("Pending", storageClassName="nope"), find=[*refused])
    assert "ClaimPending" in await inspecting.said()


async def test_a_look_that_fails_holds_up_nothing_and_is_not_repeated() -> None:
    inspecting = Inspecting(get=[Transient("down")])
    assert ["", ""] == [await inspecting.said(), await inspecting.said()]
    assert 1 == len(inspecting.kube.calls)
