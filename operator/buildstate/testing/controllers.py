"""What others do in a cluster: what nobody owns goes, volumes are freed, quotas are counted."""

import asyncio
from collections.abc import Iterator
from random import Random

from buildstate.testing import quotas
from buildstate.testing.admissions import PROTECTION
from buildstate.testing.clusters import Cluster
from buildstate.testing.kinds import KINDS
from buildstate.testing.requests import Document, Ref, Request
from buildstate.testing.servers import Commit, Server

WHO = "controllers"
_ENDED = ("Succeeded", "Failed")


class Controllers:
    """The controller manager: some time after each change it does what is due."""

    def __init__(self, server: Server, chance: Random, slowest: float = 0.3) -> None:
        self._server = server
        self._chance = chance
        self._slowest = slowest
        self._is_due = False
        server.hear(self._heard)

    def _heard(self, _commit: Commit) -> None:
        if not self._is_due:
            self._is_due = True
            delay = self._slowest * self._chance.random()
            asyncio.get_running_loop().call_later(delay, self._work)

    def _work(self) -> None:
        self._is_due = False
        for request in tuple(_due(self._server.cluster)):
            self._server.ask(request, WHO)


def _due(cluster: Cluster) -> Iterator[Request]:
    alive = {document["metadata"]["uid"] for document in cluster.objects.values()}
    for ref in sorted(cluster.objects):
        document = cluster.objects[ref]
        if _is_orphan(document, alive) and "deletionTimestamp" not in document["metadata"]:
            uid = {"preconditions": {"uid": document["metadata"]["uid"]}}
            yield Request("DELETE", path_of(ref), body=uid)
        elif ref.plural == "persistentvolumeclaims" and _is_free(cluster, ref, document):
            yield Request("PATCH", path_of(ref), body={"metadata": {"finalizers": []}})
        elif ref.plural == "resourcequotas":
            yield from _counted(cluster, ref)


def _is_orphan(document: Document, alive: set[str]) -> bool:
    owners = document["metadata"].get("ownerReferences") or ()
    return bool(owners) and not any(owner["uid"] in alive for owner in owners)


def _is_free(cluster: Cluster, ref: Ref, claim: Document) -> bool:
    metadata = claim["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers") != [PROTECTION]:
        return False
    pods = (pod for _, pod in cluster.of("pods", ref.namespace))
    return not any(_mounts(pod, ref.name) for pod in pods)


def _mounts(pod: Document, claim: str) -> bool:
    # One that has ended holds its volumes no more.
    if (pod.get("status") or {}).get("phase") in _ENDED:
        return False
    volumes = pod["spec"].get("volumes") or ()
    names = (one.get("persistentVolumeClaim", {}).get("claimName") for one in volumes)
    return claim in names


def _counted(cluster: Cluster, ref: Ref) -> Iterator[Request]:
    known, fresh = cluster.objects[ref], quotas.counted(cluster, ref)
    if known.get("status") != fresh["status"]:
        yield Request("PATCH", f"{path_of(ref)}/status", body={"status": fresh["status"]})


def path_of(ref: Ref) -> str:
    """Give the path of an object."""
    place = f"/namespaces/{ref.namespace}" if ref.namespace else ""
    return f"{KINDS[ref.plural].group}{place}/{ref.plural}/{ref.name}"
