"""Checkpoints and documents in ConfigMaps: the store that needs nothing but the cluster.

A checkpoint is one immutable ConfigMap, made by one create, so it is complete or not there. Its
manifest is an annotation, since the metadata of an immutable ConfigMap may still change: that is
how its data key is wrapped anew. While it is active it belongs to its build, and goes with it.
"""

import builtins
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from buildstate.domain import names
from buildstate.domain.errors import AlreadyExists, Conflict, Permanent
from buildstate.kube.owners import reference_to
from buildstate.kube.ports import Document, KeepingKube, Key, Resource
from buildstate.stores import paths
from buildstate.stores.contracts import FOREIGN, TOO_LARGE, Area, Blob, Place, Record

LIMIT = 1_000_000
"""Bytes of a payload or document: the API server takes 1 MiB, and base64 does not count."""
MANIFEST_LIMIT = 200_000
"""Bytes of a manifest: all annotations together may have 256 KiB."""

MANIFEST = "buildstate.dev/manifest"
NAME = "buildstate.dev/checkpoint-name"
PATH = "buildstate.dev/path"

_PAYLOAD = "payload"
_DOCUMENT = "document"
_OURS = {names.MANAGED_BY_LABEL: names.MANAGED_BY}
_TRIES = 5


@dataclass(frozen=True, slots=True)
class _Mark:
    """What an object of ours says of itself; only we may put these labels on (the chart's policy).

    An object of the right name without it is somebody else's: it holds nothing, and is in the way.
    """

    labels: Mapping[str, str]
    annotation: str
    value: str

    def is_on(self, found: Document) -> bool:
        """Say whether an object says so."""
        labels: Mapping[str, str] = found["metadata"].get("labels") or {}
        return (
            self.labels.items() <= labels.items()
            and _annotation(found, self.annotation) == self.value
        )


class ConfigMapStore:
    """Keeps what belongs to a build in its namespace, and the rest in `namespace`, our own."""

    is_outside: bool = False
    limit: int | None = LIMIT

    def __init__(self, name: str, kube: KeepingKube, namespace: str) -> None:
        self.name = name
        self._kube = kube
        self._namespace = namespace

    async def save(self, place: Place, record: Record) -> None:
        """Store a checkpoint that was not there; raises `AlreadyExists` where another is."""
        self._fits(f"checkpoint {record.name}", record.payload, LIMIT)
        self._fits(f"the manifest of checkpoint {record.name}", record.manifest, MANIFEST_LIMIT)
        try:
            await self._kube.create(Resource.CONFIGMAPS, _checkpoint(place, record))
        except AlreadyExists:
            found = await self._kube.get(Resource.CONFIGMAPS, _key(place, record.name))
            self._refuse_foreign(found, _checkpoint_mark(place, record.name))
            # A create whose answer was lost looks like this, too.
            if await self.load(place, record.name) != record:
                raise

    async def load(self, place: Place, name: str) -> Record | None:
        """Give one checkpoint, or None where there is no complete one of that name."""
        found = await self._kube.get(Resource.CONFIGMAPS, _key(place, name))
        if found is None or not _checkpoint_mark(place, name).is_on(found):
            return None
        manifest, payload = _annotation(found, MANIFEST), _data(found, _PAYLOAD)
        if manifest is None or payload is None:
            return None
        return Record(name, manifest.encode(), payload)

    async def manifest(self, place: Place, name: str) -> bytes | None:
        """Give the manifest of one checkpoint alone, or None where there is none."""
        found = await self._kube.peek(Resource.CONFIGMAPS, _key(place, name))
        if found is None or not _checkpoint_mark(place, name).is_on(found):
            return None
        manifest = _annotation(found, MANIFEST)
        return None if manifest is None else manifest.encode()

    async def names(self, place: Place) -> builtins.list[str]:
        """Name the checkpoints of a build, sorted as texts: complete and incomplete ones."""
        paths.checkpoints(place)
        labels = {**_OURS, names.CHECKPOINT_LABEL: "true", **_labels(place)}
        found = await self._kube.select(Resource.CONFIGMAPS, labels, place.namespace)
        return sorted(name for each in found if (name := _annotation(each, NAME)) is not None)

    async def replace_manifest(self, place: Place, before: Record, manifest: bytes) -> None:
        """Put another manifest in the place of `before`'s; raises `Conflict` if that is gone."""
        self._fits(f"the manifest of checkpoint {before.name}", manifest, MANIFEST_LIMIT)
        found = await self._kube.get(Resource.CONFIGMAPS, _key(place, before.name))
        self._refuse_foreign(found, _checkpoint_mark(place, before.name))
        known = _annotation(found, MANIFEST) if found else None
        if known == manifest.decode():
            return
        if found is None or known != before.manifest.decode():
            message = f"store {self.name}: checkpoint {before.name} is not what it was: look again"
            raise Conflict(message)
        annotations = {**found["metadata"]["annotations"], MANIFEST: manifest.decode()}
        metadata = {**found["metadata"], "annotations": annotations}
        await self._kube.replace(Resource.CONFIGMAPS, {**found, "metadata": metadata})

    async def delete(self, place: Place, name: str) -> None:
        """Remove a checkpoint; one that is gone is no error."""
        await self._kube.delete(Resource.CONFIGMAPS, _key(place, name))

    async def places(self, area: Area, namespace: str | None = None) -> builtins.list[Place]:
        """Give every place of `area` that holds something, of one namespace or of all."""
        labels = {**_OURS, names.AREA_LABEL: area.value}
        found = await self._kube.select(Resource.CONFIGMAPS, labels, namespace)
        places: dict[Place, Place] = {}
        for place in (_place(each) for each in found):
            # Documents do not say what their build is called; checkpoints do.
            if place and (place.build or place not in places):
                places[place] = place
        return sorted(places.values(), key=lambda at: (at.namespace, at.uid))

    async def read(self, path: str) -> Blob | None:
        """Give one document, or None where there is none."""
        found = await self._kube.get(Resource.CONFIGMAPS, self._at(path))
        if found is None or not _document_mark(path).is_on(found):
            return None
        data = _data(found, _DOCUMENT)
        if data is None:
            return None
        return Blob(data, str(found["metadata"]["resourceVersion"]))

    async def create(self, path: str, data: bytes) -> None:
        """Write a document that was not there; raises `AlreadyExists`."""
        try:
            await self._kube.create(Resource.CONFIGMAPS, self._document(path, data))
        except AlreadyExists as error:
            found = await self._kube.get(Resource.CONFIGMAPS, self._at(path))
            self._refuse_foreign(found, _document_mark(path))
            message = f"store {self.name}: {path} is there already"
            raise AlreadyExists(message) from error

    async def write(self, path: str, data: bytes) -> None:
        """Write a document, whatever was there."""
        for _ in range(_TRIES):
            found = await self._kube.get(Resource.CONFIGMAPS, self._at(path))
            self._refuse_foreign(found, _document_mark(path))
            version = found["metadata"]["resourceVersion"] if found else None
            try:
                return await self.swap(path, data, version)
            except Conflict:
                continue
        message = f"store {self.name}: {path} is written by others again and again"
        raise Conflict(message)

    async def swap(self, path: str, data: bytes, version: str | None) -> None:
        """Write a document if it is still at `version`, None: not there; raises `Conflict`."""
        if version is None:
            return await self.create(path, data)
        body = self._document(path, data)
        metadata = {**body["metadata"], "resourceVersion": version}
        await self._kube.replace(Resource.CONFIGMAPS, {**body, "metadata": metadata})
        return None

    async def remove(self, path: str) -> None:
        """Remove a document; one that is gone is no error."""
        await self._kube.delete(Resource.CONFIGMAPS, self._at(path))

    async def list(self, prefix: str) -> builtins.list[str]:
        """Give the paths that begin with `prefix`, sorted."""
        paths.checked_prefix(prefix)
        labels = {**_OURS, names.DOCUMENT_LABEL: "true"}
        parts = prefix.split("/")
        namespaces = (parts[1],) if len(parts) > 2 else (None, self._namespace)
        found: set[str] = set()
        for namespace in namespaces:
            each = await self._kube.select(Resource.CONFIGMAPS, labels, namespace)
            found |= {path for one in each if (path := _annotation(one, PATH)) is not None}
        return sorted(path for path in found if path.startswith(prefix))

    def _at(self, path: str) -> Key:
        parts = paths.checked(path).split("/")
        namespace = parts[1] if len(parts) > 2 else self._namespace
        return Key(namespace, names.document_name(path))

    def _document(self, path: str, data: bytes) -> Document:
        key = self._at(path)
        self._fits(path, data, LIMIT)
        place = paths.place_of(path)
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "labels": {
                    **_OURS,
                    names.DOCUMENT_LABEL: "true",
                    **(_labels(place) if place else {}),
                },
                "annotations": {PATH: path},
            },
            "binaryData": {_DOCUMENT: b64encode(data).decode()},
        }

    def _refuse_foreign(self, found: Document | None, mark: _Mark) -> None:
        """Raise Permanent where somebody else's object has the name that ours would have."""
        if found is not None and not mark.is_on(found):
            metadata = found["metadata"]
            message = (
                f"store {self.name}: ConfigMap {metadata['namespace']}/{metadata['name']} has the"
                " name of one of ours, and is not: it lacks our labels or says that it is"
                " something else. Delete it, and find out who made it"
            )
            raise Permanent(message, reason=FOREIGN)

    def _fits(self, what: str, data: bytes, limit: int) -> None:
        if len(data) > limit:
            message = (
                f"store {self.name}: {what} has {len(data):,} bytes, and the limit of a ConfigMap"
                f" is {limit:,}: use a store outside of the cluster (spec.checkpoints.store)"
            )
            raise Permanent(message, reason=TOO_LARGE)


def _key(place: Place, name: str) -> Key:
    paths.manifest(place, name)
    return Key(place.namespace, names.checkpoint_name(place.area, place.uid, name))


def _labels(place: Place) -> dict[str, str]:
    return {names.AREA_LABEL: place.area.value, names.UID_LABEL: place.uid}


def _checkpoint(place: Place, record: Record) -> Document:
    key = _key(place, record.name)
    build = {names.BUILD_LABEL: place.build} if place.build else {}
    # What is archived outlives the object.
    owned = bool(place.build) and place.area is Area.ACTIVE
    owners = [reference_to(place.build, place.uid)] if owned else []
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": {**_OURS, names.CHECKPOINT_LABEL: "true", **_labels(place), **build},
            "annotations": {NAME: record.name, MANIFEST: record.manifest.decode()},
            "ownerReferences": owners,
        },
        "immutable": True,
        "binaryData": {_PAYLOAD: b64encode(record.payload).decode()},
    }


def _checkpoint_mark(place: Place, name: str) -> _Mark:
    return _Mark({**_OURS, names.CHECKPOINT_LABEL: "true", **_labels(place)}, NAME, name)


def _document_mark(path: str) -> _Mark:
    return _Mark({**_OURS, names.DOCUMENT_LABEL: "true"}, PATH, path)


def _place(found: Document) -> Place | None:
    metadata = found["metadata"]
    labels: Mapping[str, str] = metadata.get("labels") or {}
    uid, area = labels.get(names.UID_LABEL), labels.get(names.AREA_LABEL)
    if not uid or area not in list(Area):
        return None
    return Place(metadata["namespace"], uid, labels.get(names.BUILD_LABEL, ""), Area(area))


def _annotation(found: Document, name: str) -> str | None:
    annotations: Mapping[str, str] = found["metadata"].get("annotations") or {}
    return annotations.get(name)


def _data(found: Document, name: str) -> bytes | None:
    data: Mapping[str, Any] = found.get("binaryData") or {}
    # Nothing at all comes back as null.
    return b64decode(data[name] or "") if name in data else None
