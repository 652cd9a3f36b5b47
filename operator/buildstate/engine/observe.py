"""From what we last saw of a build to the picture that the plan decides upon. Only reads."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from pydantic import ValidationError

from buildstate.api import convert
from buildstate.domain.dependencies import asked
from buildstate.domain.names import FINALIZER, ORIGIN_ANNOTATION, QUEUE_LABELS
from buildstate.domain.neighbours import Neighbour, gather, neighbour_of
from buildstate.domain.observed import Observed, PodView, Refusal
from buildstate.domain.specs import BuildSpec
from buildstate.domain.states import BuildState
from buildstate.domain.validation import Violation
from buildstate.domain.verifications import awaited
from buildstate.engine.caches import Build, Cache
from buildstate.engine.validators import StateValidator
from buildstate.kube import pods
from buildstate.kube.ports import Key, Kube, Resource


@dataclass(frozen=True, slots=True)
class Reading:
    """What one version of a build says, parsed and validated once."""

    resource_version: str
    spec: BuildSpec
    state: BuildState | None
    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """What the API server said about a Pod, since when, and whether people are told."""

    pod: str
    refusal: Refusal
    since: datetime
    is_told: bool = False

    def is_same(self, pod: str, refusal: Refusal) -> bool:
        """Say whether the same is said again."""
        if refusal.is_permanent or self.refusal.is_permanent:
            return (self.pod, self.refusal) == (pod, refusal)
        # The words hold figures: each change of them would be a write.
        return (self.pod, self.refusal.reason) == (pod, refusal.reason)


TOLD_AFTER = timedelta(seconds=2)
"""Between two phases a quota is still counted for the Pod that has ended: that is not told."""


class Observer:
    """Sees builds: from the cache where that is enough, live where absence would decide."""

    def __init__(self, cache: Cache, kube: Kube, validator: StateValidator) -> None:
        self._cache = cache
        self._kube = kube
        self._validator = validator
        self._readings: dict[Key, Reading] = {}
        self._refusals: dict[Key, Refused] = {}

    async def observe(self, key: Key) -> Observed | None:
        """Give one build with its Pods as they stand, or None when it is gone."""
        build = self._cache.build(key)
        if build is None:
            self.forget(key)
            return None
        reading = self._read(build)
        observed = self._picture(build, reading, self._cache.pods(build.uid))
        unconfirmed = observed.unconfirmed_pod(observed.state) if observed.state else None
        if unconfirmed is None:
            return observed
        found = await self._find_own(Key(observed.namespace, unconfirmed), build.uid)
        return self._picture(build, reading, (*observed.pods, *found))

    def wrote(self, key: Key, resource_version: str, after: Observed) -> None:
        """Take note of our own write: what we made ourselves needs no parsing."""
        self._readings[key] = Reading(resource_version, after.spec, after.state, ())

    def glance(self, key: Key) -> Observed | None:
        """Give one build as the cache has it, or None when it is not there."""
        build = self._cache.build(key)
        if build is None:
            return None
        return self._picture(build, self._read(build), self._cache.pods(build.uid))

    def note(self, key: Key, pod: str, refusal: Refusal | None, now: datetime) -> bool:
        """Remember what the API server last said about that Pod; say whether that is news."""
        known = self._refusals.pop(key, None)
        if refusal is None:
            return known is not None and known.is_told
        if known is None or not known.is_same(pod, refusal):
            known = Refused(pod, refusal, now)
        fresh = replace(known, is_told=refusal.is_permanent or now - known.since >= TOLD_AFTER)
        self._refusals[key] = fresh
        return fresh.is_told and not known.is_told

    def forget(self, key: Key) -> None:
        """Forget a build that is gone."""
        self._readings.pop(key, None)
        self._refusals.pop(key, None)

    async def _find_own(self, key: Key, uid: str) -> tuple[PodView, ...]:
        document = await self._kube.get(Resource.PODS, key)
        owned = pods.owned(document) if document else None
        # A status may have been altered to name a Pod of somebody else.
        return (owned.view,) if owned is not None and owned.owner_uid == uid else ()

    def _read(self, build: Build) -> Reading:
        known = self._readings.get(build.key)
        if known and known.resource_version == build.resource_version:
            return known
        reading = read(build, self._validator)
        self._readings[build.key] = reading
        return reading

    def _others(self, namespace: str, reading: Reading) -> Mapping[str, Neighbour]:
        names = asked(reading.spec, reading.state)
        return gather(names, partial(self._neighbour, namespace)) if names else {}

    def _neighbour(self, namespace: str, name: str) -> Neighbour | None:
        build = self._cache.build(Key(namespace, name))
        if build is None:
            return None
        reading = self._read(build)
        # What is not believed of itself is not believed by others; it goes to ERROR at once.
        state = None if reading.violations else reading.state
        return neighbour_of(build.uid, reading.spec, state)

    def _picture(self, build: Build, reading: Reading, views: tuple[PodView, ...]) -> Observed:
        metadata, known = build.document["metadata"], self._cache.volume(build.uid)
        observed = Observed(
            namespace=build.key.namespace,
            name=build.key.name,
            uid=build.uid,
            resource_version=build.resource_version,
            generation=metadata.get("generation", 0),
            spec=reading.spec,
            state=reading.state,
            deletion_time=_time(metadata.get("deletionTimestamp")),
            is_finalized=FINALIZER in metadata.get("finalizers", ()),
            origin=(metadata.get("annotations") or {}).get(ORIGIN_ANNOTATION, ""),
            queue_labels=_queue_labels(metadata.get("labels") or {}),
            violations=reading.violations,
            pods=views,
            departed=self._cache.departed(build.uid),
            volumes=(known[1],) if known else (),
            others=self._others(build.key.namespace, reading),
            resize=self._cache.resize(build.uid),
        )
        said = self._refusals.get(build.key)
        if said is None or not said.is_told or observed.state is None:
            return observed
        # What was said about the Pod of an earlier attempt says nothing about this one.
        is_of_this = awaited(observed.state, observed) == said.pod
        return replace(observed, refusal=said.refusal) if is_of_this else observed


def _queue_labels(labels: Mapping[str, str]) -> dict[str, str]:
    return {label: labels[label] for label in QUEUE_LABELS if label in labels}


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def read(build: Build, validator: StateValidator) -> Reading:
    """Parse and validate one version of a build; what cannot be read is a violation."""
    document, version = build.document, build.resource_version
    spec = convert.spec_of(document)
    try:
        state = convert.state_of(document)
    except ValidationError as error:
        return Reading(version, spec, convert.bare_state(document), (convert.unreadable(error),))
    if state is None:
        return Reading(version, spec, None, ())
    result = validator.validate_document(document["status"], build.uid)
    return Reading(version, spec, state, result.violations)
