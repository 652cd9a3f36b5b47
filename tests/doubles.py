"""The one double of the tests: a `Kube` that remembers what it was asked."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tests.worlds import NOW

from buildstate.domain.observed import Observed
from buildstate.domain.states import BuildState, Transition
from buildstate.kube.ports import Document, Key, Listing, Resource

Call = tuple[Any, ...]


class RecordingKube:
    """Holds the objects that it was given, fails where it was told to, and writes down each call.

    `failing` names for each verb the errors of its next calls; None lets one through.
    """

    def __init__(
        self,
        objects: Mapping[Resource, Iterable[Document]] | None = None,
        **failing: list[Exception | None],
    ) -> None:
        self.objects = {
            (resource, key_of(document)): document
            for resource, documents in (objects or {}).items()
            for document in documents
        }
        self.failing = failing
        self.calls: list[Call] = []

    def _called(self, verb: str, *what: Any) -> None:
        self.calls.append((verb, *what))
        errors = self.failing.get(verb) or [None]
        error = errors.pop(0) if verb in self.failing else None
        if error is not None:
            raise error

    async def list_all(self, resource: Resource, *, metadata_only: bool = False) -> Listing:
        self._called("list", resource, metadata_only)
        found = [document for (kind, _), document in self.objects.items() if kind is resource]
        return Listing(found, {"": "99"})

    async def get(self, resource: Resource, key: Key) -> Document | None:
        self._called("get", resource, key)
        return self.objects.get((resource, key))

    async def find(
        self, resource: Resource, namespace: str, fields: Mapping[str, str]
    ) -> list[Document]:
        self._called("find", resource, namespace, fields)
        found = [document for (kind, _), document in self.objects.items() if kind is resource]
        uid = fields.get("involvedObject.uid")
        return [one for one in found if uid in (None, one.get("involvedObject", {}).get("uid"))]

    async def create(self, resource: Resource, body: Document) -> Document:
        self._called("create", resource, body["metadata"]["name"])
        made = {"uid": "made", "resourceVersion": "100", "creationTimestamp": f"{NOW:%FT%TZ}"}
        return {**body, "metadata": {**body["metadata"], **made}}

    async def delete(self, resource: Resource, key: Key, uid: str | None = None) -> None:
        self._called("delete", resource, key, uid)

    async def resize(self, key: Key, patch: Document) -> Document:
        self._called("resize", key, patch)
        found = self.objects[(Resource.PODS, key)]
        version = str(int(found["metadata"]["resourceVersion"]) + 1)
        metadata = {**found["metadata"], "resourceVersion": version}
        return {**found, "metadata": metadata, "spec": patch["spec"]}

    async def set_finalizers(self, build: Document, finalizers: list[str]) -> Document:
        self._called("finalize", key_of(build), build["metadata"]["resourceVersion"], finalizers)
        version = str(int(build["metadata"]["resourceVersion"]) + 1)
        metadata = {**build["metadata"], "resourceVersion": version, "finalizers": finalizers}
        return {**build, "metadata": metadata}

    async def replace(self, resource: Resource, body: Document) -> Document:
        self._called("put", resource, key_of(body), body)
        self.objects[resource, key_of(body)] = body
        return body

    async def replace_status(self, build: Document, status: Document) -> Document:
        self._called("replace", key_of(build), build["metadata"]["resourceVersion"], status)
        version = str(int(build["metadata"]["resourceVersion"]) + 1)
        metadata = {**build["metadata"], "resourceVersion": version}
        return {**build, "metadata": metadata, "status": status}


def key_of(document: Document) -> Key:
    """Where an object is."""
    return Key(document["metadata"].get("namespace", ""), document["metadata"]["name"])


class Told:
    """Figures and outbox at once: what was told, in the order in which it was."""

    def __init__(self) -> None:
        self.figures: list[Call] = []
        self.events: list[dict[str, Any]] = []

    def transition_lost(self, origin: str, to: str, result: str) -> None:
        self.figures.append(("lost", origin, to, result))

    def state_changed(self, state: BuildState) -> None:
        self.figures.append(("state", state.phase, state.status))

    def transition(self, step: Transition, seconds: float) -> None:
        self.figures.append(("transition", step.origin, step.to, seconds))

    def failed(self, category: str) -> None:
        self.figures.append(("failed", category))

    def answered(self, action: str, outcome: str) -> None:
        self.figures.append(("answered", action, outcome))

    def retried(self, reason: str) -> None:
        self.figures.append(("retried", reason))

    def corrected(self, correction: str) -> None:
        self.figures.append(("corrected", correction))

    def never_fits(self, reason: str) -> None:
        self.figures.append(("never fits", reason))

    def promised(self, seconds: float) -> None:
        self.figures.append(("promised", seconds))

    def recovered(self, result: str, seconds: float) -> None:
        self.figures.append(("recovered", result, seconds))

    def checkpoint_taken(
        self, kind: str, trigger: str, result: str, *, seconds: float, size: int
    ) -> None:
        self.figures.append(("taken", kind, trigger, result, size > 0))

    def checkpoint_damaged(self, reason: str) -> None:
        self.figures.append(("damaged", reason))

    def put(self, event: dict[str, Any]) -> None:
        self.events.append(event)


class Keeping:
    """A keeper of what stores hold, which writes down what it was asked."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def archive(self, observed: Observed) -> None:
        self.calls.append(("archive", observed.name))

    async def erase(self, observed: Observed) -> None:
        self.calls.append(("erase", observed.name))


class StoppedClock:
    """A clock that stands still."""

    def __init__(self, now: datetime = NOW) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


def seen(observed: Observed | None) -> Observed:
    """What was observed, which was something."""
    assert observed is not None
    return observed
