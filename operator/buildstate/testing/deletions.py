"""How objects go: at once, after their finalizers, or, Pods on a node, after their grace."""

from datetime import datetime
from typing import Any

from buildstate.api.v1alpha1 import PLURAL
from buildstate.testing.clusters import Cluster
from buildstate.testing.requests import Document, Target

_ENDED = ("Succeeded", "Failed")
_DEFAULT_GRACE = 30


def deleted(cluster: Cluster, target: Target, options: Document, now: datetime) -> Cluster:
    """Give the cluster after somebody asked for the end of an object that is there."""
    found = cluster.objects[target.ref]
    grace = _grace(target, found, options)
    metadata: dict[str, Any] = dict(found["metadata"])
    if not metadata.get("finalizers") and not grace:
        return cluster.without(target.ref)
    is_shorter = grace < metadata.get("deletionGracePeriodSeconds", grace + 1)
    if "deletionTimestamp" in metadata and not is_shorter:
        return cluster
    metadata.setdefault("deletionTimestamp", f"{now:%Y-%m-%dT%H:%M:%SZ}")
    metadata["deletionGracePeriodSeconds"] = grace
    if target.kind.plural == PLURAL:
        metadata["generation"] += 1
    return cluster.put(target.ref, {**found, "metadata": metadata})


def _grace(target: Target, found: Document, options: Document) -> int:
    # Only a kubelet needs time to end something.
    is_on_a_node = target.kind.plural == "pods" and bool(found["spec"].get("nodeName"))
    if not is_on_a_node or (found.get("status") or {}).get("phase") in _ENDED:
        return 0
    asked = options.get("gracePeriodSeconds")
    own = found["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE)
    return int(own if asked is None else asked)


def is_let_go(document: Document) -> bool:
    """Say whether an object that was asked to go is held by nothing any more."""
    metadata = document["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    return not metadata.get("deletionGracePeriodSeconds")
