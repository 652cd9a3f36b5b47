"""The state of the pretended API server: objects, and a log of what happened to them.

It is a value: a change gives another one. So a world can be kept as it was at any moment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from buildstate.testing.requests import Document, Ref

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"

REMEMBERED = 1000
"""Changes that are remembered for watches that begin before them."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened to one object; what is deleted has a last `after`, too."""

    version: int
    kind: str
    ref: Ref
    before: Document | None
    after: Document


@dataclass(frozen=True, slots=True)
class Cluster:
    """All objects as they are, and the log; what is older than `compacted` is forgotten.

    `made` counts the objects that were ever made.
    """

    version: int = 1
    objects: Mapping[Ref, Document] = field(default_factory=dict)
    log: tuple[Change, ...] = ()
    compacted: int = 0
    made: int = 0

    def get(self, ref: Ref) -> Document | None:
        """Give one object, or None where there is none."""
        return self.objects.get(ref)

    def of(self, plural: str, namespace: str = "") -> Iterator[tuple[Ref, Document]]:
        """Give the objects of one kind, of one namespace or of all, sorted by their names."""
        for ref in sorted(self.objects):
            if ref.plural == plural and namespace in ("", ref.namespace):
                yield ref, self.objects[ref]

    def put(self, ref: Ref, document: Document) -> "Cluster":
        """Write an object under the next resourceVersion."""
        version, before = self.version + 1, self.get(ref)
        metadata = {**document["metadata"], "resourceVersion": str(version)}
        after = {**document, "metadata": metadata}
        change = Change(version, MODIFIED if before else ADDED, ref, before, after)
        return replace(
            self,
            version=version,
            objects={**self.objects, ref: after},
            made=self.made + (before is None),
            **self._logged(change),
        )

    def without(self, ref: Ref) -> "Cluster":
        """Remove an object that is there."""
        version, before = self.version + 1, self.objects[ref]
        metadata = {**before["metadata"], "resourceVersion": str(version)}
        change = Change(version, DELETED, ref, before, {**before, "metadata": metadata})
        objects = {known: document for known, document in self.objects.items() if known != ref}
        return replace(self, version=version, objects=objects, **self._logged(change))

    def _logged(self, change: Change) -> dict[str, Any]:
        log = (*self.log, change)
        if len(log) <= REMEMBERED:
            return {"log": log}
        return {"log": log[1:], "compacted": log[0].version}

    def compact(self) -> "Cluster":
        """Forget what happened until now."""
        return replace(self, log=(), compacted=self.version)

    def since(self, version: int) -> tuple[Change, ...]:
        """Give what happened after that resourceVersion."""
        # Nearly always it is the last few.
        found = len(self.log)
        while found and self.log[found - 1].version > version:
            found -= 1
        return self.log[found:]
