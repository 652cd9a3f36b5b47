"""What the engine asks of the cluster, as protocols; `kube.client` fulfils them."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple, Protocol

Document = Mapping[str, Any]


class Key(NamedTuple):
    """Names one build."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Resource(Enum):
    """The kinds of objects that the engine touches: the path of the API group, and the plural."""

    BUILDS = ("/apis/buildstate.dev/v1alpha1", "buildstates")
    PODS = ("/api/v1", "pods")
    CLAIMS = ("/api/v1", "persistentvolumeclaims")
    STORAGE_CLASSES = ("/apis/storage.k8s.io/v1", "storageclasses")
    EVENTS = ("/api/v1", "events")
    CONFIGMAPS = ("/api/v1", "configmaps")
    NAMESPACES = ("/api/v1", "namespaces")
    QUOTAS = ("/api/v1", "resourcequotas")
    LIMITS = ("/api/v1", "limitranges")


class Listing(NamedTuple):
    """All objects of ours, and for each namespace the resourceVersion that they are as of."""

    items: list[Document]
    versions: dict[str, str]


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """Give the present time in UTC, to the millisecond."""


class Kube(Protocol):
    """The few calls that the engine makes to the API server.

    Each raises `Transient` when asking again may help (`Conflict` after a lost race,
    `QuotaExceeded` while there is no room) and `Permanent` when it cannot.
    """

    async def list_all(self, resource: Resource, *, metadata_only: bool = False) -> Listing:
        """Give every object of ours, in chunks under the hood."""

    async def get(self, resource: Resource, key: Key) -> Document | None:
        """Give one object as it stands now, or None where there is none."""

    async def find(
        self, resource: Resource, namespace: str, fields: Mapping[str, str]
    ) -> list[Document]:
        """Give the objects of one namespace with these fields; "" is for what is in none."""

    async def create(self, resource: Resource, body: Document) -> Document:
        """Make one object, and give its metadata; raises `AlreadyExists` when the name is taken."""

    async def delete(self, resource: Resource, key: Key, uid: str | None = None) -> None:
        """Delete one object, that very one where `uid` is given; one that is gone is no error."""

    async def resize(self, key: Key, patch: Document) -> Document:
        """Merge into the resources of a Pod that runs, and give the Pod."""

    async def replace_status(self, build: Document, status: Document) -> Document:
        """Write the status of `build`, unless it is no longer at that resourceVersion."""

    async def set_finalizers(self, build: Document, finalizers: list[str]) -> Document:
        """Give `build` these finalizers, unless it is no longer at that resourceVersion."""


class KeepingKube(Protocol):
    """The calls of a store in the cluster; they fail as those of `Kube`."""

    async def get(self, resource: Resource, key: Key) -> Document | None:
        """Give one object as it stands now, or None where there is none."""

    async def peek(self, resource: Resource, key: Key) -> Document | None:
        """Give the metadata of one object as it stands now, or None where there is none."""

    async def create(self, resource: Resource, body: Document) -> Document:
        """Make one object, and give its metadata; raises `AlreadyExists` when the name is taken."""

    async def delete(self, resource: Resource, key: Key, uid: str | None = None) -> None:
        """Delete one object; one that is gone is no error."""

    async def select(
        self, resource: Resource, labels: Mapping[str, str], namespace: str | None = None
    ) -> list[Document]:
        """Give the metadata of the objects with these labels, of one namespace or all of ours."""

    async def replace(self, resource: Resource, body: Document) -> Document:
        """Write an object, unless it is no longer at the resourceVersion of `body`."""


class BudgetKube(Protocol):
    """The calls of who keeps the quotas of namespaces; they fail as those of `Kube`."""

    async def list_all(self, resource: Resource, *, metadata_only: bool = False) -> Listing:
        """Give every object of ours, in chunks under the hood."""

    async def get(self, resource: Resource, key: Key) -> Document | None:
        """Give one object as it stands now, or None where there is none."""

    async def create(self, resource: Resource, body: Document) -> Document:
        """Make one object, and give its metadata; raises `AlreadyExists` when the name is taken."""

    async def replace(self, resource: Resource, body: Document) -> Document:
        """Write an object, unless it is no longer at the resourceVersion of `body`."""

    async def delete(self, resource: Resource, key: Key, uid: str | None = None) -> None:
        """Delete one object, that very one where `uid` is given; one that is gone is no error."""
