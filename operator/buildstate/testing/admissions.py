"""What the API server makes of an object before it is stored, and what it refuses."""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from buildstate.api.v1alpha1 import PLURAL
from buildstate.testing import laws, quotas
from buildstate.testing.clusters import Cluster
from buildstate.testing.requests import Document, Refused, Target
from buildstate.testing.schemas import shaped

CONFIGMAP_LIMIT = 1024 * 1024
PROTECTION = "kubernetes.io/pvc-protection"


def created(cluster: Cluster, target: Target, document: Document) -> tuple[Cluster, Document]:
    """Give the object as it is stored, in the cluster that has room for it; raises Refused."""
    match target.kind.plural:
        case "buildstates":
            plain = {name: part for name, part in document.items() if name != "status"}
            return cluster, _build(target, None, plain)
        case "pods":
            pending = {"phase": "Pending", "qosClass": "BestEffort"}
            made = {**document, "status": pending}
            return quotas.reserved(cluster, target, made), made
        case "configmaps":
            _refuse_large(target, document)
            return cluster, document
        case "persistentvolumeclaims":
            finalizers = [*document["metadata"].get("finalizers", ()), PROTECTION]
            metadata = {**document["metadata"], "finalizers": finalizers}
            return cluster, {**document, "metadata": metadata, "status": {"phase": "Pending"}}
    return cluster, document


def updated(target: Target, before: Document, after: Document) -> Document:
    """Give the object as it is stored after an update; raises Refused."""
    known = set(before["metadata"].get("finalizers") or ())
    added = set(after["metadata"].get("finalizers") or ()) - known
    if "deletionTimestamp" in before["metadata"] and added:
        raise invalid(
            target,
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being"
            f" deleted, found new finalizers {sorted(added)}",
        )
    if target.kind.plural == PLURAL:
        return _build(target, before, after)
    if target.kind.plural == "configmaps":
        _refuse_large(target, after)
        _refuse_change_of_immutable(target, before, after)
        return after
    return after


def invalid(target: Target, message: str) -> Refused:
    """Give the refusal of an object that breaks a law."""
    kind = target.kind
    name = f"{kind.name}.{group}" if (group := kind.qualified.partition(".")[2]) else kind.name
    return Refused(422, "Invalid", f'{name} "{target.name}" is invalid: {message}')


def _build(target: Target, before: Document | None, after: Document) -> Document:
    document, wrong = shaped(after)
    if wrong:
        raise invalid(target, "; ".join(wrong))
    broken = laws.broken(before, document)
    if broken:
        raise invalid(target, "; ".join(broken))
    return document


def _refuse_large(target: Target, document: Document) -> None:
    texts: Mapping[str, Any] = document.get("data") or {}
    binaries: Mapping[str, Any] = document.get("binaryData") or {}
    size = sum(len(text.encode()) for text in texts.values())
    size += sum(len(b64decode(one or "")) for one in binaries.values())
    if size > CONFIGMAP_LIMIT:
        raise invalid(target, f"[]: Too long: may not be more than {CONFIGMAP_LIMIT} bytes")


def _refuse_change_of_immutable(target: Target, before: Document, after: Document) -> None:
    if not before.get("immutable"):
        return
    for name in ("data", "binaryData", "immutable"):
        if (before.get(name) or None) != (after.get(name) or None):
            message = f"{name}: Forbidden: field is immutable when `immutable` is set"
            raise invalid(target, message)
