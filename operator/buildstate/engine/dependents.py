"""Who depends on whom: what a change of one build means for the others."""

from collections.abc import Iterable
from typing import Any

from buildstate.domain.neighbours import ENDED
from buildstate.kube.ports import Document, Key


class Dependents:
    """The builds that depend on each build, there or not."""

    def __init__(self) -> None:
        self._named: dict[Key, frozenset[Key]] = {}
        self._waiting: dict[Key, dict[Key, None]] = {}

    def follow(self, key: Key, document: Document) -> None:
        """Take note of what the build depends on now."""
        asked = (document.get("spec") or {}).get("dependencies") or ()
        named = frozenset(Key(key.namespace, one["name"]) for one in asked)
        known = self._named.get(key, frozenset())
        if named == known:
            return
        self._leave(key, known - named)
        for other in named - known:
            self._waiting.setdefault(other, {})[key] = None
        if named:
            self._named[key] = named
        else:
            del self._named[key]

    def drop(self, key: Key) -> None:
        """Forget what a build depended on that is gone."""
        self._leave(key, self._named.pop(key, frozenset()))

    def of(self, key: Key) -> tuple[Key, ...]:
        """Give the builds that depend on that one."""
        return tuple(self._waiting.get(key, ()))

    def _leave(self, key: Key, named: Iterable[Key]) -> None:
        for other in named:
            waiting = self._waiting[other]
            del waiting[key]
            if not waiting:
                del self._waiting[other]


def is_other(before: Document | None, after: Document | None) -> bool:
    """Say whether a build has changed for those that depend on it; None is a build that is gone."""
    return before is None or after is None or _standing(before) != _standing(after)


def _standing(document: Document) -> tuple[Any, ...]:
    status = document["status"] or {}
    names = ("phase", "sequence", "failure", "artifacts")
    has_ended = status.get("status") in ENDED
    return (document["metadata"]["uid"], has_ended, *map(status.get, names))
