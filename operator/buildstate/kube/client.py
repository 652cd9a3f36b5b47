"""The API server as the engine sees it: six calls, raw JSON, by `kubernetes.aio`.

The typed models of the `kubernetes` package would cost more CPU than all the rest of the operator,
so its client is used for configuration, credentials and transport.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient

from buildstate.api.v1alpha1 import API_VERSION, KIND
from buildstate.domain.errors import Conflict, Transient
from buildstate.domain.names import MANAGED_BY, MANAGED_BY_LABEL
from buildstate.kube.connections import bearer
from buildstate.kube.errors import error_of
from buildstate.kube.ports import Document, Key, Resource
from buildstate.kube.traces import Request

REQUEST_SECONDS = 25.0
"""Below the 34 s after which an API server gives up on a frozen etcd."""

CHUNK = 500
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_SELECTORS = {Resource.PODS: {"labelSelector": f"{MANAGED_BY_LABEL}={MANAGED_BY}"}}


class KubeClient:
    """Talks to one API server; fulfils `ports.Kube`. `namespaces` empty means all of them."""

    def __init__(
        self,
        api: ApiClient,
        namespaces: tuple[str, ...] = (),
        told: Callable[[Request], None] = lambda _request: None,
    ) -> None:
        self._api = api
        self._told = told
        self._namespaces = namespaces or ("",)

    async def list_all(self, resource: Resource, *, metadata_only: bool = False) -> list[Document]:
        """Give every object of ours, in chunks under the hood."""
        accept = _METADATA_LIST if metadata_only else None
        objects: list[Document] = []
        for namespace in self._namespaces:
            objects += await self._list(resource, namespace, accept)
        return objects

    async def get(self, resource: Resource, key: Key) -> Document | None:
        """Give one object as it stands now, or None where there is none."""
        status, document = await self._call("GET", _path(resource, key), missing_is_fine=True)
        return None if status == 404 else document

    async def peek(self, resource: Resource, key: Key) -> Document | None:
        """Give the metadata of one object as it stands now, or None where there is none."""
        status, document = await self._call(
            "GET", _path(resource, key), accept=_METADATA_ONLY, missing_is_fine=True
        )
        return None if status == 404 else document

    async def create(self, resource: Resource, body: Document) -> Document:
        """Make one object, and give its metadata; raises `AlreadyExists` when the name is taken."""
        collection = _path(resource, Key(body["metadata"]["namespace"], ""))
        _, document = await self._call("POST", collection, body=body, accept=_METADATA_ONLY)
        return document

    async def delete(self, resource: Resource, key: Key, uid: str | None = None) -> None:
        """Delete one object, that very one where `uid` is given; one that is gone is no error."""
        options: Document = {"preconditions": {"uid": uid}} if uid else {}
        try:
            await self._call("DELETE", _path(resource, key), body=options, missing_is_fine=True)
        except Conflict:
            return  # The name is another object's by now: ours is gone.

    async def replace_status(self, build: Document, status: Document) -> Document:
        """Write the status of `build`, unless it is no longer at that resourceVersion."""
        key = Key(build["metadata"]["namespace"], build["metadata"]["name"])
        body = {**build, "apiVersion": API_VERSION, "kind": KIND, "status": status}
        _, document = await self._call("PUT", f"{_path(Resource.BUILDS, key)}/status", body=body)
        return document

    async def set_finalizers(self, build: Document, finalizers: list[str]) -> Document:
        """Give `build` these finalizers, unless it is no longer at that resourceVersion."""
        known = build["metadata"]
        path = _path(Resource.BUILDS, Key(known["namespace"], known["name"]))
        mark = {"finalizers": finalizers, "resourceVersion": known["resourceVersion"]}
        _, document = await self._call("PATCH", path, body={"metadata": mark})
        return document

    async def select(
        self, resource: Resource, labels: Mapping[str, str], namespace: str | None = None
    ) -> list[Document]:
        """Give the metadata of the objects with these labels, of one namespace or all of ours."""
        selector = {"labelSelector": ",".join(f"{name}={value}" for name, value in labels.items())}
        objects: list[Document] = []
        for one in (namespace,) if namespace is not None else self._namespaces:
            objects += await self._list(resource, one, _METADATA_LIST, selector)
        return objects

    async def replace(self, resource: Resource, body: Document) -> Document:
        """Write an object, unless it is no longer at the resourceVersion of `body`."""
        key = Key(body["metadata"]["namespace"], body["metadata"]["name"])
        path = _path(resource, key)
        _, document = await self._call("PUT", path, body=body, accept=_METADATA_ONLY)
        return document

    async def _list(
        self,
        resource: Resource,
        namespace: str,
        accept: str | None,
        selector: Mapping[str, str] | None = None,
    ) -> list[Document]:
        objects: list[Document] = []
        chosen = _SELECTORS.get(resource, {}) if selector is None else selector
        query: dict[str, str] = {"limit": str(CHUNK), **chosen}
        while True:
            path = f"{_path(resource, Key(namespace, ''))}?{urlencode(query)}"
            _, page = await self._call("GET", path, accept=accept)
            # An empty list of metadata comes as null.
            objects += page["items"] or ()
            token = page["metadata"].get("continue")
            if not token:
                return objects
            query["continue"] = token

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Document | None = None,
        accept: str | None = None,
        missing_is_fine: bool = False,
    ) -> tuple[int, Mapping[str, Any]]:
        media = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": media, "Accept": accept or "application/json"}
        status, answer, retry_after = await self._exchange(method, path, headers, body)
        if status < 400:
            return status, json.loads(answer)
        if status == 404 and missing_is_fine:
            return status, {}
        raise error_of(status, answer, retry_after)

    async def _exchange(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: Document | None,
    ) -> tuple[int, bytes, str | None]:
        configuration = self._api.configuration
        code, began = 0, asyncio.get_running_loop().time()
        try:
            response = await self._api.rest_client.request(
                method,
                configuration.host + path,
                headers={**headers, **await bearer(configuration)},
                body=body,
                _request_timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
            )
            code = response.status
            return code, await response.read(), response.getheader("Retry-After")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            message = f"{method} {path.partition('?')[0]}: {type(error).__name__} {error}".rstrip()
            raise Transient(message) from error
        finally:
            self._told(Request.made(method, path, code, began))


def _path(resource: Resource, key: Key) -> str:
    group, plural = resource.value
    place = f"/namespaces/{key.namespace}" if key.namespace else ""
    name = f"/{key.name}" if key.name else ""
    return f"{group}{place}/{plural}{name}"
