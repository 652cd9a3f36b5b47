"""Doing what the plan wants, one idempotent act after another."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, assert_never

from buildstate.domain import names
from buildstate.domain.actions import (
    Act,
    AddFinalizer,
    ArchiveState,
    CreateClaim,
    CreatePod,
    CreateVerifier,
    DeleteClaim,
    DeletePod,
    EraseStore,
    RemoveFinalizer,
    ResizePod,
)
from buildstate.domain.errors import AlreadyExists, Conflict, Permanent, QuotaExceeded, Transient
from buildstate.domain.names import FINALIZER
from buildstate.domain.observed import Observed, Refusal, Resize
from buildstate.engine.caches import Cache
from buildstate.kube import claims, pods
from buildstate.kube.owners import owner_of
from buildstate.kube.ports import Document, Key, Kube, Resource
from buildstate.kube.reporters import DEFAULT_IMAGE, Image


class Keeper(Protocol):
    """What can be done with all that a store holds of one build."""

    async def archive(self, observed: Observed) -> None:
        """Put it away."""

    async def erase(self, observed: Observed) -> None:
        """Remove it, or give up where that has been tried for long enough."""


async def act(
    acts: Sequence[Act],
    observed: Observed,
    kube: Kube,
    cache: Cache,
    keeper: Keeper,
    image: Image = DEFAULT_IMAGE,
) -> Refusal | None:
    """Do the acts in their order; give what the API server refused, after which nothing is done.

    Raises Transient when the outcome is unknown: the same acts are safe to do again.
    """
    try:
        for wanted in acts:
            await _do(wanted, observed, kube, cache, keeper, image)
    except QuotaExceeded as error:
        return Refusal(reason="QuotaExceeded", message=str(error), is_permanent=False)
    except Permanent as error:
        return Refusal(reason=error.reason, message=str(error), is_permanent=True)
    return None


async def _do(
    wanted: Act, observed: Observed, kube: Kube, cache: Cache, keeper: Keeper, image: Image
) -> None:
    match wanted:
        case DeletePod() | ResizePod():
            await _do_to_pod(wanted, observed, kube, cache)
        case CreatePod() | CreateVerifier():
            await _create_pod(wanted, observed, kube, cache, image)
        case CreateClaim():
            await _create_claim(wanted, observed, kube, cache)
        case DeleteClaim(name):
            await kube.delete(Resource.CLAIMS, Key(observed.namespace, name))
        case AddFinalizer() | RemoveFinalizer():
            await _mark(observed, kube, cache, is_held=isinstance(wanted, AddFinalizer))
        case EraseStore():
            await keeper.erase(observed)
        case ArchiveState():
            await keeper.archive(observed)
        case _:
            assert_never(wanted)


async def _do_to_pod(
    wanted: DeletePod | ResizePod, observed: Observed, kube: Kube, cache: Cache
) -> None:
    match wanted:
        case DeletePod():
            await _delete_pod(wanted, observed, kube, cache)
        case ResizePod():
            await _resize_pod(wanted, observed, kube, cache)


async def _delete_pod(wanted: DeletePod, observed: Observed, kube: Kube, cache: Cache) -> None:
    key = Key(observed.namespace, wanted.name)
    found = None if wanted.also_ended else await kube.get(Resource.PODS, key)
    if found is not None and _is_ahead(found, observed):
        await _look_again(observed, kube, cache)
    owned = pods.owned(found) if found else None
    if owned is not None and owned.view.uid == wanted.uid and not owned.view.is_live:
        cache.put_pod(owned)  # It has ended since it was seen: what it wrote stays to be read.
        return
    await kube.delete(Resource.PODS, key, wanted.uid)


async def _resize_pod(wanted: ResizePod, observed: Observed, kube: Kube, cache: Cache) -> None:
    """Ask once: what is refused comes with the next attempt, and the Pod goes on as it is."""
    answer = Resize(uid=wanted.uid, wanted=wanted.wanted)
    try:
        pod = await kube.resize(Key(observed.namespace, wanted.name), pods.resized(wanted))
    except (Conflict, Permanent, QuotaExceeded) as error:
        answer = replace(answer, refusal=str(error) or type(error).__name__)
    else:
        owned = pods.owned(pod)
        if owned is not None:
            cache.put_pod(owned)
    cache.put_resize(observed.uid, answer)


def _is_ahead(pod: Document, observed: Observed) -> bool:
    """Say whether a Pod of the build is that of a later attempt than the state that we know."""
    labels, state = pod["metadata"].get("labels") or {}, observed.state
    place = (labels.get(names.SEQUENCE_LABEL, ""), labels.get(names.ATTEMPT_LABEL, ""))
    if state is None or not all(one.isdecimal() for one in place):
        return False
    return (int(place[0]), int(place[1])) > (state.sequence, state.attempt)


async def _look_again(observed: Observed, kube: Kube, cache: Cache) -> None:
    # Another operator wrote: for a while there are two when one follows the other.
    key = Key(observed.namespace, observed.name)
    fresh = await kube.get(Resource.BUILDS, key)
    if fresh is not None:
        cache.put_build(fresh)
    message = f"{key} has a Pod of a later attempt than it was known to have; looking again"
    raise Conflict(message)


async def _mark(observed: Observed, kube: Kube, cache: Cache, *, is_held: bool) -> None:
    build = cache.build(Key(observed.namespace, observed.name))
    if build is None or build.resource_version != observed.resource_version:
        message = f"{observed.namespace}/{observed.name} changed since it was looked at"
        raise Conflict(message)
    others = [one for one in build.document["metadata"].get("finalizers", ()) if one != FINALIZER]
    marked = [*others, FINALIZER] if is_held else others
    cache.put_build(await kube.set_finalizers(build.document, marked))


async def _create_claim(wanted: CreateClaim, observed: Observed, kube: Kube, cache: Cache) -> None:
    body = claims.manifest(observed, wanted)
    found = await _create(Resource.CLAIMS, body, observed, kube)
    assert observed.state is not None
    size = str(wanted.workspace.size)
    cache.put_volume(observed.uid, observed.state.epoch, claims.volume(found, size))


def _body(wanted: CreatePod | CreateVerifier, observed: Observed, image: Image) -> Document:
    if isinstance(wanted, CreateVerifier):
        return pods.verifier(observed, wanted.name, wanted.wishes, image)
    state = observed.state
    work = observed.spec.work(state.phase) if state else None
    assert state is not None
    assert work is not None
    return pods.manifest(observed, state, work, image)


async def _create_pod(
    wanted: CreatePod | CreateVerifier, observed: Observed, kube: Kube, cache: Cache, image: Image
) -> None:
    body = _body(wanted, observed, image)
    pod = await _create(Resource.PODS, body, observed, kube)
    owned = pods.owned(pod)
    if owned is not None:
        # The answer has no status: what the watch says of the same version tells more.
        cache.put_pod(replace(owned, view=replace(owned.view, resource_version="0")))


async def _create(resource: Resource, body: Document, observed: Observed, kube: Kube) -> Document:
    """Make an object; if one of that name is there and ours, that is the same success."""
    try:
        return await kube.create(resource, body)
    except AlreadyExists:
        return await _adopt(resource, body, observed, kube)


async def _adopt(resource: Resource, body: Document, observed: Observed, kube: Kube) -> Document:
    name = body["metadata"]["name"]
    found = await kube.get(resource, Key(observed.namespace, name))
    if found is None or "deletionTimestamp" in found["metadata"]:
        message = f"{resource.value[1]} {name} of before is still going; trying again"
        raise Transient(message)
    owner = owner_of(found)
    if owner is None or owner["uid"] != observed.uid:
        message = (
            f"{resource.value[1]} {name} exists and belongs to somebody else; delete it, "
            "then ask for a Restart"
        )
        raise Permanent(message, reason="NameTaken")
    return found
