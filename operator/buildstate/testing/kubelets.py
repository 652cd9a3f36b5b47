"""The nodes of a world: a Pod is taken, runs, and ends as the script says."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import Any

from buildstate.domain.findings import VERSION
from buildstate.domain.names import BUILD_LABEL, PHASE_LABEL
from buildstate.kube.pods import CONTAINER
from buildstate.kube.ports import Clock
from buildstate.kube.reporters import VARIABLE
from buildstate.testing.apiservers import stamp
from buildstate.testing.controllers import path_of
from buildstate.testing.requests import Document, Ref, Request
from buildstate.testing.servers import Commit, Server

WHO = "kubelet"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a Pod ends: `seconds` after it began, with that exit code; never where that is None.

    With `reason` it is the node that ends it, as in an eviction; `cause` is what it says of the
    container, as OOMKilled.
    """

    exit_code: int | None = 0
    seconds: float = 1.0
    reason: str = ""
    cause: str = ""


Script = Mapping[str, tuple[Ending, ...]]
"""By phase how its Pods end, one after the other; those that are not named succeed."""


class Kubelet:
    """Runs the Pods of a world."""

    def __init__(self, server: Server, clock: Clock, chance: Random, script: Script) -> None:
        self._server = server
        self._clock = clock
        self._chance = chance
        self._script = script
        self._known: dict[tuple[str, str], list[str]] = {}
        self._going: set[str] = set()
        server.hear(self._heard)

    def _heard(self, commit: Commit) -> None:
        for change in commit.changes:
            if change.ref.plural != "pods" or change.kind == "DELETED":
                continue
            if change.before is None:
                self._later(0.5, self._take, change.ref, _uid(change.after))
            elif "deletionTimestamp" in change.after["metadata"]:
                self._let_go(change.ref, change.after)

    def _take(self, ref: Ref, uid: str) -> None:
        pod = self._same(ref, uid)
        if pod is None:
            return
        self._server.ask(Request("PATCH", path_of(ref), body={"spec": {"nodeName": "node-1"}}), WHO)
        self._say(ref, {"phase": "Running", "startTime": stamp(self._clock.now())})
        ending = self._ending(pod)
        if ending.exit_code is not None:
            asyncio.get_running_loop().call_later(
                ending.seconds * (0.5 + self._chance.random()), self._end, ref, uid, ending
            )

    def _ending(self, pod: Document) -> Ending:
        labels = pod["metadata"].get("labels") or {}
        phase = labels.get(PHASE_LABEL, "")
        known = self._known.setdefault((labels.get(BUILD_LABEL, ""), phase), [])
        if pod["metadata"]["name"] not in known:
            known.append(pod["metadata"]["name"])
        number, endings = known.index(pod["metadata"]["name"]), self._script.get(phase, ())
        return endings[number] if number < len(endings) else Ending()

    def _end(self, ref: Ref, uid: str, ending: Ending) -> None:
        if self._same(ref, uid) is None:
            return
        status = {
            "phase": "Failed" if ending.exit_code else "Succeeded",
            **_containers(self._server.cluster.objects[ref], ending),
            **({"reason": ending.reason} if ending.reason else {}),
        }
        self._say(ref, status)

    def _let_go(self, ref: Ref, pod: Document) -> None:
        uid = _uid(pod)
        if uid not in self._going:
            self._going.add(uid)
            self._later(2.0, self._remove, ref, uid)

    def _remove(self, ref: Ref, uid: str) -> None:
        now = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        self._server.ask(Request("DELETE", path_of(ref), body=now), WHO)

    def _same(self, ref: Ref, uid: str) -> Document | None:
        pod = self._server.cluster.get(ref)
        return pod if pod is not None and _uid(pod) == uid else None

    def _say(self, ref: Ref, status: Mapping[str, Any]) -> None:
        self._server.ask(Request("PATCH", f"{path_of(ref)}/status", body={"status": status}), WHO)

    def _later(self, slowest: float, do: Callable[..., None], *about: Any) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(slowest * self._chance.random(), do, *about)


def _containers(pod: Document, ending: Ending) -> Document:
    """Give the statuses of the containers of a Pod that has ended."""
    found = {}
    for kind in ("initContainers", "containers"):
        ended = [_ended(each, ending) for each in pod["spec"].get(kind) or ()]
        if ended:
            found[f"{kind.removesuffix('s')}Statuses"] = ended
    return found


def _ended(container: Document, ending: Ending) -> Document:
    code, message, cause = ending.exit_code, f"said {ending.exit_code}", ending.cause
    if container["name"] != CONTAINER:
        code, message, cause = 0, _report(container), ""
    end: dict[str, Any] = {"exitCode": code, "message": message}
    return {
        "name": container["name"],
        "state": {"terminated": {**end, **({"reason": cause} if cause else {})}},
    }


def _report(container: Document) -> str:
    """Give what our program beside the work says: each file that is asked for is there."""
    asked = next(one["value"] for one in container["env"] if one["name"] == VARIABLE)
    found = [[len(path), _digest(path)] for path, _ in json.loads(asked)]
    return json.dumps({"v": VERSION, "found": found})


def _digest(path: str) -> str:
    return b64encode(sha256(path.encode()).digest()).decode().removesuffix("=")


def _uid(document: Document) -> str:
    return str(document["metadata"]["uid"])
