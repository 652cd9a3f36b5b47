"""Whether what a status refers to is stored: at every moment, and at the end to the byte."""

from collections.abc import AsyncIterator, Callable, Iterator

from buildstate.api import convert
from buildstate.api.v1alpha1 import PLURAL
from buildstate.domain import contents, names
from buildstate.domain.checkpoints import CheckpointRef
from buildstate.domain.states import BuildState
from buildstate.engine.orphans import orphans
from buildstate.kube.client import KubeClient
from buildstate.stores import paths
from buildstate.stores.chains import Checkpoint, Expected, read_checkpoint
from buildstate.stores.configmaps import ConfigMapStore
from buildstate.stores.contracts import Area, Place, Store
from buildstate.stores.keyrings import NO_KEYS
from buildstate.stores.memories import MemoryStore
from buildstate.testing.clusters import Cluster
from buildstate.testing.lines import Line, Tally, calm
from buildstate.testing.requests import Document, Ref
from buildstate.testing.servers import Commit, Server
from buildstate.testing.streams import Passage
from buildstate.testing.wires import SimulatedWire

INSIDE, OUTSIDE = "configmap", "bucket"
"""The stores that every world has."""


class Bucket(MemoryStore):
    """The store outside of the cluster; `changed` hears of each change."""

    def __init__(self) -> None:
        super().__init__(OUTSIDE)
        self.changed: Callable[[], None] = lambda: None

    def has(self, path: str) -> bool:
        """Say whether there is a document."""
        return path in self._blobs

    async def write(self, path: str, data: bytes) -> None:
        """Write a document, whatever was there."""
        await super().write(path, data)
        self.changed()

    async def remove(self, path: str) -> None:
        """Remove a document; one that is gone is no error."""
        await super().remove(path)
        self.changed()


class Keepsakes:
    """Looks at every change whether each reference leads somewhere; `wrong` says which do not."""

    def __init__(self, server: Server, bucket: Bucket) -> None:
        self._server = server
        self._bucket = bucket
        self.wrong: list[str] = []
        server.hear(self._heard)
        bucket.changed = self._look

    def _heard(self, commit: Commit) -> None:
        if any(change.ref.plural in (PLURAL, "configmaps") for change in commit.changes):
            self._look()

    def _look(self) -> None:
        for build in _living(self._server.cluster):
            for ref in (build.get("status") or {}).get("checkpoints", ()):
                if not self._is_stored(build, ref["name"]):
                    self.wrong.append(f"{ref['name']} is referred to and is not stored")

    def _is_stored(self, build: Document, name: str) -> bool:
        metadata = build["metadata"]
        for area in Area:
            place = Place(metadata["namespace"], metadata["uid"], metadata["name"], area)
            inside = names.checkpoint_name(area, place.uid, name)
            if self._server.get("configmaps", place.namespace, inside) is not None:
                return True
            if self._bucket.has(paths.manifest(place, name)):
                return True
        return False


def _living(cluster: Cluster) -> Iterator[Document]:
    for _, build in cluster.of(PLURAL):
        if "deletionTimestamp" not in build["metadata"]:
            yield build


async def damages(server: Server, bucket: Bucket) -> AsyncIterator[str]:
    """Read every checkpoint that is referred to, and give what is wrong with it or left over."""
    line = Line(calm, Tally(), lambda: None)
    wire = SimulatedWire(server, line, "reader", lambda _event: Passage())
    stores: dict[str, Store] = {
        INSIDE: ConfigMapStore(INSIDE, KubeClient(wire), "default"),
        OUTSIDE: bucket,
    }
    for build in _living(server.cluster):
        state, policy = convert.state_of(build), build["spec"].get("checkpoints")
        if state is not None and policy is not None:
            store = stores[policy.get("store") or INSIDE]
            async for damage in _damages_of(build, state, store, server):
                yield damage


async def _damages_of(
    build: Document, state: BuildState, store: Store, server: Server
) -> AsyncIterator[str]:
    metadata, area = build["metadata"], Area.ARCHIVED if state.is_archived else Area.ACTIVE
    place = Place(metadata["namespace"], metadata["uid"], metadata["name"], area)
    namespace = server.cluster.objects[Ref("namespaces", "", place.namespace)]
    expected = Expected(
        namespace=place.namespace,
        namespace_uid=namespace["metadata"]["uid"],
        build_uid=place.uid,
    )
    said = list(_said(server, place.uid))
    for ref in state.checkpoints:
        read = await read_checkpoint(store, place, state.checkpoints, ref.name, expected, NO_KEYS)
        if not isinstance(read, Checkpoint):
            yield f"{ref.name} does not verify: {read.message}"
        elif not _is_what_was_said(read, ref, said):
            yield f"{ref.name} holds what no status said"
    for name in orphans(await store.names(place), state):
        yield f"{name} is stored and nobody refers to it"


def _said(server: Server, uid: str) -> Iterator[Document]:
    for commit in server.commits:
        for change in commit.changes:
            if change.ref.plural == PLURAL and change.after["metadata"]["uid"] == uid:
                yield change.after.get("status") or {}


def _is_what_was_said(read: Checkpoint, ref: CheckpointRef, said: list[Document]) -> bool:
    # What belongs to the cluster is kept beside the state, or not at all.
    held = (contents.decode(read.content) or {})["state"]
    is_said = any(all(status.get(name) == part for name, part in held.items()) for status in said)
    return is_said and ref.sequence == held["sequence"]
