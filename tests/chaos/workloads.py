"""The builds that go through the chaos, and what must have become of each at the end."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tests.chaos.monitors import Document, Monitor
from tests.contract.apis import Answer, Api
from tests.contract.operators import FOUR, WORK, build_of, name_of, phase_of

Act = Callable[[Api, Monitor, str], Awaitable[None]]
CAREFUL = {"fullEvery": 4, "keep": 5, "whenUnavailable": "Wait"}


async def _nothing(_api: Api, _monitor: Monitor, _name: str) -> None:
    """Leave the build alone."""


async def _abort(api: Api, monitor: Monitor, name: str) -> None:
    await monitor.until(lambda: _phase(monitor, api, name) == "BUILD")
    await _patch(api, name, {"spec": {"request": {"id": "stop", "action": "Abort"}}})


async def _restore(api: Api, monitor: Monitor, name: str) -> None:
    await monitor.until(lambda: _phase(monitor, api, name) == "ERROR")
    await _patch(api, name, {"spec": {"request": {"id": "back", "action": "Restore"}}})


async def _delete(api: Api, monitor: Monitor, name: str) -> None:
    await monitor.until(lambda: _phase(monitor, api, name) == "BUILD")
    await persist(lambda: api.delete(name))


async def _patch(api: Api, name: str, patch: Document) -> None:
    await persist(lambda: api.patch(name, patch))


async def persist(ask: Callable[[], Awaitable[Answer]]) -> None:
    """Ask until the API server has an answer of its own: it is stopped now and then, too."""
    while True:
        if (await ask()).code in (200, 201, 404, 409):
            return
        await asyncio.sleep(0.2)


@dataclass(frozen=True)
class Workload:
    """One kind of build: what it asks for, who fails, what is done to it, how it must end.

    `fails` are the phases whose first Pod fails; `stays` the ones whose Pods never end. `made` are
    the Pods of each phase in the end, None where that may differ.
    """

    spec: Document
    end: str
    made: Mapping[str, int] | None
    fails: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    act: Act = _nothing


ONE_EACH = {"SETUP": 1, "BUILD": 1, "TEST": 1, "CLEANUP": 1}
WORKLOADS: Mapping[str, Workload] = {
    "straight": Workload({"phases": FOUR}, "COMPLETE", ONE_EACH),
    "retried": Workload(
        {"phases": {**FOUR, "build": {**WORK, "backoffLimit": 1}}},
        "COMPLETE",
        {**ONE_EACH, "BUILD": 2},
        fails=("BUILD",),
    ),
    "resuming": Workload(
        {
            "phases": FOUR,
            "checkpoints": CAREFUL,
            "recovery": {"strategy": "Resume", "backoffSeconds": 0},
        },
        "COMPLETE",
        {**ONE_EACH, "TEST": 2},
        fails=("TEST",),
    ),
    "restarting": Workload(
        {"phases": FOUR, "recovery": {"strategy": "Restart", "backoffSeconds": 0}},
        "COMPLETE",
        {"SETUP": 2, "BUILD": 2, "TEST": 1, "CLEANUP": 1},
        fails=("BUILD",),
    ),
    "failing": Workload({"phases": FOUR}, "ERROR", {"SETUP": 1, "BUILD": 1}, fails=("BUILD",)),
    "aborted": Workload(
        {"phases": FOUR}, "ERROR", {"SETUP": 1, "BUILD": 1}, stays=("BUILD",), act=_abort
    ),
    "restored": Workload(
        {"phases": FOUR, "checkpoints": CAREFUL},
        "COMPLETE",
        {**ONE_EACH, "TEST": 2},
        fails=("TEST",),
        act=_restore,
    ),
    "deleted": Workload({"phases": FOUR}, "", None, stays=("BUILD",), act=_delete),
}


@dataclass
class Judge:
    """Ends the Pods of every build as its workload says, which its name begins with."""

    first: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def __call__(self, pod: Document) -> str:
        """Give the phase in which the Pod ends, "" for never."""
        workload, phase = WORKLOADS[build_of(pod).partition("-")[0]], phase_of(pod)
        if phase in workload.stays:
            return ""
        which = (pod["metadata"]["namespace"], build_of(pod), phase)
        is_first = self.first.setdefault(which, name_of(pod)) == name_of(pod)
        return "Failed" if is_first and phase in workload.fails else "Succeeded"


def _phase(monitor: Monitor, api: Api, name: str) -> str:
    build = monitor.named(api.namespace, name)
    return str((build or {}).get("status", {}).get("phase", ""))


def is_over(build: Document | None, workload: Workload) -> bool:
    """Say whether a build is where it must end."""
    if build is None:
        return not workload.end
    status = build.get("status", {})
    is_settled = workload.end == "COMPLETE" or status.get("status") in ("Failed", "Aborted")
    return bool(status.get("phase") == workload.end and is_settled)
