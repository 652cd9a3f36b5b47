"""Sees every version of every build and Pod, past all faults, and holds it against the invariants.

It is a kubelet, too: it ends each Pod as the workload wants it.
"""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from tests.contract.operators import phase_of

from buildstate.domain.validation import validate

Document = Mapping[str, Any]
PODS, BUILDS = "/api/v1/pods", "/apis/buildstate.dev/v1alpha1/buildstates"
ENDED = ("Succeeded", "Failed")


@dataclass
class Monitor:
    """What was seen, and what of it breaks an invariant.

    `judge` gives the phase in which a Pod ends, "" for not yet. `checked` counts by invariant.
    """

    session: aiohttp.ClientSession
    server: str
    judge: Callable[[Document], str]
    violations: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    builds: dict[str, Document] = field(default_factory=dict)
    live: dict[str, set[str]] = field(default_factory=dict)
    made: dict[str, dict[str, str]] = field(default_factory=dict)
    phases: dict[str, dict[str, str]] = field(default_factory=dict)
    present: dict[str, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def follow(self, path: str, take: Callable[[str, Document], None]) -> None:
        """Hand every event of a resource to `take`, for ever."""
        version = ""
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError, KeyError):
                version = version or await self._list(path, take)
                version = await self._watch(path, version, take)
            await asyncio.sleep(0.1)

    async def _list(self, path: str, take: Callable[[str, Document], None]) -> str:
        async with self.session.get(self.server + path) as answer:
            listing = await answer.json()
        for item in listing["items"]:
            take("MODIFIED", item)
        return str(listing["metadata"]["resourceVersion"])

    async def _watch(self, path: str, version: str, take: Callable[[str, Document], None]) -> str:
        url = f"{self.server}{path}?watch=true&allowWatchBookmarks=true&resourceVersion={version}"
        never = aiohttp.ClientTimeout(total=None, sock_read=90)
        async with self.session.get(url, timeout=never) as answer:
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return ""
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    take(event["type"], event["object"])
                    self._news.set()
        return version

    def take_pod(self, event: str, pod: Document) -> None:
        """Look at one version of a Pod."""
        owners = pod["metadata"].get("ownerReferences") or ()
        if not owners:
            return
        build, name, uid = owners[0]["uid"], pod["metadata"]["name"], pod["metadata"]["uid"]
        self.changes.append(f"{event} Pod {name}")
        self.present[uid] = build
        if event == "DELETED":
            del self.present[uid]
        self.phases.setdefault(build, {})[uid] = phase_of(pod)
        live = self.live.setdefault(build, set())
        is_live = event != "DELETED" and pod.get("status", {}).get("phase") not in ENDED
        (live.add if is_live else live.discard)(uid)
        self._hold("I3", len(live) <= 1, f"{len(live)} live Pods of one build, {name} is one")
        first = self.made.setdefault(build, {}).setdefault(name, uid)
        self._hold("I3", first == uid, f"Pod {name} was made twice")
        if event == "ADDED" and is_live:
            self._end_soon(pod)

    def take_build(self, event: str, build: Document) -> None:
        """Look at one version of a build."""
        uid = build["metadata"]["uid"]
        self.changes.append(f"{event} build {build['metadata']['name']}")
        if event == "DELETED":
            self.builds.pop(uid, None)
            return
        known = self.builds.get(uid, {}).get("status") or {}
        self.builds[uid] = build
        status = build.get("status") or {}
        if "digest" not in status:
            return
        found = validate(status, uid).violations
        self._hold("I2", not found, f"{build['metadata']['name']}: {found}")
        before, after = _steps(known), _steps(status)
        is_kept = all(after.get(n, step) == step for n, step in before.items())
        is_ahead = status["sequence"] >= known.get("sequence", 0)
        self._hold("I1", is_kept and is_ahead, f"{build['metadata']['name']} lost a transition")

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until that holds."""
        while not holds():
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), 5)

    def named(self, namespace: str, name: str) -> Document | None:
        """The build of that name, as it was seen last."""
        place = (namespace, name)
        return next(
            (
                build
                for build in self.builds.values()
                if (build["metadata"]["namespace"], build["metadata"]["name"]) == place
            ),
            None,
        )

    def is_tidy(self) -> bool:
        """Say whether no Pod lives, and none is of a build that is gone."""
        return not any(self.live.values()) and set(self.present.values()) <= set(self.builds)

    def phases_of(self, build: str) -> list[str]:
        """The phases of all Pods that a build ever had."""
        return list(self.phases.get(build, {}).values())

    def hold(self, invariant: str, *, holds: bool, otherwise: str) -> None:
        """Count one check of an invariant."""
        self._hold(invariant, holds, otherwise)

    def _hold(self, invariant: str, holds: bool, otherwise: str) -> None:
        self.checked[invariant] += 1
        if not holds:
            self.violations[f"{invariant}: {otherwise}"] += 1

    def _end_soon(self, pod: Document) -> None:
        end = self.judge(pod)
        if end:
            task = asyncio.create_task(self._end(pod["metadata"], end))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _end(self, metadata: Document, phase: str) -> None:
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        # The uid: what is of that name by then may be another one.
        body = {"metadata": {"uid": metadata["uid"]}, "status": {"phase": phase}}
        kind = {"Content-Type": "application/merge-patch+json"}
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self.session.patch(
                    self.server + path, json=body, headers=kind
                ) as answer:
                    if answer.status < 500:
                        return
            await asyncio.sleep(0.2)


def _steps(status: Document) -> dict[int, Document]:
    return {step["sequence"]: step for step in status.get("history", ())}
