"""The pretended API server as everybody in a world sees it: one state, and who hears of changes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from buildstate.kube.ports import Clock
from buildstate.testing import apiservers
from buildstate.testing.clusters import Change, Cluster
from buildstate.testing.requests import Document, Ref, Request, Response


@dataclass(frozen=True, slots=True)
class Commit:
    """One request that was answered: when, by whom it was sent, and what it changed."""

    seconds: float
    who: str
    request: Request
    response: Response
    changes: tuple[Change, ...]
    cluster: Cluster


class Server:
    """Keeps the state of the cluster; `commits` has every request that was not a read,
    `reads` when and what of the others.
    """

    def __init__(self, clock: Clock, time: Callable[[], float]) -> None:
        self.cluster = Cluster()
        self.commits: list[Commit] = []
        self._clock = clock
        self._time = time
        self._listeners: list[Callable[[Commit], None]] = []

    def hear(self, listener: Callable[[Commit], None]) -> Callable[[], None]:
        """Tell `listener` of each change from now on; give what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def ask(self, request: Request, who: str) -> Response:
        """Answer one request."""
        before = self.cluster
        self.cluster, response = apiservers.apply(before, request, self._clock.now())
        if request.is_write:
            changes = self.cluster.since(before.version)
            # Nobody asks a moment what was before it, and all moments are kept.
            now = replace(self.cluster, log=())
            self._tell(Commit(self._time(), who, request, response, changes, now))
        return response

    def recall(self, request: Request, age: int) -> Response:
        """Answer a read as it would have been that many writes ago."""
        known = self.commits[-age].cluster if len(self.commits) >= age else self.cluster
        return apiservers.apply(known, request, self._clock.now())[1]

    def compact(self) -> None:
        """Forget what happened until now, so that no new watch can begin before."""
        self.cluster = self.cluster.compact()

    def get(self, plural: str, namespace: str, name: str) -> Document | None:
        """Give one object as it stands."""
        return self.cluster.get(Ref(plural, namespace, name))

    def _tell(self, commit: Commit) -> None:
        self.commits.append(commit)
        if commit.changes:
            for listener in tuple(self._listeners):
                listener(commit)
