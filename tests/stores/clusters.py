"""The API server as the ConfigMap store knows it: names, versions, labels, immutability."""

import json
from base64 import b64decode
from collections.abc import Mapping
from itertools import count
from typing import Any

from buildstate.domain.errors import AlreadyExists, Conflict, Permanent
from buildstate.kube.ports import Document, Key, Resource

LIMIT = 1024 * 1024


class FakeCluster:
    """Keeps objects by namespace and name; `calls` are the verbs, in their order."""

    def __init__(self) -> None:
        self.objects: dict[Key, Any] = {}
        self.calls: list[str] = []
        self._versions = count(1)

    async def get(self, _resource: Resource, key: Key) -> Document | None:
        """Give one object as it stands now, or None where there is none."""
        self.calls.append("get")
        return self.objects.get(key)

    async def peek(self, _resource: Resource, key: Key) -> Document | None:
        """Give the metadata of one object, or None where there is none."""
        self.calls.append("peek")
        found = self.objects.get(key)
        return {"metadata": found["metadata"]} if found else None

    async def create(self, _resource: Resource, body: Document) -> Document:
        """Make one object."""
        self.calls.append("create")
        if key_of(body) in self.objects:
            raise AlreadyExists("taken")
        return self._keep(body)

    async def delete(self, _resource: Resource, key: Key, _uid: str | None = None) -> None:
        """Delete one object."""
        self.calls.append("delete")
        self.objects.pop(key, None)

    async def select(
        self, _resource: Resource, labels: Mapping[str, str], namespace: str | None = None
    ) -> list[Document]:
        """Give the metadata of the objects with these labels."""
        self.calls.append("list")
        return [
            {"metadata": found["metadata"]}
            for found in self.objects.values()
            if namespace in (None, found["metadata"]["namespace"])
            and labels.items() <= found["metadata"]["labels"].items()
        ]

    async def replace(self, _resource: Resource, body: Document) -> Document:
        """Write an object, unless it is no longer at that resourceVersion."""
        self.calls.append("replace")
        known = self.objects.get(key_of(body))
        version = body["metadata"]["resourceVersion"]
        if known is None or known["metadata"]["resourceVersion"] != version:
            raise Conflict("stale")
        if known.get("immutable") and known["binaryData"] != body["binaryData"]:
            raise Permanent("immutable", reason="Invalid")
        return self._keep(body)

    def _keep(self, body: Document) -> Document:
        copy = json.loads(json.dumps(body))
        assert sum(len(b64decode(one)) for one in copy["binaryData"].values()) <= LIMIT
        # The server says of nothing that it is null.
        copy["binaryData"] = {name: one or None for name, one in copy["binaryData"].items()}
        copy["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[key_of(copy)] = copy
        metadata: Document = copy
        return metadata


def key_of(body: Document) -> Key:
    """Where an object is."""
    return Key(body["metadata"]["namespace"], body["metadata"]["name"])
