"""Where objects are at the API server."""

from collections.abc import Mapping
from urllib.parse import urlencode

from buildstate.domain.names import MANAGED_BY, MANAGED_BY_LABEL, QUOTA_MANAGED, QUOTA_MARK
from buildstate.kube.ports import Key, Resource

_OURS = {
    Resource.PODS: {MANAGED_BY_LABEL: MANAGED_BY},
    Resource.NAMESPACES: {QUOTA_MARK: QUOTA_MANAGED},
}


def object_path(resource: Resource, key: Key) -> str:
    """Give the path of one object."""
    return f"{collection_path(resource, key.namespace)}/{key.name}"


def collection_path(resource: Resource, namespace: str) -> str:
    """Give the path of all objects of a namespace; an empty namespace is all of them."""
    group, plural = resource.value
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"{group}{place}/{plural}"


def ours(resource: Resource, namespace: str, query: Mapping[str, str]) -> str:
    """Give the path and the query of those objects of a namespace that are ours."""
    return selected(resource, namespace, query, None)


def selected(
    resource: Resource,
    namespace: str,
    query: Mapping[str, str],
    labels: Mapping[str, str] | None,
) -> str:
    """Give the path and the query of the objects with these labels, None: of ours."""
    wanted = _OURS.get(resource, {}) if labels is None else labels
    selector = ",".join(f"{name}={value}" for name, value in wanted.items())
    chosen = urlencode({**query, **({"labelSelector": selector} if selector else {})})
    return f"{collection_path(resource, namespace)}?{chosen}"
