"""The pretended API server: from a state and a request to the next state and an answer.

It is pure. `tests/contract/test_fake_api.py` holds it and a real API server to the same behaviour.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from buildstate.api.v1alpha1 import PLURAL
from buildstate.testing import admissions, deletions, merges
from buildstate.testing.clusters import Change, Cluster
from buildstate.testing.requests import Document, Ref, Refused, Request, Response, Target

Applied = tuple[Cluster, Response]

_KEPT = ("uid", "name", "namespace", "creationTimestamp", "generation", "deletionTimestamp")
"""Metadata that nobody may change."""


def apply(cluster: Cluster, request: Request, now: datetime) -> Applied:
    """Give the cluster after `request`, and its answer; a refusal changes nothing."""
    try:
        target = request.target
        answered = _verb(request)(_Asked(cluster, request, target, now))
    except Refused as refused:
        return cluster, Response(refused.code, refused.document)
    return answered


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request at work."""

    cluster: Cluster
    request: Request
    target: Target
    now: datetime

    @property
    def body(self) -> dict[str, Any]:
        """What was sent."""
        return dict(self.request.body or {})

    def found(self) -> Document:
        """Give the object that is asked for."""
        found = self.cluster.get(self.target.ref)
        if found is None:
            raise Refused(404, "NotFound", f"{self.target} not found")
        return found

    def answer(self, cluster: Cluster, code: int = 200) -> Applied:
        """Give the object as it is in `cluster` for the answer."""
        return cluster, Response(code, self.shown(cluster.objects[self.target.ref]))

    def shown(self, document: Document) -> Document:
        """Give an object as it was asked for."""
        return metadata_of(document) if self.request.wants_metadata else document


def metadata_of(document: Document) -> Document:
    """Give the metadata of an object alone."""
    kind = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return {**kind, "metadata": document["metadata"]}


def _read(asked: _Asked) -> Applied:
    if asked.target.name:
        return asked.cluster, Response(200, asked.shown(asked.found()))
    return asked.cluster, Response(200, _list(asked))


def _list(asked: _Asked) -> Document:
    kind, chosen = asked.target.kind, selecting(asked.request)
    objects = asked.cluster.of(kind.plural, asked.target.namespace)
    found = [document for _, document in objects if chosen(document)]
    page, rest = _page(asked, found)
    if asked.request.wants_metadata:
        name, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
    else:
        name, version = f"{kind.name}List", kind.api_version
    metadata = {"resourceVersion": str(asked.cluster.version), **rest}
    # An empty list of metadata comes as null.
    items = [asked.shown(document) for document in page] or None
    is_null = asked.request.wants_metadata and not items
    listed = None if is_null else items or []
    return {"kind": name, "apiVersion": version, "metadata": metadata, "items": listed}


def _page(asked: _Asked, found: list[Document]) -> tuple[list[Document], dict[str, str]]:
    # The second page is as of now, where a real one is as of the first.
    begin = int(asked.request.query.get("continue", "0"))
    limit = int(asked.request.query.get("limit", "0")) or len(found) or 1
    end = begin + limit
    return found[begin:end], {"continue": str(end)} if end < len(found) else {}


def selecting(request: Request) -> Callable[[Document], bool]:
    """Give what says whether an object has the labels that a request chooses by."""
    pairs = [one.partition("=") for one in request.query.get("labelSelector", "").split(",") if one]
    wanted = {name: value.removeprefix("=") for name, _, value in pairs}

    def is_chosen(document: Document) -> bool:
        labels: Mapping[str, str] = document["metadata"].get("labels") or {}
        return wanted.items() <= labels.items()

    return is_chosen


def events(changes: tuple[Change, ...], request: Request) -> Iterator[Document]:
    """Give what a watch tells of these changes; its labels may make another event of one."""
    target, chosen = request.target, selecting(request)
    for change in changes:
        if change.ref.plural != target.kind.plural:
            continue
        if target.namespace not in ("", change.ref.namespace):
            continue
        was = change.before is not None and chosen(change.before)
        now_is = change.kind != "DELETED" and chosen(change.after)
        kind = _EVENTS.get((was, now_is))
        if kind is not None:
            yield {"type": kind, "object": change.after}


_EVENTS = {(False, True): "ADDED", (True, True): "MODIFIED", (True, False): "DELETED"}


def _create(asked: _Asked) -> Applied:
    target, body = asked.target, asked.body
    metadata: Document = body.get("metadata") or {}
    target = Target(target.kind, target.namespace, metadata.get("name", ""))
    _refuse_bad_place(asked.cluster, target)
    if asked.cluster.get(target.ref) is not None:
        raise Refused(409, "AlreadyExists", f"{target} already exists")
    document: Document = {**body, "metadata": _born(asked, target, metadata)}
    cluster, document = admissions.created(asked.cluster, target, document)
    after = cluster.put(target.ref, document)
    return after, Response(201, asked.shown(after.objects[target.ref]))


def _refuse_bad_place(cluster: Cluster, target: Target) -> None:
    if not target.name:
        message = "name or generateName is required"
        raise Refused(422, "Invalid", message)
    if not target.kind.is_namespaced:
        return
    namespace = cluster.get(Ref("namespaces", "", target.namespace))
    if namespace is None:
        raise Refused(404, "NotFound", f'namespaces "{target.namespace}" not found')
    if "deletionTimestamp" in namespace["metadata"]:
        message = (
            f"{target} is forbidden: unable to create new content in namespace"
            f" {target.namespace} because it is being terminated"
        )
        raise Refused(403, "Forbidden", message)


def _born(asked: _Asked, target: Target, metadata: Document) -> Document:
    number = asked.cluster.made + 1
    given = {name: value for name, value in metadata.items() if name != "resourceVersion"}
    return {
        **given,
        "name": target.name,
        **({"namespace": target.namespace} if target.kind.is_namespaced else {}),
        "uid": f"00000000-0000-4000-8000-{number:012d}",
        "creationTimestamp": stamp(asked.now),
        **({"generation": 1} if target.kind.plural == PLURAL else {}),
    }


def stamp(time: datetime) -> str:
    """Give a time as Kubernetes writes it, to the second."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _replace(asked: _Asked) -> Applied:
    return _update(asked, asked.body)


def _patch(asked: _Asked) -> Applied:
    return _update(asked, merges.merged(asked.found(), asked.body))


def _update(asked: _Asked, wanted: Document) -> Applied:
    found, target = asked.found(), asked.target
    _refuse_stale(asked, wanted, found)
    document = admissions.updated(target, found, _combined(target, found, wanted))
    if target.kind.plural == PLURAL and _intent(document) != _intent(found):
        generation = found["metadata"]["generation"] + 1
        document = {**document, "metadata": {**document["metadata"], "generation": generation}}
    if document == found:
        return asked.answer(asked.cluster)
    if deletions.is_let_go(document):
        after = asked.cluster.put(target.ref, document).without(target.ref)
        return after, Response(200, asked.shown(document))
    return asked.answer(asked.cluster.put(target.ref, document))


def _refuse_stale(asked: _Asked, wanted: Document, found: Document) -> None:
    metadata, target = wanted.get("metadata") or {}, asked.target
    version, uid = metadata.get("resourceVersion"), metadata.get("uid")
    if uid not in (None, "", found["metadata"]["uid"]):
        raise Refused(
            409,
            "Conflict",
            f"Operation cannot be fulfilled on {target}: Precondition failed: UID in precondition: "
            f"{uid}, UID in object meta: {found['metadata']['uid']}",
        )
    if version in (None, "") and target.kind.plural == PLURAL:
        message = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
        raise Refused(422, "Invalid", message)
    if version not in (None, "", found["metadata"]["resourceVersion"]):
        raise Refused(
            409,
            "Conflict",
            f"Operation cannot be fulfilled on {target}: the object has been modified; please "
            "apply your changes to the latest version and try again",
        )


def _combined(target: Target, found: Document, wanted: Document) -> Document:
    """Give what a write through this door may change, and all else as it was."""
    if target.subresource == "status":
        given = {"status": wanted["status"]} if wanted.get("status") is not None else {}
        return {**_without_status(found), **given}
    kept = {name: found["metadata"][name] for name in _KEPT if name in found["metadata"]}
    sent = {name: one for name, one in wanted["metadata"].items() if name not in _KEPT}
    metadata = {**sent, **kept, "resourceVersion": found["metadata"]["resourceVersion"]}
    if not target.kind.has_status:
        return {**wanted, "metadata": metadata}
    status = {"status": found["status"]} if "status" in found else {}
    return {**_without_status(wanted), "metadata": metadata, **status}


def _without_status(document: Document) -> Document:
    return {name: part for name, part in document.items() if name != "status"}


def _intent(document: Document) -> Document:
    return {name: part for name, part in document.items() if name not in ("metadata", "status")}


def _delete(asked: _Asked) -> Applied:
    found, conditions = asked.found(), asked.body.get("preconditions") or {}
    for name, wanted in conditions.items():
        if found["metadata"].get(name) != wanted:
            raise Refused(
                409,
                "Conflict",
                f"Operation cannot be fulfilled on {asked.target}: Precondition failed: "
                f"{name} in precondition: {wanted}, {name} in object meta: "
                f"{found['metadata'].get(name)}",
            )
    after = deletions.deleted(asked.cluster, asked.target, asked.body, asked.now)
    left = after.get(asked.target.ref)
    success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return after, Response(200, left or success)


_VERBS: Mapping[str, Callable[[_Asked], Applied]] = {
    "GET": _read,
    "POST": _create,
    "PUT": _replace,
    "PATCH": _patch,
    "DELETE": _delete,
}


def _verb(request: Request) -> Callable[[_Asked], Applied]:
    verb = _VERBS.get(request.method)
    if verb is None:
        raise Refused(405, "MethodNotAllowed", "the server does not allow this method")
    return verb
