"""What we last saw of every build and of its Pods.

The cache may be old; it never decides alone that something is absent. An object replaces an older
one only when its resourceVersion is higher, so that our own writes and the watch may come in any
order. Each method gives the keys of the builds that have to be looked at again. Builds that depend
on one that changed are woken besides, whoever brought the change: a watch or a write of ours.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from buildstate.domain.observed import PodView, Resize
from buildstate.domain.states import HeldVolume
from buildstate.engine.dependents import Dependents, is_other
from buildstate.kube.pods import OwnedPod
from buildstate.kube.ports import Document, Key


@dataclass(frozen=True, slots=True)
class Build:
    """One build as the API server sent it, without what nobody here reads."""

    key: Key
    uid: str
    resource_version: str
    document: Document


class Cache:
    """The builds by key, and the Pods by the uid of their build.

    `woken` hears of each build that depends on one that changed.
    """

    def __init__(self, woken: Callable[[Key], None] = lambda _key: None) -> None:
        self._builds: dict[Key, Build] = {}
        self._pods: dict[str, dict[str, OwnedPod]] = {}
        self._departed: dict[str, PodView] = {}
        self._volumes: dict[str, tuple[int, HeldVolume]] = {}
        self._dependents = Dependents()
        self._woken = woken
        self._resizes: dict[str, Resize] = {}

    def builds(self) -> Iterator[Build]:
        """Give every build that we know."""
        return iter(tuple(self._builds.values()))

    def keys(self, namespace: str) -> list[Key]:
        """Give the builds of a namespace."""
        return [key for key in self._builds if key.namespace == namespace]

    def count(self) -> int:
        """Count the builds."""
        return len(self._builds)

    def census(self) -> Iterator[tuple[str, str]]:
        """Give phase and status of every build."""
        for build in self.builds():
            status = build.document["status"] or {}
            yield status.get("phase", "INIT"), status.get("status", "Pending")

    def build(self, key: Key) -> Build | None:
        """Give one build, or None if we do not know it."""
        return self._builds.get(key)

    def pods(self, build_uid: str) -> tuple[PodView, ...]:
        """Give the Pods of one build that we know."""
        return tuple(pod.view for pod in self._pods.get(build_uid, {}).values())

    def departed(self, build_uid: str) -> PodView | None:
        """Give the Pod of one build that was last seen to go, as it was then."""
        return self._departed.get(build_uid)

    def resize(self, build_uid: str) -> Resize | None:
        """Give what a Pod of one build was last asked to have, and the answer."""
        return self._resizes.get(build_uid)

    def put_resize(self, build_uid: str, resize: Resize) -> None:
        """Take in what a Pod of one build was asked to have, and the answer."""
        self._resizes[build_uid] = resize

    def put_build(self, document: Document) -> list[Key]:
        """Take in a build, unless we know it newer or the same."""
        build = build_of(document)
        known = self._builds.get(build.key)
        if known and known.uid == build.uid and not is_newer(build, known):
            return []
        self._builds[build.key] = build
        self._dependents.follow(build.key, build.document)
        self._wake(build.key, known, build)
        return [build.key]

    def drop_build(self, document: Document) -> list[Key]:
        """Forget a build and its Pods."""
        gone = build_of(document)
        self._pods.pop(gone.uid, None)
        self._departed.pop(gone.uid, None)
        self._volumes.pop(gone.uid, None)
        self._resizes.pop(gone.uid, None)
        known = self._builds.get(gone.key)
        if known is None or known.uid != gone.uid:
            return []
        del self._builds[gone.key]
        self._dependents.drop(gone.key)
        self._wake(gone.key, known, None)
        return [gone.key]

    def volume(self, build_uid: str) -> tuple[int, HeldVolume] | None:
        """Give the claim that a build works on and the epoch in which it was seen, if it was."""
        return self._volumes.get(build_uid)

    def put_volume(self, build_uid: str, epoch: int, volume: HeldVolume) -> None:
        """Take in the claim that a build works on in that epoch; nobody watches claims."""
        self._volumes[build_uid] = (epoch, volume)

    def _wake(self, key: Key, before: Build | None, after: Build | None) -> None:
        waiting = self._dependents.of(key)
        if waiting and is_other(_document(before), _document(after)):
            for dependent in waiting:
                self._woken(dependent)

    def owned_pods(self) -> Iterator[OwnedPod]:
        """Give every Pod that we know."""
        return (pod for pods in tuple(self._pods.values()) for pod in tuple(pods.values()))

    def put_pod(self, pod: OwnedPod) -> list[Key]:
        """Take in a Pod; it is news only if the plan can see the difference."""
        siblings = self._pods.setdefault(pod.owner_uid, {})
        known = siblings.get(pod.view.name)
        if known and known.view.uid == pod.view.uid and not is_newer(pod.view, known.view):
            return []
        siblings[pod.view.name] = pod
        return [] if known and _facts(known.view) == _facts(pod.view) else [pod.owner]

    def drop_pod(self, pod: OwnedPod) -> list[Key]:
        """Forget a Pod that was deleted."""
        siblings = self._pods.get(pod.owner_uid, {})
        known = siblings.get(pod.view.name)
        if known is None or known.view.uid != pod.view.uid:
            return []
        del siblings[pod.view.name]
        if not siblings:
            del self._pods[pod.owner_uid]
        build = self._builds.get(pod.owner)
        if build is not None and build.uid == pod.owner_uid:
            # What the event says last may be newer than what we had seen.
            self._departed[pod.owner_uid] = pod.view
        return [pod.owner]


def build_of(document: Document) -> Build:
    """Give the cached form of a build."""
    metadata: Any = document["metadata"]
    key = Key(metadata["namespace"], metadata["name"])
    slim = {name: value for name, value in metadata.items() if name != "managedFields"}
    kept = {"metadata": slim, "spec": document.get("spec"), "status": document.get("status")}
    return Build(key, metadata["uid"], metadata["resourceVersion"], kept)


def _document(build: Build | None) -> Document | None:
    return build.document if build else None


def is_newer(fresh: Build | PodView, known: Build | PodView) -> bool:
    """Say whether `fresh` was written after `known`; good enough for a cache, not for more."""
    return int(fresh.resource_version) > int(known.resource_version)


def _facts(view: PodView) -> tuple[object, ...]:
    return (
        view.uid,
        view.phase,
        view.deleting,
        view.waiting,
        view.reason,
        view.exit_code,
        view.requests,
        view.disruption,
        view.given,
        view.resize,
    )
