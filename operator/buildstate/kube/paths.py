"""Where objects are at the API server."""

from collections.abc import Mapping
from urllib.parse import urlencode

from buildstate.domain.names import MANAGED_BY, MANAGED_BY_LABEL
from buildstate.kube.ports import Key, Resource

_SELECTORS = {Resource.PODS: {"labelSelector": f"{MANAGED_BY_LABEL}={MANAGED_BY}"}}


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
    chosen = urlencode({**query, **_SELECTORS.get(resource, {})})
    return f"{collection_path(resource, namespace)}?{chosen}"
