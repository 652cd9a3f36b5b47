from tests.doubles import RecordingKube
from tests.worlds import NAME, NAMESPACE, UID, a_document, a_pod_document

from buildstate.engine.caches import Cache
from buildstate.engine.sweeps import catch_up, prime, sweep
from buildstate.kube import pods
from buildstate.kube.ports import Document, Key, Listing, Resource

KEY = Key(NAMESPACE, NAME)
POD = Key(NAMESPACE, "p")


def a_cache(*builds: Document, pod: Document | None = None) -> Cache:
    """A cache that knows these."""
    cache = Cache()
    for build in builds:
        cache.put_build(build)
    owned = pod and pods.owned(pod)
    if owned:
        cache.put_pod(owned)
    return cache


def gets(kube: RecordingKube) -> list[Key]:
    """What was read live."""
    return [call[2] for call in kube.calls if call[0] == "get"]


async def test_priming_takes_everything_in_and_pods_first() -> None:
    kube = RecordingKube(
        {Resource.BUILDS: [a_document()], Resource.PODS: [a_pod_document("p")]},
    )
    cache = Cache()
    assert ([KEY], {"": "99"}) == await prime(cache, kube)
    assert [("list", Resource.PODS, False), ("list", Resource.BUILDS, False)] == kube.calls
    assert 1 == len(cache.pods(UID))


async def test_a_sweep_over_an_honest_cache_reads_names_only() -> None:
    kube = RecordingKube(
        {Resource.BUILDS: [a_document()], Resource.PODS: [a_pod_document("p")]},
    )
    cache = a_cache(a_document(), pod=a_pod_document("p"))
    assert [] == await sweep(cache, kube)
    assert [("list", Resource.BUILDS, True), ("list", Resource.PODS, True)] == kube.calls


async def test_a_ghost_is_dropped_only_after_a_live_look() -> None:
    kube, cache = RecordingKube(), a_cache(a_document())
    assert [KEY] == await sweep(cache, kube)
    assert ([KEY], None) == (gets(kube), cache.build(KEY))


async def test_what_only_seems_to_be_a_ghost_stays() -> None:
    class Lagging(RecordingKube):
        """Lists nothing, but has it."""

        async def list_all(self, resource: Resource, *, metadata_only: bool = False) -> Listing:
            return Listing([], {})

    kube = Lagging({Resource.BUILDS: [a_document()], Resource.PODS: [a_pod_document("p")]})
    cache = a_cache(a_document(), pod=a_pod_document("p"))
    assert [] == await sweep(cache, kube)
    assert (1, 1) == (cache.count(), len(cache.pods(UID)))


async def test_what_changed_is_read_live() -> None:
    kube, cache = RecordingKube({Resource.BUILDS: [a_document(7)]}), a_cache(a_document(5))
    assert [KEY] == await sweep(cache, kube)
    build = cache.build(KEY)
    assert ([KEY], "7") == (gets(kube), build and build.resource_version)


async def test_what_was_missed_is_taken_in() -> None:
    kube, cache = RecordingKube({Resource.BUILDS: [a_document()]}), Cache()
    assert ([KEY], 1) == (await sweep(cache, kube), cache.count())


async def test_a_pod_that_is_gone_is_dropped_after_a_live_look() -> None:
    kube = RecordingKube({Resource.BUILDS: [a_document()]})
    cache = a_cache(a_document(), pod=a_pod_document("p"))
    assert [KEY] == await sweep(cache, kube)
    assert ([POD], ()) == (gets(kube), cache.pods(UID))


async def test_a_pod_that_changed_is_read_live() -> None:
    ended = a_pod_document("p", 9, phase="Succeeded")
    kube = RecordingKube({Resource.BUILDS: [a_document()], Resource.PODS: [ended]})
    cache = a_cache(a_document(), pod=a_pod_document("p"))
    assert [KEY] == await sweep(cache, kube)
    assert ["Succeeded"] == [view.phase for view in cache.pods(UID)]


async def test_a_pod_of_nobody_is_passed_over() -> None:
    stranger = a_pod_document("p")
    del stranger["metadata"]["ownerReferences"]
    kube = RecordingKube({Resource.PODS: [stranger]})
    assert [] == await sweep(Cache(), kube)


async def test_after_a_gap_a_pod_that_vanished_in_it_is_dropped_after_a_live_look() -> None:
    kube = RecordingKube({Resource.BUILDS: [a_document(7)]})
    cache = a_cache(a_document(5), pod=a_pod_document("p"))
    assert ([KEY], {"": "99"}) == await catch_up(cache, kube)
    assert ([POD], ()) == (gets(kube), cache.pods(UID))


async def test_after_a_gap_what_came_in_it_is_taken_in() -> None:
    kube = RecordingKube({Resource.PODS: [a_pod_document("p")]})
    cache = a_cache(a_document())
    assert [KEY] == (await catch_up(cache, kube)).dirty
    assert [("list", Resource.PODS, True), ("get", Resource.PODS, POD)] == kube.calls
