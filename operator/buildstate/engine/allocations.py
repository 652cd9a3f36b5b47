"""The specification's ResourceStateManager: what builds hold is what the cluster gave them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from buildstate.domain.actions import Act, CreatePod, DeletePod
from buildstate.domain.allocations import claim_of, is_behind
from buildstate.domain.errors import Transient
from buildstate.domain.observed import Held, Moment, Observed
from buildstate.domain.states import BuildState, HeldVolume
from buildstate.engine.caches import Cache
from buildstate.engine.notices import Notice
from buildstate.engine.reports import Reporter
from buildstate.kube import claims, pods
from buildstate.kube.pods import OwnedPod
from buildstate.kube.ports import Clock, Document, Key, Kube, Resource


class ResourceStateManager:
    """Knows what builds hold, says what was corrected, and looks before a state is restored.

    Claims are not watched: each is read once in a run, and only where somebody needs to know.
    """

    def __init__(self, kube: Kube, cache: Cache, clock: Clock, reporter: Reporter) -> None:
        self._kube = kube
        self._cache = cache
        self._clock = clock
        self._reporter = reporter
        self._read: dict[Key, tuple[int, str]] = {}
        self._told: dict[Key, set[str]] = {}

    async def track_resource_allocation(self, observed: Observed) -> Observed:
        """Give `observed` as it really is, where what it holds is to be written down by itself."""
        state = observed.state
        if state is None or observed.deleting:
            return observed
        if not is_behind(state, Moment(observed=observed, now=self._clock.now())):
            return observed
        confirmed = await self._confirmed(observed)
        name = claim_of(state, observed.spec)
        if name is None or self._read.get(_key(observed)) == (state.epoch, name):
            return confirmed
        volume = await self._look(observed, state, name)
        return replace(confirmed, volumes=(volume,)) if volume else confirmed

    async def restore_resource_state(self, observed: Observed, held: Held) -> str:
        """Say what the phases that need not run again left behind, and is not there any more.

        Raises Transient while a Pod of before may still be at work there.
        """
        await self._confirm_gone(observed)
        name = claim_of(held.state, observed.spec)
        if name is None or not held.state.phases:
            return ""
        found, checkpoint = await self._find_claim(observed, name), f"checkpoint {held.ref.name}"
        if found is None:
            return f"the workspace {name}, which {checkpoint} builds upon, {_end(observed)}"
        if held.claims.get(name) not in (None, found["metadata"]["uid"]):
            return f"the workspace {name} is not the one that {checkpoint} builds upon"
        return ""

    async def claims(self, observed: Observed, state: BuildState) -> dict[str, str]:
        """Give the uid of the workspace claim by its name; empty where there is none yet."""
        name = claim_of(state, observed.spec)
        if name is None:
            return {}
        epoch, known = self._cache.volume(observed.uid) or (-1, None)
        # A new run may have been given another claim of the same name.
        if known is None or (epoch, known.name) != (state.epoch, name):
            known = await self._look(observed, state, name)
        return {known.name: known.uid} if known else {}

    def corrected(self, acts: Iterable[Act], observed: Observed) -> None:
        """Tell of those acts that made what exists what the state says, each once."""
        for notice in _corrections(acts, self._clock.now()):
            told = self._told.setdefault(_key(observed), set())
            if notice.mark not in told:
                told.add(notice.mark)
                self._reporter.corrected(observed, notice)

    def forget(self, key: Key) -> None:
        """Forget a build that is gone."""
        self._read.pop(key, None)
        self._told.pop(key, None)

    async def _look(self, observed: Observed, state: BuildState, name: str) -> HeldVolume | None:
        found = await self._find_claim(observed, name)
        if found is None:
            return None
        volume = claims.volume(found)
        self._cache.put_volume(observed.uid, state.epoch, volume)
        self._read[_key(observed)] = (state.epoch, name)
        return volume

    async def _find_claim(self, observed: Observed, name: str) -> Document | None:
        found = await self._kube.get(Resource.CLAIMS, Key(observed.namespace, name))
        return None if found is None or claims.is_going(found) else found

    async def _confirmed(self, observed: Observed) -> Observed:
        """Look at what is held: who has an old picture would write it against one who knows."""
        for pod in observed.live_pods:
            found = await self._kube.get(Resource.PODS, Key(observed.namespace, pod.name))
            owned = pods.owned(found) if found else None
            if owned is not None:
                self._cache.put_pod(owned)
            if owned is None or owned.view.uid != pod.uid:
                self._cache.drop_pod(OwnedPod(_key(observed), observed.uid, pod))
        return replace(observed, pods=self._cache.pods(observed.uid))

    async def _confirm_gone(self, observed: Observed) -> None:
        """Not to have seen a Pod is not to know that it is gone."""
        held = observed.state.resources.pods if observed.state else ()
        seen = {pod.uid for pod in observed.pods}
        for pod in held:
            found = pod.uid not in seen and await self._kube.get(
                Resource.PODS, Key(observed.namespace, pod.name)
            )
            owned = pods.owned(found) if found else None
            if owned is not None and owned.view.uid == pod.uid and owned.view.is_live:
                self._cache.put_pod(owned)
                message = f"Pod {pod.name} of before is still at work"
                raise Transient(message)


def _end(observed: Observed) -> str:
    workspace, state = observed.spec.workspace, observed.state
    if workspace is None or workspace.size is None or state is None or state.workspace_claim:
        return "is gone"
    return "is gone: it was given back when the build ended"


def _corrections(acts: Iterable[Act], now: datetime) -> Iterator[Notice]:
    for act in acts:
        if isinstance(act, DeletePod) and act.is_leftover:
            yield Notice(
                mark=f"leftover.{act.uid}",
                reason="LeftoverPodDeleted",
                message=f"Pod {act.name}, of which no state speaks, was at work and is deleted",
                time=now,
                is_warning=True,
            )
        elif isinstance(act, CreatePod) and act.replaces:
            yield Notice(
                mark=f"again.{act.replaces}",
                reason="PodMadeAgain",
                message=f"Pod {act.name} was taken away while it was at work; it is made again",
                time=now,
                is_warning=True,
            )


def _key(observed: Observed) -> Key:
    return Key(observed.namespace, observed.name)
