"""Keeping the cache honest: filled before the first event, compared with the truth now and then.

A watch may lose a deletion in a gap. A sweep lists only names and versions; whatever differs from
the cache is read live, one by one, before anything is concluded.
"""

from collections.abc import Iterable

from buildstate.engine.caches import Cache
from buildstate.kube import pods
from buildstate.kube.ports import Document, Key, Kube, Resource


async def prime(cache: Cache, kube: Kube) -> list[Key]:
    """Fill the cache from full lists, Pods first; give the builds to look at."""
    for pod in await kube.list_all(Resource.PODS):
        _put_pod(cache, pod)
    return [key for build in await kube.list_all(Resource.BUILDS) for key in cache.put_build(build)]


async def sweep(cache: Cache, kube: Kube) -> list[Key]:
    """Compare the cache with the truth and mend it; give the builds to look at."""
    changed = await _sweep_builds(cache, kube)
    return changed + await _sweep_pods(cache, kube)


async def _sweep_builds(cache: Cache, kube: Kube) -> list[Key]:
    known = {build.key: build.resource_version for build in cache.builds()}
    changed: list[Key] = []
    for key in _differing(known, await kube.list_all(Resource.BUILDS, metadata_only=True)):
        fresh, stale = await kube.get(Resource.BUILDS, key), cache.build(key)
        if fresh is not None:
            changed += cache.put_build(fresh)
        elif stale is not None:
            changed += cache.drop_build(stale.document)
    return changed


async def _sweep_pods(cache: Cache, kube: Kube) -> list[Key]:
    owned = {Key(pod.owner.namespace, pod.view.name): pod for pod in cache.owned_pods()}
    known = {key: pod.view.resource_version for key, pod in owned.items()}
    changed: list[Key] = []
    for key in _differing(known, await kube.list_all(Resource.PODS, metadata_only=True)):
        fresh = await kube.get(Resource.PODS, key)
        if fresh is not None:
            changed += _put_pod(cache, fresh)
        elif key in owned:
            changed += cache.drop_pod(owned[key])
    return changed


def _put_pod(cache: Cache, document: Document) -> list[Key]:
    owned = pods.owned(document)
    return cache.put_pod(owned) if owned else []


def _differing(known: dict[Key, str], listed: Iterable[Document]) -> set[Key]:
    found = {
        Key(item["metadata"]["namespace"], item["metadata"]["name"]): item["metadata"][
            "resourceVersion"
        ]
        for item in listed
    }
    return {key for key in known.keys() | found.keys() if known.get(key) != found.get(key)}
