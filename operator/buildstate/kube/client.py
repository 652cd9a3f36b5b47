"""The API server as the engine sees it: six calls, raw JSON.

The typed models of the `kubernetes` package would cost more CPU than all the rest of the operator,
so it is used for configuration and credentials only.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import orjson

from buildstate.api.v1alpha1 import API_VERSION, KIND
from buildstate.domain.errors import Conflict, Transient
from buildstate.kube.errors import error_of
from buildstate.kube.paths import collection_path, object_path, selected
from buildstate.kube.ports import Document, Key, Listing, Resource
from buildstate.kube.traces import Request
from buildstate.kube.wires import Wire

REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=25.0)
"""Below the 34 s after which an API server gives up on a frozen etcd."""

CHUNK = 500
_JSON = "application/json"
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class KubeClient:
    """Talks to one API server; fulfils `ports.Kube`. `namespaces` empty means all of them."""

    def __init__(
        self,
        connection: Wire,
        namespaces: tuple[str, ...] = (),
        told: Callable[[Request], None] = lambda _request: None,
    ) -> None:
        self._connection = connection
        self._told = told
        self._namespaces = namespaces or ("",)

    async def list_all(self, resource: Resource, *, metadata_only: bool = False) -> Listing:
        """Give every object of ours, in chunks under the hood."""
        accept = _METADATA_LIST if metadata_only else None
        listing = Listing([], {})
        for namespace in self._namespaces:
            listing.versions[namespace] = await self._list(
                resource, namespace, accept, listing.items
            )
        return listing

    async def get(self, resource: Resource, key: Key) -> Document | None:
        """Give one object as it stands now, or None where there is none."""
        status, document = await self._call("GET", object_path(resource, key), missing_is_fine=True)
        return None if status == 404 else document

    async def peek(self, resource: Resource, key: Key) -> Document | None:
        """Give the metadata of one object as it stands now, or None where there is none."""
        status, document = await self._call(
            "GET", object_path(resource, key), accept=_METADATA_ONLY, missing_is_fine=True
        )
        return None if status == 404 else document

    async def find(
        self, resource: Resource, namespace: str, fields: Mapping[str, str]
    ) -> list[Document]:
        """Give the objects of one namespace with these fields; "" is for what is in none."""
        selector = ",".join(f"{name}={value}" for name, value in fields.items())
        path = selected(resource, namespace, {"fieldSelector": selector} if fields else {}, {})
        _, page = await self._call("GET", path)
        return list(page["items"] or ())

    async def create(self, resource: Resource, body: Document) -> Document:
        """Make one object, and give its metadata; raises `AlreadyExists` when the name is taken."""
        collection = collection_path(resource, body["metadata"].get("namespace", ""))
        _, document = await self._call("POST", collection, body=body, accept=_METADATA_ONLY)
        return document

    async def delete(self, resource: Resource, key: Key, uid: str | None = None) -> None:
        """Delete one object, that very one where `uid` is given; one that is gone is no error."""
        options: Document = {"preconditions": {"uid": uid}} if uid else {}
        try:
            await self._call(
                "DELETE", object_path(resource, key), body=options, missing_is_fine=True
            )
        except Conflict:
            return  # The name is another object's by now: ours is gone.

    async def resize(self, key: Key, patch: Document) -> Document:
        """Merge into the resources of a Pod that runs, and give the Pod."""
        path = f"{object_path(Resource.PODS, key)}/resize"
        _, document = await self._call("PATCH", path, body=patch)
        return document

    async def replace_status(self, build: Document, status: Document) -> Document:
        """Write the status of `build`, unless it is no longer at that resourceVersion."""
        key = Key(build["metadata"]["namespace"], build["metadata"]["name"])
        body = {**build, "apiVersion": API_VERSION, "kind": KIND, "status": status}
        _, document = await self._call(
            "PUT", f"{object_path(Resource.BUILDS, key)}/status", body=body
        )
        return document

    async def set_finalizers(self, build: Document, finalizers: list[str]) -> Document:
        """Give `build` these finalizers, unless it is no longer at that resourceVersion."""
        known = build["metadata"]
        path = object_path(Resource.BUILDS, Key(known["namespace"], known["name"]))
        mark = {"finalizers": finalizers, "resourceVersion": known["resourceVersion"]}
        _, document = await self._call("PATCH", path, body={"metadata": mark})
        return document

    async def select(
        self, resource: Resource, labels: Mapping[str, str], namespace: str | None = None
    ) -> list[Document]:
        """Give the metadata of the objects with these labels, of one namespace or all of ours."""
        objects: list[Document] = []
        for one in (namespace,) if namespace is not None else self._namespaces:
            await self._list(resource, one, _METADATA_LIST, objects, labels)
        return objects

    async def replace(self, resource: Resource, body: Document) -> Document:
        """Write an object, unless it is no longer at the resourceVersion of `body`."""
        path = object_path(resource, Key(body["metadata"]["namespace"], body["metadata"]["name"]))
        _, document = await self._call("PUT", path, body=body, accept=_METADATA_ONLY)
        return document

    async def _list(
        self,
        resource: Resource,
        namespace: str,
        accept: str | None,
        items: list[Document],
        labels: Mapping[str, str] | None = None,
    ) -> str:
        """Add what there is to `items`, and give the resourceVersion that it is as of."""
        query = {"limit": str(CHUNK)}
        while True:
            path = selected(resource, namespace, query, labels)
            _, page = await self._call("GET", path, accept=accept)
            # An empty list of metadata comes as null.
            items += page["items"] or ()
            token = page["metadata"].get("continue")
            if not token:
                return str(page["metadata"].get("resourceVersion", ""))
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
        status, answer, retry_after = await self._exchange(method, path, accept or _JSON, body)
        if status < 400:
            return status, orjson.loads(answer)
        if status == 404 and missing_is_fine:
            return status, {}
        raise error_of(status, answer, retry_after)

    async def _exchange(
        self,
        method: str,
        path: str,
        accept: str,
        body: Document | None,
    ) -> tuple[int, bytes, str | None]:
        code, began = 0, asyncio.get_running_loop().time()
        data = None if body is None else orjson.dumps(body)
        try:
            answer = await self._connection.ask(method, path, REQUEST_TIMEOUT, accept, data)
            code = answer.status
            return code, await answer.read(), answer.headers.get("Retry-After")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            message = f"{method} {path.partition('?')[0]}: {type(error).__name__} {error}".rstrip()
            raise Transient(message) from error
        finally:
            self._told(Request.made(method, path, code, began))
