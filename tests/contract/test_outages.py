"""Stores that are down, slow, busy or forbidden: builds go on or wait as asked, and say why."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from bench.processes import OperatorProcess
from prometheus_client.parser import text_string_to_metric_families
from tests.contract.apis import Api
from tests.contract.operators import (
    FOUR,
    Build,
    FailsOnce,
    Operators,
    condition_of,
    holding,
    kubelet,
    wait_for,
    wait_until,
)
from tests.contract.proxies import Fuse, Proxy, before_bucket
from tests.contract.strongboxes import OUTSIDE, Opened, Strongbox, opened_stores, refs_of
from tests.stores.servers import Versity, versity

from clusters import Cluster

pytestmark = pytest.mark.contract

QUIET_SECONDS = 3.0
AT_ONCE = 18
"""More builds than an operator has workers."""


def spec(policy: str = "Continue", **others: Any) -> dict[str, Any]:
    """A build with its checkpoints outside."""
    return {
        "phases": FOUR,
        "checkpoints": {"store": OUTSIDE, "whenUnavailable": policy},
        **others,
    }


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Versity]:
    """An S3 server that the test may stop."""
    with versity(tmp_path / "versity") as own:
        yield own


@pytest.fixture
def box(tmp_path: Path, own: Versity) -> Strongbox:
    box = Strongbox(tmp_path)
    box.write(own.endpoint, timeoutSeconds=1)
    return box


@pytest.fixture
async def stores(api_cluster: Cluster, box: Strongbox) -> AsyncIterator[Opened]:
    async with opened_stores(api_cluster.kubeconfig, box) as stores:
        yield stores


def checkpointed(status: dict[str, Any]) -> tuple[str, str]:
    """What the condition says of the checkpoints: status and reason."""
    conditions = status.get("conditions", ())
    found = [one for one in conditions if one["type"] == "Checkpointed"]
    return (found[0]["status"], found[0]["reason"]) if found else ("", "")


def operations(operator: OperatorProcess) -> int:
    """How many operations a store was asked for so far."""
    page = operator._page("metrics")
    return sum(
        int(sample.value)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "buildstate_store_operations_total"
    )


async def in_build(api: Api, **specs: dict[str, Any]) -> None:
    """Make builds, and bring each to BUILD."""
    async with kubelet(api, holding("BUILD")):
        for name, wanted in specs.items():
            await api.create(name, wanted)
        for name in specs:
            await wait_for(api, name, "BUILD")


async def assert_whole(stores: Opened, build: Build) -> None:
    """Every reference verifies, and the mirror has the state as it stands."""
    assert await stores.read(build, OUTSIDE)
    metadata = build["metadata"]
    path = f"active/{metadata['namespace']}/{metadata['uid']}/current_state.json"
    async with asyncio.timeout(60):
        while True:
            blob = await stores.store(OUTSIDE).read(path)
            if blob is not None and build["status"]["digest"].encode() in blob.data:
                return
            await asyncio.sleep(0.2)


async def test_a_server_that_goes_and_comes_back_loses_nothing(
    api: Api, operators: Operators, own: Versity, box: Strongbox, stores: Opened
) -> None:
    operator = await operators.begin(**box.settings)
    await in_build(api, going=spec(), waiting=spec("Wait"))
    own.stop()
    async with kubelet(api):
        going = await wait_for(api, "going", "COMPLETE")
        waiting = await wait_until(
            api, "waiting", lambda status: checkpointed(status)[0] == "False"
        )
        asked = operations(operator)
        await asyncio.sleep(QUIET_SECONDS)
        assert operations(operator) - asked <= 8
        assert waiting["status"] == (await api.get("waiting"))["status"]
        assert ("BUILD", "Waiting") == (waiting["status"]["phase"], waiting["status"]["status"])
        for build in (going, waiting):
            said = condition_of(build, "Checkpointed")
            assert ("False", "PersistenceError") == (said["status"], said["reason"])
            assert "cannot be reached" in said["message"]
            assert await api.tells(build["metadata"]["name"], "CheckpointFailed")
        assert "TEST is entered once" in condition_of(waiting, "Ready")["message"]
        own.start()
        for name in ("going", "waiting"):
            build = await wait_until(
                api,
                name,
                lambda status: (
                    status["phase"] == "COMPLETE" and checkpointed(status) == ("True", "Stored")
                ),
            )
            assert "COMPLETE" == refs_of(build)[-1].phase
            await assert_whole(stores, build)
    assert [] == operators.tracebacks()


async def test_a_build_that_failed_waits_in_error_for_a_store_that_cannot_be_read(
    api: Api, operators: Operators, own: Versity, box: Strongbox
) -> None:
    await operators.begin(**box.settings)
    async with kubelet(api, FailsOnce()):
        await api.create("failed", spec())
        await wait_for(api, "failed", "ERROR")
    own.stop()
    resume = {"recovery": {"strategy": "Resume", "backoffSeconds": 0}}
    await api.patch("failed", {"spec": resume})
    build = await wait_until(api, "failed", lambda status: status["status"] == "Recovering")
    ready = condition_of(build, "Ready")
    assert "PersistenceError" == ready["reason"]
    assert "waits for the store" in ready["message"]
    assert "cannot be reached" in ready["message"]
    await asyncio.sleep(1)
    assert "ERROR" == (await api.get("failed"))["status"]["phase"]
    own.start()
    async with kubelet(api) as ran:
        await wait_for(api, "failed", "COMPLETE")
    assert ["TEST", "CLEANUP"] == ran
    assert [] == operators.tracebacks()


@dataclass
class Fault:
    """Answers every request badly once it is on: with a code, or, without one, never."""

    code: int | None
    is_on: bool = False

    async def __call__(self, _request: web.Request) -> web.StreamResponse | None:
        if not self.is_on:
            return None
        if self.code is None:
            await asyncio.sleep(60)
        return web.Response(status=self.code or 500, text="<Code>SlowDown</Code>")


@pytest.fixture
async def bad_day(own: Versity, tmp_path: Path) -> AsyncIterator[tuple[Proxy, Strongbox]]:
    """A server that one can let fail, and its strongbox."""
    async with before_bucket(own.endpoint, Fuse()) as (proxy, address):
        box = Strongbox(tmp_path)
        box.write(address, timeoutSeconds=1)
        yield proxy, box


@pytest.mark.parametrize("code", [503, None], ids=["busy", "silent"])
async def test_a_store_that_is_not_well_slows_nobody_who_does_not_need_it(
    api: Api, operators: Operators, bad_day: tuple[Proxy, Strongbox], code: int | None
) -> None:
    proxy, box = bad_day
    proxy.hinder = fault = Fault(code)
    await operators.begin(**box.settings)
    names = [f"ill-{number}" for number in range(AT_ONCE)]
    await in_build(api, **{name: spec("Wait") for name in names})
    fault.is_on = True
    async with kubelet(api):
        await wait_until(api, names[0], lambda status: checkpointed(status)[0] == "False")
        began = asyncio.get_running_loop().time()
        well = {"phases": FOUR, "checkpoints": {}}
        for name in ("well-0", "well-1"):
            await api.create(name, well)
            build = await wait_for(api, name, "COMPLETE")
            assert ("True", "Stored") == checkpointed(build["status"])
        assert asyncio.get_running_loop().time() - began < 6
        for name in names:
            build = await wait_until(api, name, lambda status: checkpointed(status)[0] == "False")
            said = condition_of(build, "Checkpointed")
            assert "PersistenceError" == said["reason"]
        before = len(proxy.asked)
        await asyncio.sleep(QUIET_SECONDS)
        # All builds together, and not each of them, ask whether it is back.
        assert len(proxy.asked) - before <= 24
        fault.is_on = False
        for name in names:
            build = await wait_for(api, name, "COMPLETE")
            assert ("True", "Stored") == checkpointed(build["status"])
    assert [] == operators.tracebacks()


async def test_a_slow_store_makes_checkpoints_late_and_not_fewer(
    api: Api, operators: Operators, bad_day: tuple[Proxy, Strongbox]
) -> None:
    proxy, box = bad_day

    async def drag(_request: web.Request) -> None:
        await asyncio.sleep(0.4)

    proxy.hinder = drag
    await operators.begin(**box.settings)
    async with kubelet(api):
        await api.create("slow", spec())
        build = await wait_for(api, "slow", "COMPLETE")
    assert [1, 2, 3, 4, 5] == [ref.number for ref in refs_of(build)]
    assert ("True", "Stored") == checkpointed(build["status"])


@pytest.mark.parametrize(
    "said_by",
    [
        ({"bucket": "no-such-bucket"}, "NotFound", "bucket no-such-bucket"),
        ({}, "Forbidden", "check the credentials"),
    ],
    ids=["a bucket that is not there", "a wrong secret"],
)
async def test_a_store_that_refuses_says_so_in_its_words_and_the_build_goes_on(
    api: Api,
    operators: Operators,
    own: Versity,
    tmp_path: Path,
    said_by: tuple[dict[str, str], str, str],
) -> None:
    wrong, reason, words = said_by
    box = Strongbox(tmp_path)
    box.write(own.endpoint, timeoutSeconds=1, **wrong)
    if not wrong:
        box.say_secret("mistyped")
    operator = await operators.begin(**box.settings)
    async with kubelet(api):
        await api.create("refused", spec())
        await api.create("held", spec("Wait"))
        build = await wait_for(api, "refused", "COMPLETE")
        said = condition_of(build, "Checkpointed")
        assert ("False", reason) == (said["status"], said["reason"])
        assert words in said["message"]
        held = await wait_until(api, "held", lambda status: status["status"] == "Waiting")
        assert "INIT" == held["status"]["phase"]
        asked = operations(operator)
        await asyncio.sleep(QUIET_SECONDS)
        assert operations(operator) - asked <= 16
        if not wrong:
            # The Secret is mounted anew; nothing is started again.
            box.say_secret("not-so-secret")
            build = await wait_for(api, "held", "COMPLETE")
            assert ("True", "Stored") == checkpointed(build["status"])
    assert [] == operators.tracebacks()
