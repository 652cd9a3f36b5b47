"""A request to the pretended API server, and its answer: HTTP without the wire."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from buildstate.testing.kinds import KINDS, Kind

Document = Mapping[str, Any]

METADATA_ONLY = "as=PartialObjectMetadata"


class Ref(NamedTuple):
    """Names one object: the plural of its kind, its namespace (empty where it has none), itself."""

    plural: str
    namespace: str
    name: str


class Refused(Exception):
    """The API server does not do what it was asked: an HTTP code, a reason and a message."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason

    @property
    def document(self) -> Document:
        """The Status object that says so."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "code": self.code,
        }


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: the HTTP code, and the document."""

    code: int
    document: Document


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about; `name` is empty for a collection."""

    kind: Kind
    namespace: str
    name: str
    subresource: str = ""

    @property
    def ref(self) -> Ref:
        """The object."""
        return Ref(self.kind.plural, self.namespace, self.name)

    def __str__(self) -> str:
        return f'{self.kind.qualified} "{self.name}"'


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `path` is without its query."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Document | None = None
    accept: str = "application/json"

    @staticmethod
    def made(
        method: str, url: str, body: Document | None = None, accept: str = "application/json"
    ) -> "Request":
        """Give the request to that path with its query."""
        path, _, query = url.partition("?")
        return Request(method, unquote(path), dict(parse_qsl(query)), body, accept)

    @property
    def is_write(self) -> bool:
        """Say whether it changes anything."""
        return self.method != "GET"

    @property
    def is_watch(self) -> bool:
        """Say whether its answer is a stream."""
        return self.method == "GET" and self.query.get("watch") in ("true", "1")

    @property
    def wants_metadata(self) -> bool:
        """Say whether only the metadata of objects is asked for."""
        return METADATA_ONLY in self.accept

    @property
    def target(self) -> Target:
        """What it is about; raises Refused for a path that leads nowhere."""
        parts = [part for part in self.path.split("/") if part]
        skipped = 2 if parts[:1] == ["api"] else 3
        group, rest = "/" + "/".join(parts[:skipped]), parts[skipped:]
        namespace = ""
        if rest[:1] == ["namespaces"] and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        kind = KINDS.get(rest[0]) if rest else None
        if kind is None or kind.group != group or len(rest) > 3:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        name, subresource = (*rest[1:], "", "")[:2]
        return Target(kind, namespace, name, subresource)
