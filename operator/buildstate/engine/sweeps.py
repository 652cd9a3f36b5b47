"""Keeping the cache honest: filled before the first event, compared with the truth now and then.

A watch may lose a deletion in a gap. A sweep lists only names and versions; whatever differs from
the cache is read live, one by one, before anything is concluded.
"""

from collections.abc import Iterable
from typing import NamedTuple

from buildstate.engine.caches import Cache
from buildstate.kube import pods
from buildstate.kube.ports import Document, Key, Kube, Resource


class Mended(NamedTuple):
    """The builds to look at, and the versions up to which the Pods of each namespace are known."""

    dirty: list[Key]
    pod_versions: dict[str, str]


async def prime(cache: Cache, kube: Kube) -> Mended:
    """Fill the cache from full lists, Pods first."""
    listed = await kube.list_all(Resource.PODS)
    for pod in listed.items:
        _put_pod(cache, pod)
    builds = await kube.list_all(Resource.BUILDS)
    dirty = [key for build in builds.items for key in cache.put_build(build)]
    return Mended(dirty, listed.versions)


async def sweep(cache: Cache, kube: Kube) -> list[Key]:
    """Compare the cache with the truth and mend it; give the builds to look at."""
    changed = await _sweep_builds(cache, kube)
    return changed + (await catch_up(cache, kube)).dirty


async def _sweep_builds(cache: Cache, kube: Kube) -> list[Key]:
    known = {build.key: build.resource_version for build in cache.builds()}
    changed: list[Key] = []
    listed = await kube.list_all(Resource.BUILDS, metadata_only=True)
    for key in _differing(known, listed.items):
        fresh, stale = await kube.get(Resource.BUILDS, key), cache.build(key)
        if fresh is not None:
            changed += cache.put_build(fresh)
        elif stale is not None:
            changed += cache.drop_build(stale.document)
    return changed


async def catch_up(cache: Cache, kube: Kube) -> Mended:
    """Compare the Pods only, as is needed after a gap in their watch."""
    owned = {Key(pod.owner.namespace, pod.view.name): pod for pod in cache.owned_pods()}
    known = {key: pod.view.resource_version for key, pod in owned.items()}
    changed: list[Key] = []
    listed = await kube.list_all(Resource.PODS, metadata_only=True)
    for key in _differing(known, listed.items):
        fresh = await kube.get(Resource.PODS, key)
        if fresh is not None:
            changed += _put_pod(cache, fresh)
        elif key in owned:
            changed += cache.drop_pod(owned[key])
    return Mended(changed, listed.versions)


def _put_pod(cache: Cache, document: Document) -> list[Key]:
    owned = pods.owned(document)
    return cache.put_pod(owned) if owned else []


def _differing(known: dict[Key, str], listed: Iterable[Document]) -> list[Key]:
    found = {
        Key(item["metadata"]["namespace"], item["metadata"]["name"]): item["metadata"][
            "resourceVersion"
        ]
        for item in listed
    }
    differing = (key for key in known.keys() | found.keys() if known.get(key) != found.get(key))
    return sorted(differing)
