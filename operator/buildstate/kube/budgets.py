"""The ResourceQuota that we keep in a namespace, and what the namespace says about it."""

from typing import Any

from buildstate.domain import names
from buildstate.domain.budgets import FoundQuota, Size, Wish
from buildstate.kube.ports import Document

_LABELS = {names.MANAGED_BY_LABEL: names.MANAGED_BY}


def manifest(namespace: str, hard: Size) -> dict[str, Any]:
    """Give the quota of that size."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": names.QUOTA_NAME, "namespace": namespace, "labels": _LABELS},
        "spec": {"hard": dict(hard)},
    }


def resized(quota: Document, hard: Size) -> dict[str, Any]:
    """Give `quota` with that size, at its resourceVersion."""
    return {"apiVersion": "v1", "kind": "ResourceQuota", **quota, "spec": {"hard": dict(hard)}}


def wish_of(namespace: Document | None) -> Wish:
    """Give what a namespace asks for; one that is gone or ending asks for nothing."""
    if namespace is None or "deletionTimestamp" in namespace["metadata"]:
        return Wish()
    labels = namespace["metadata"].get("labels") or {}
    annotations = namespace["metadata"].get("annotations") or {}
    return Wish(
        is_managed=labels.get(names.QUOTA_MARK) == names.QUOTA_MANAGED,
        text=annotations.get(names.QUOTA_MARK),
    )


def found_of(quota: Document | None) -> FoundQuota | None:
    """Give the little of a quota that decides."""
    if quota is None:
        return None
    spec = quota.get("spec") or {}
    return FoundQuota(
        uid=quota["metadata"]["uid"],
        hard=spec.get("hard") or {},
        is_ours=_LABELS.items() <= (quota["metadata"].get("labels") or {}).items(),
        is_plain=not spec.get("scopes") and not spec.get("scopeSelector"),
    )
