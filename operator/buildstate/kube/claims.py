"""The workspace claim that belongs to a build."""

from typing import Any

from buildstate.domain import names
from buildstate.domain.actions import CreateClaim
from buildstate.domain.observed import Observed
from buildstate.kube.owners import owner_reference


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
