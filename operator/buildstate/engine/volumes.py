"""Looking into the volume that a Pod waits for: a few reads, once for each change."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from buildstate.domain import volumes
from buildstate.domain.errors import BuildStateError, Permanent
from buildstate.domain.observed import Moment, Observed, Obstruction
from buildstate.domain.volumes import Claim, Question
from buildstate.kube import claims
from buildstate.kube.ports import Clock, Document, Key, Kube, Resource

logger = logging.getLogger(__name__)


class VolumeInspector:
    """Says why Pods cannot start because of their volumes."""

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock
        self._known: dict[Key, tuple[tuple[object, ...], Obstruction | None]] = {}

    async def inspected(self, observed: Observed) -> Observed:
        """Give `observed` with what its Pod waits for, where that is its volume."""
        key, state = Key(observed.namespace, observed.name), observed.state
        moment = Moment(observed=observed, now=self._clock.now())
        asked = volumes.question(state, moment) if state else None
        if asked is None:
            self._known.pop(key, None)
            return observed
        known = self._known.get(key)
        if known is None or known[0] != asked.mark:
            known = (asked.mark, await self._look(key, asked))
            self._known[key] = known
        return replace(observed, obstruction=known[1])

    def forget(self, key: Key) -> None:
        """Forget a build that is gone."""
        self._known.pop(key, None)

    async def _look(self, key: Key, asked: Question) -> Obstruction | None:
        try:
            return volumes.explain(asked, await self._read(key.namespace, asked))
        except BuildStateError as error:
            # It is only told; nothing of the build depends on it.
            logger.info("the volume was not looked into: %s", error, extra={"build": str(key)})
            return None

    async def _read(self, namespace: str, asked: Question) -> Claim | None:
        found = await self._kube.get(Resource.CLAIMS, Key(namespace, asked.claim))
        if found is None:
            return None
        claim = claims.claim(found)
        if claim.is_going or claim.phase == "Lost":
            return claim
        if claim.phase == "Bound":
            # Until a node has taken the Pod, nobody but the scheduler says anything of it.
            uid = asked.pod.uid if asked.is_placed else None
        else:
            classes = await self._find(Resource.STORAGE_CLASSES, "", {})
            claim = claim if classes is None else claims.with_classes(claim, found, classes)
            uid = None if claim.awaits_pod else found["metadata"]["uid"]
        return replace(claim, words=await self._words(namespace, uid)) if uid else claim

    async def _words(self, namespace: str, uid: str) -> Mapping[str, str]:
        told = await self._find(Resource.EVENTS, namespace, {"involvedObject.uid": uid}) or []
        newest = sorted(told, key=_time, reverse=True)
        return {one["reason"]: one.get("message") or "" for one in reversed(newest)}

    async def _find(
        self, resource: Resource, namespace: str, fields: Mapping[str, str]
    ) -> list[Document] | None:
        try:
            return await self._kube.find(resource, namespace, fields)
        except Permanent:
            return None  # Where it may work in its own namespaces only, it sees no classes.


def _time(event: Document) -> Any:
    return event.get("lastTimestamp") or event.get("eventTime") or ""
