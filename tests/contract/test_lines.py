"""Builds that share a quota, with the real admission and the real quota controller."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from bench.processes import OperatorProcess
from tests.contract.apis import Api, Document
from tests.contract.operators import (
    PATIENCE,
    Build,
    Operators,
    Verdict,
    assert_sound,
    build_of,
    condition_of,
    kill,
    kubelet,
    name_of,
    wait_for,
    wait_until,
)

pytestmark = pytest.mark.contract

ONE_CORE = {"requests": {"cpu": "1"}}


def work(**requests: str) -> Document:
    """Work that asks for that much."""
    return {"image": "none", "command": ["true"], "resources": {"requests": requests}}


def path(api: Api, kind: str, name: str = "") -> str:
    """Where a core object of the namespace is."""
    return f"/api/v1/namespaces/{api.namespace}/{kind}" + (f"/{name}" if name else "")


async def set_quota(api: Api, name: str = "compute", **hard: str) -> None:
    """Make a quota, and wait until it counts."""
    wanted = {key.replace("_", "."): value for key, value in hard.items()}
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}}
    answer = await api.post(path(api, "resourcequotas"), {**body, "spec": {"hard": wanted}})
    assert 201 == answer.code, answer.message
    async with asyncio.timeout(PATIENCE):
        while not (await quota_of(api, name))["status"].get("used"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def quota_of(api: Api, name: str = "compute") -> Document:
    """The quota as it is now."""
    found = await api.every("resourcequotas")
    return next(one for one in found if name_of(one) == name)


async def raise_quota(api: Api, name: str = "compute", **hard: str) -> None:
    """Change what a quota allows."""
    wanted = {key.replace("_", "."): value for key, value in hard.items()}
    change = {"spec": {"hard": wanted}}
    assert 200 == (await api.change(path(api, "resourcequotas", name), change)).code


def lasting(seconds: float) -> Verdict:
    """Let each Pod last so long, and succeed."""
    since: dict[str, float] = {}

    def judge(pod: Document) -> str:
        began = since.setdefault(name_of(pod), time.monotonic())
        return "Succeeded" if time.monotonic() - began >= seconds else ""

    return judge


@dataclass
class Watcher:
    """Looks at a namespace again and again: who runs, and whether there was room for more."""

    api: Api
    fits: int
    live: list[int] = field(default_factory=list)
    idle: list[bool] = field(default_factory=list)
    began: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)

    async def look(self) -> None:
        """Look once."""
        pods, builds = await self.api.pods(), await self.api.builds()
        live = [pod for pod in pods if pod["status"]["phase"] in ("Pending", "Running")]
        self.failed |= {name_of(pod) for pod in pods if pod["status"]["phase"] == "Failed"}
        for pod in sorted(pods, key=lambda one: int(one["metadata"]["resourceVersion"])):
            if build_of(pod) not in self.began:
                self.began.append(build_of(pod))
        self.live.append(len(live))
        if any(reason_of(build) == "QuotaExceeded" for build in builds):
            self.idle.append(len(live) < self.fits)


@asynccontextmanager
async def watching(api: Api, fits: int) -> AsyncIterator[Watcher]:
    """Look at the namespace as long as the block lasts."""
    watcher = Watcher(api, fits)

    async def look() -> None:
        while True:
            await watcher.look()
            await asyncio.sleep(0.05)

    task = asyncio.create_task(look())
    try:
        yield watcher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def reason_of(build: Document) -> str:
    """The reason of Ready."""
    conditions = build.get("status", {}).get("conditions", ())
    return next((one["reason"] for one in conditions if one["type"] == "Ready"), "")


async def create_in_order(api: Api, names: list[str], spec: Document) -> None:
    """Make builds one after the other; the operator sees them in that order."""
    for name in names:
        assert 201 == (await api.create(name, spec)).code
        await wait_until(api, name, lambda status: "startTime" in status)


async def test_fifty_builds_share_room_for_three_in_their_order(
    api: Api, operators: Operators
) -> None:
    await set_quota(api, requests_cpu="3", pods="10")
    await operators.begin()
    names = [f"build-{number:02}" for number in range(50)]
    spec = {"phases": {"build": work(cpu="1")}}
    async with watching(api, 3) as watcher, kubelet(api, lasting(2.0)):
        await create_in_order(api, names, spec)
        builds = [await patiently(api, name) for name in names]
    for build in builds:
        assert_sound(build)
        assert build["status"]["resources"]["promised"] == {}
    assert set() == watcher.failed
    assert 3 == max(watcher.live)
    # A figure, not a law: how fast a quota is counted anew is the cluster's (`pytest -s` shows it).
    share = sum(watcher.idle) / len(watcher.idle)
    sys.stdout.write(f"room was left in {share:.0%} of the looks while builds waited\n")
    assert_in_order(names, builds, fits=3)
    assert [] == operators.tracebacks()


def assert_in_order(names: list[str], builds: list[Build], fits: int) -> None:
    """They began as they were made; those that were admitted together began side by side."""
    places = [names.index(name) for name in started(builds)]
    assert all(abs(place - turn) < fits for turn, place in enumerate(places)), places


def started(builds: list[Build]) -> list[str]:
    """The names of builds in the order in which they left INIT."""
    begun = [(build["status"]["history"][0]["time"], name_of(build)) for build in builds]
    return [name for _, name in sorted(begun)]


async def patiently(api: Api, name: str) -> Build:
    """Give the build when it is COMPLETE; those before it take their time."""
    async with asyncio.timeout(180):
        while True:
            build = await api.get(name)
            if build.get("status", {}).get("phase") == "COMPLETE":
                return dict(build)
            await asyncio.sleep(0.2)


async def test_two_builds_that_need_what_the_other_has_do_not_wait_for_each_other(
    api: Api, operators: Operators
) -> None:
    await set_quota(api, requests_cpu="2", requests_memory="2Gi")
    await operators.begin()
    little = {"cpu": "1", "memory": "1Gi"}
    one = {"setup": work(**{**little, "cpu": "2"}), "build": work(**{**little, "memory": "2Gi"})}
    other = {"setup": work(**{**little, "memory": "2Gi"}), "build": work(**{**little, "cpu": "2"})}
    async with watching(api, 1) as watcher, kubelet(api, lasting(0.2)):
        await api.create("one", {"phases": one})
        await api.create("other", {"phases": other})
        for name in ("one", "other"):
            assert_sound(await wait_for(api, name, "COMPLETE"))
    assert (1, set()) == (max(watcher.live), watcher.failed)


async def test_what_can_never_fit_fails_within_seconds_and_says_the_numbers(
    api: Api, operators: Operators
) -> None:
    await set_quota(api, requests_cpu="2")
    await operators.begin()
    began = time.monotonic()
    recovery = {"strategy": "Restart", "limit": 5, "backoffSeconds": 0}
    await api.create("giant", {"phases": {"test": work(cpu="4")}, "recovery": recovery})
    build = await wait_for(api, "giant", "ERROR")
    assert time.monotonic() - began < 5
    failure = build["status"]["failure"]
    assert ("ResourceAllocationFailure", "ExceedsQuota") == (failure["category"], failure["reason"])
    assert "TEST needs requests.cpu 4, and quota compute allows 2 in all" == failure["message"]
    await asyncio.sleep(1)
    assert ["ERROR"] == [step["to"] for step in (await api.get("giant"))["status"]["history"]]
    assert [] == await api.pods()


async def test_a_raised_quota_and_one_that_is_gone_let_the_next_go_at_once(
    api: Api, operators: Operators
) -> None:
    await set_quota(api, requests_cpu="1")
    await operators.begin()
    names = [f"build-{number}" for number in range(6)]
    spec = {"phases": {"build": work(cpu="1")}}
    await create_in_order(api, names, spec)
    await wait_until(api, names[5], lambda status: status["status"] == "Waiting")
    assert ["build-0"] == await at_work(api, names, 1)
    await raise_quota(api, requests_cpu="3")
    assert names[:3] == await at_work(api, names, 3)
    await api.remove(path(api, "resourcequotas", "compute"))
    assert names == await at_work(api, names, 6)


async def at_work(api: Api, names: list[str], number: int) -> list[str]:
    """Name the builds that have a Pod, as soon as there are that many."""
    async with asyncio.timeout(5):
        while True:
            found = {build_of(pod) for pod in await api.pods()}
            if len(found) >= number:
                return sorted(found)
            await asyncio.sleep(0.05)


async def test_an_operator_that_is_killed_keeps_the_order_and_the_promises(
    api: Api, operators: Operators
) -> None:
    await set_quota(api, requests_cpu="2")
    operator = await operators.begin()
    names = [f"build-{number}" for number in range(9, -1, -1)]
    spec = {"phases": {"build": work(cpu="1"), "test": work(cpu="1")}}
    await create_in_order(api, names, spec)
    await wait_until(api, names[-1], lambda status: status["status"] == "Waiting")
    before = [promised(await api.get(name)) for name in names]
    kill(operator)
    await operators.begin()
    async with watching(api, 2) as watcher, kubelet(api, lasting(0.2)):
        await asyncio.sleep(1)
        builds = [await patiently(api, name) for name in names]
    assert [{"requests.cpu": "1"}] * 2 + [{}] * 8 == before
    assert_in_order(names, builds, fits=2)
    assert (2, set()) == (max(watcher.live), watcher.failed)


def promised(build: Document) -> Any:
    """What is kept for a build."""
    return build["status"]["resources"]["promised"]


async def test_two_hundred_builds_that_wait_cost_nothing(api: Api, operators: Operators) -> None:
    await set_quota(api, requests_cpu="1")
    operator = await operators.begin()
    spec = {"phases": {"build": work(cpu="1")}}
    for number in range(201):
        await api.create(f"build-{number:03}", spec)
    await settled(api, 200)
    await asyncio.sleep(1)
    requests, cpu = asked(operator), operator.cpu_seconds()
    await asyncio.sleep(10)
    assert requests == asked(operator)
    assert operator.cpu_seconds() - cpu < 0.2
    assert [] == operators.tracebacks()


def asked(operator: OperatorProcess) -> dict[tuple[str, str], float]:
    """The requests so far, without watches, which are opened again now and then."""
    return {key: count for key, count in operator.requests().items() if key[0] != "watch"}


async def settled(api: Api, number: int) -> None:
    """Wait until that many builds wait."""
    async with asyncio.timeout(60):
        while True:
            reasons = [reason_of(build) for build in await api.builds()]
            if reasons.count("QuotaExceeded") == number:
                return
            await asyncio.sleep(0.2)


async def test_a_build_says_what_it_waits_for_once(api: Api, operators: Operators) -> None:
    await set_quota(api, requests_cpu="1")
    await operators.begin()
    spec = {"phases": {"build": work(cpu="1")}}
    await create_in_order(api, ["first", "second"], spec)
    build = await wait_until(api, "second", lambda status: status["status"] == "Waiting")
    ready = condition_of(build, "Ready")
    assert "QuotaExceeded" == ready["reason"]
    assert ready["message"].startswith(
        "waits in line: requests.cpu 1 is needed, 0 is free in quota compute; place 1 of 1 at "
    )
    assert await api.tells("second", "QuotaExceeded")
