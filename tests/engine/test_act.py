from typing import Any

import pytest
from tests.doubles import Keeping, RecordingKube
from tests.worlds import CLAIM, NAME, NAMESPACE, UID, a_build, a_document, a_pod_document

from buildstate.domain.actions import Act, CreateClaim, CreatePod, DeleteClaim, DeletePod, ResizePod
from buildstate.domain.errors import AlreadyExists, Conflict, Permanent, QuotaExceeded, Transient
from buildstate.domain.observed import Refusal, Resize
from buildstate.domain.phases import BuildPhase
from buildstate.domain.specs import WorkResources, Workspace
from buildstate.engine.act import act
from buildstate.engine.caches import Cache
from buildstate.kube import pods
from buildstate.kube.ports import Key, Resource

OBSERVED = a_build().with_work().with_workspace().in_phase(BuildPhase.BUILD).observed()
assert OBSERVED.state is not None
POD = OBSERVED.pod_name(OBSERVED.state)
CREATE = CreatePod(POD)
CLAIMING = CreateClaim(CLAIM, Workspace(size="1Gi"))


async def done(kube: RecordingKube, *acts: Act) -> Refusal | None:
    """What became of the acts."""
    return await act(acts, OBSERVED, kube, Cache(), Keeping())


def found(**metadata: Any) -> RecordingKube:
    """A cluster in which the name of the Pod is taken already."""
    document = a_pod_document(POD)
    document["metadata"] |= metadata
    return RecordingKube({Resource.PODS: [document]}, create=[AlreadyExists("taken")])


async def test_the_acts_are_done_in_their_order() -> None:
    kube = RecordingKube()
    stray = DeletePod("stray", "its-uid")
    assert await done(kube, stray, CLAIMING, CREATE, DeleteClaim(CLAIM)) is None
    expected = [
        ("get", Resource.PODS, Key(NAMESPACE, "stray")),
        ("delete", Resource.PODS, Key(NAMESPACE, "stray"), "its-uid"),
        ("create", Resource.CLAIMS, CLAIM),
        ("create", Resource.PODS, POD),
        ("delete", Resource.CLAIMS, Key(NAMESPACE, CLAIM), None),
    ]
    assert expected == kube.calls


@pytest.mark.parametrize(
    ("sequence", "attempt", "is_stopped"),
    [(1, 1, True), (2, 1, True), (2, 2, False), (3, 1, False)],
    ids=["an earlier phase", "this attempt", "a later attempt", "a later phase"],
)
async def test_a_pod_of_a_later_attempt_than_is_known_is_not_stopped(
    sequence: int, attempt: int, is_stopped: bool
) -> None:
    assert OBSERVED.state is not None
    assert (2, 1) == (OBSERVED.state.sequence, OBSERVED.state.attempt)
    pod, build = a_pod_document("stray"), a_document(9, uid=UID)
    pod["metadata"]["labels"] = {
        "buildstate.dev/sequence": str(sequence),
        "buildstate.dev/attempt": str(attempt),
    }
    kube, cache = RecordingKube({Resource.PODS: [pod], Resource.BUILDS: [build]}), Cache()
    stop = act([DeletePod("stray", pod["metadata"]["uid"])], OBSERVED, kube, cache, Keeping())
    if is_stopped:
        assert await stop is None
    else:
        with pytest.raises(Conflict, match="later attempt"):
            await stop
        known = cache.build(Key(NAMESPACE, NAME))
        assert known is not None
        assert "9" == known.resource_version
    assert is_stopped == ("delete" in [call[0] for call in kube.calls])


@pytest.mark.parametrize(("also_ended", "deletions"), [(False, 0), (True, 1)])
async def test_a_pod_that_has_ended_meanwhile_stays_unless_it_goes_too(
    also_ended: bool, deletions: int
) -> None:
    document = a_pod_document("stray", phase="Succeeded")
    kube, cache = RecordingKube({Resource.PODS: [document]}), Cache()
    act_upon = DeletePod("stray", document["metadata"]["uid"], also_ended)
    assert await act([act_upon], OBSERVED, kube, cache, Keeping()) is None
    assert deletions == [call[0] for call in kube.calls].count("delete")


async def test_a_pod_that_was_made_is_known_at_once() -> None:
    cache = Cache()
    await act([CREATE], OBSERVED, RecordingKube(), cache, Keeping())
    assert [POD] == [view.name for view in cache.pods(UID)]


async def test_what_the_watch_says_of_a_pod_that_was_made_is_news_in_either_order() -> None:
    gated = a_pod_document(POD, 100, uid="made")
    gated["spec"] = {"schedulingGates": [{"name": "a"}]}
    said = pods.owned(gated)
    assert said is not None
    before, after = Cache(), Cache()
    before.put_pod(said)
    for cache in (before, after):
        await act([CREATE], OBSERVED, RecordingKube(), cache, Keeping())
    assert [Key(NAMESPACE, NAME)] == after.put_pod(said)
    assert [True, True] == [cache.pods(UID)[0].is_gated for cache in (before, after)]


RESIZE = ResizePod(POD, "its-uid", WorkResources(limits={"memory": "1Gi"}))


async def test_a_pod_that_is_resized_is_known_with_what_it_has_now() -> None:
    kube, cache = RecordingKube({Resource.PODS: [a_pod_document(POD)]}), Cache()
    assert await act([RESIZE], OBSERVED, kube, cache, Keeping()) is None
    patch = {
        "metadata": {"uid": "its-uid"},
        "spec": {"containers": [{"name": "work", "resources": {"limits": {"memory": "1Gi"}}}]},
    }
    assert [("resize", Key(NAMESPACE, POD), patch)] == kube.calls
    assert [RESIZE.wanted] == [pod.given for pod in cache.pods(UID)]
    assert Resize(uid="its-uid", wanted=RESIZE.wanted) == cache.resize(UID)


@pytest.mark.parametrize("error", [Permanent("no"), Conflict("no"), QuotaExceeded("no")])
async def test_a_resize_that_is_refused_is_remembered_and_no_refusal_of_the_pod(
    error: Exception,
) -> None:
    kube, cache = RecordingKube(resize=[error]), Cache()
    assert await act([RESIZE], OBSERVED, kube, cache, Keeping()) is None
    assert Resize(uid="its-uid", wanted=RESIZE.wanted, refusal="no") == cache.resize(UID)


async def test_a_resize_whose_outcome_is_unknown_is_asked_again() -> None:
    kube, cache = RecordingKube(resize=[Transient("?")]), Cache()
    with pytest.raises(Transient):
        await act([RESIZE], OBSERVED, kube, cache, Keeping())
    assert cache.resize(UID) is None


async def test_a_pod_that_is_there_and_ours_is_the_same_success() -> None:
    kube, cache = found(), Cache()
    assert await act([CREATE], OBSERVED, kube, cache, Keeping()) is None
    assert [POD] == [view.name for view in cache.pods(UID)]
    assert ("get", Resource.PODS, Key(NAMESPACE, POD)) == kube.calls[-1]


@pytest.mark.parametrize("references", [[], None], ids=["nobodys", "none at all"])
async def test_a_name_that_is_anothers_is_a_refusal(references: object) -> None:
    refusal = await done(found(ownerReferences=references), CREATE)
    assert refusal is not None
    assert ("NameTaken", True) == (refusal.reason, refusal.is_permanent)
    assert POD in refusal.message


async def test_a_name_that_an_earlier_build_of_that_name_holds_is_a_refusal() -> None:
    document = a_pod_document(POD, owner_uid="of before")
    kube = RecordingKube({Resource.PODS: [document]}, create=[AlreadyExists("taken")])
    refusal = await done(kube, CREATE)
    assert "NameTaken" == (refusal and refusal.reason)


async def test_a_pod_that_is_still_going_is_waited_for() -> None:
    with pytest.raises(Transient, match="of before is still going"):
        await done(found(deletionTimestamp="2026-03-01T12:00:00Z"), CREATE)


async def test_a_pod_that_went_between_two_looks_is_tried_again() -> None:
    with pytest.raises(Transient, match="trying again"):
        await done(RecordingKube(create=[AlreadyExists("taken")]), CREATE)


async def test_a_quota_that_is_used_up_is_a_refusal_for_now() -> None:
    expected = Refusal(reason="QuotaExceeded", message="exceeded quota", is_permanent=False)
    assert expected == await done(RecordingKube(create=[QuotaExceeded("exceeded quota")]), CREATE)


async def test_what_is_forbidden_is_a_refusal_for_good() -> None:
    kube = RecordingKube(create=[Permanent("violates PodSecurity", reason="Forbidden")])
    expected = Refusal(reason="Forbidden", message="violates PodSecurity", is_permanent=True)
    assert expected == await done(kube, CREATE)


async def test_after_a_refusal_nothing_is_done() -> None:
    kube = RecordingKube(create=[QuotaExceeded("no room for a claim")])
    await done(kube, CLAIMING, CREATE)
    assert [("create", Resource.CLAIMS, CLAIM)] == kube.calls


async def test_an_unknown_outcome_is_raised() -> None:
    with pytest.raises(Transient, match="timeout"):
        await done(RecordingKube(create=[Transient("timeout")]), CREATE)


async def test_no_acts_are_no_calls() -> None:
    kube = RecordingKube()
    assert await done(kube) is None
    assert [] == kube.calls
