"""The workspace claim that belongs to a build."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from buildstate.domain import names
from buildstate.domain.actions import CreateClaim
from buildstate.domain.observed import Observed
from buildstate.domain.states import HeldVolume
from buildstate.domain.volumes import Claim
from buildstate.kube.owners import owner_reference

_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_NODE = "volume.kubernetes.io/selected-node"


def manifest(observed: Observed, wanted: CreateClaim) -> dict[str, Any]:
    """Give the claim of the wanted name and size."""
    workspace = wanted.workspace
    storage_class = workspace.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": wanted.name,
            "namespace": observed.namespace,
            "labels": {
                names.MANAGED_BY_LABEL: names.MANAGED_BY,
                names.BUILD_LABEL: observed.name,
            },
            "ownerReferences": [owner_reference(observed)],
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": workspace.size}},
            **({"storageClassName": storage_class} if storage_class else {}),
        },
    }


def is_going(claim: Mapping[str, Any]) -> bool:
    """Say whether somebody has deleted a claim that is still there."""
    return "deletionTimestamp" in claim["metadata"]


def claim(document: Mapping[str, Any]) -> Claim:
    """Give what a claim says of itself."""
    return Claim(
        phase=(document.get("status") or {}).get("phase") or "Pending",
        is_going=is_going(document),
        storage_class=(document.get("spec") or {}).get("storageClassName"),
    )


def with_classes(
    claim: Claim, document: Mapping[str, Any], classes: Sequence[Mapping[str, Any]]
) -> Claim:
    """Give a claim with what the StorageClasses of the cluster say of it."""
    names = {one["metadata"]["name"]: one for one in classes}
    default = next((name for name, one in names.items() if _is_default(one)), None)
    wanted = default if claim.storage_class is None else claim.storage_class
    waits = names.get(wanted or "", {}).get("volumeBindingMode") == "WaitForFirstConsumer"
    is_placed = _NODE in (document["metadata"].get("annotations") or {})
    return replace(
        claim,
        storage_class=wanted,
        classes=tuple(sorted(names)),
        awaits_pod=waits and not is_placed,
    )


def _is_default(storage_class: Mapping[str, Any]) -> bool:
    annotations = storage_class["metadata"].get("annotations") or {}
    return bool(annotations.get(_DEFAULT) == "true")


def volume(claim: Mapping[str, Any], size: str = "0") -> HeldVolume:
    """Give what is known of a claim; `size` is for one of which only the metadata came."""
    wanted = (claim.get("spec") or {}).get("resources") or {}
    given = (claim.get("status") or {}).get("capacity") or wanted.get("requests") or {}
    metadata = claim["metadata"]
    return HeldVolume(
        name=metadata["name"], uid=metadata["uid"], size=str(given.get("storage", size))
    )
