"""Builds that fail and go on, by the operator's process on a real API server and a real store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.apis import Api
from tests.contract.operators import (
    FORWARD,
    FOUR,
    WORK,
    Build,
    Operators,
    always,
    ask,
    assert_sound,
    condition_of,
    failing,
    holding,
    kubelet,
    wait_for,
    wait_until,
)
from tests.contract.strongboxes import OUTSIDE, Opened, Strongbox, opened_stores, place_of, refs_of
from tests.stores.servers import Versity

from buildstate.stores.contracts import Area, Place
from clusters import Cluster

pytestmark = pytest.mark.contract

RESUME = {"strategy": "Resume", "limit": 3, "backoffSeconds": 0}
BY_HAND: dict[str, Any] = {"phases": FOUR, "checkpoints": {}}
BY_ITSELF = {**BY_HAND, "recovery": RESUME}
UP_TO_ERROR = ["SETUP", "BUILD", "TEST", "ERROR"]
QUIET_SECONDS = 1.5


@pytest.fixture
def box(tmp_path: Path, server: Versity, namespace: str) -> Strongbox:
    box = Strongbox(tmp_path)
    box.write(server.endpoint, prefix=namespace)
    return box


@pytest.fixture
async def stores(api_cluster: Cluster, box: Strongbox) -> AsyncIterator[Opened]:
    async with opened_stores(api_cluster.kubeconfig, box) as stores:
        yield stores


async def failed_in_test(api: Api, name: str, **spec: Any) -> Build:
    """Make a build that has failed once, in TEST, and waits for somebody."""
    async with kubelet(api, failing("TEST", 1)):
        await api.create(name, {**BY_HAND, **spec})
        return await wait_for(api, name, "ERROR")


def results(build: Build) -> dict[str, str]:
    """How each phase stands."""
    return {record["phase"]: record["result"] for record in build["status"]["phases"]}


# What the policy does by itself.


@pytest.mark.parametrize("times", [1, 2])
async def test_a_build_goes_on_at_the_phase_that_failed_and_runs_nothing_twice_that_is_done(
    api: Api, operators: Operators, times: int
) -> None:
    await operators.begin()
    async with kubelet(api, failing("TEST", times)) as ran:
        await api.create("hardy", BY_ITSELF)
        build = await wait_for(api, "hardy", "COMPLETE")
    assert ["SETUP", "BUILD", *["TEST"] * (times + 1), "CLEANUP"] == ran
    assert times == build["status"]["epoch"] == build["status"]["recovery"]["attempts"]
    assert_sound(build, [*(["SETUP", "BUILD", "TEST", "ERROR", "INIT"] * times), *FORWARD])
    assert {"SETUP": "Restored", "BUILD": "Restored"}.items() <= results(build).items()
    assert await api.tells("hardy", "PhaseFailed", "RecoveryResume", "Checkpointed")
    assert [] == operators.tracebacks()


@pytest.mark.parametrize(
    ("then", "phase", "ends"),
    [("Stop", "ERROR", []), ("Cleanup", "COMPLETE", ["CLEANUP"])],
)
async def test_a_build_that_always_fails_uses_up_its_limit(
    api: Api, operators: Operators, then: str, phase: str, ends: list[str]
) -> None:
    await operators.begin()
    policy = {**RESUME, "limit": 2, "onExhausted": then}
    async with kubelet(api, failing("TEST", 100)) as ran:
        await api.create("doomed", {**BY_ITSELF, "recovery": policy})
        build = await wait_until(
            api,
            "doomed",
            lambda status: (
                status.get("recovery", {}).get("attempts") == 2 and status["phase"] == phase
            ),
        )
        await asyncio.sleep(QUIET_SECONDS)
    assert ["SETUP", "BUILD", "TEST", "TEST", "TEST", *ends] == ran
    assert build["status"] == (await api.get("doomed"))["status"]
    assert ("False", "PhaseFailed") == said(build, "Succeeded")


def said(build: Build, kind: str) -> tuple[str, str]:
    """Status and reason of a condition."""
    condition = condition_of(build, kind)
    return condition["status"], condition["reason"]


async def test_a_suspended_build_stays_in_error_until_it_is_let_go(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    build = await failed_in_test(api, "patient", suspend=False)
    await api.patch("patient", {"spec": {"suspend": True, "recovery": RESUME}})
    await wait_until(api, "patient", lambda status: status["status"] == "Suspended")
    await asyncio.sleep(QUIET_SECONDS)
    seen = await api.get("patient")
    assert ("ERROR", build["status"]["epoch"]) == (seen["status"]["phase"], seen["status"]["epoch"])
    async with kubelet(api) as ran:
        await api.patch("patient", {"spec": {"suspend": False}})
        await wait_for(api, "patient", "COMPLETE")
    assert ["TEST", "CLEANUP"] == ran


async def test_a_workspace_that_is_gone_is_named_with_what_to_do(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    build = await failed_in_test(api, "homeless", workspace={"size": "1Gi"})
    claim = build["status"]["workspaceClaim"]
    core = f"/api/v1/namespaces/{api.namespace}"
    for pod in await api.pods():
        await api.remove(f"{core}/pods/{pod['metadata']['name']}")
    assert 200 == (await api.remove(f"{core}/persistentvolumeclaims/{claim}")).code
    await api.patch("homeless", {"spec": {"recovery": RESUME}})
    build = await wait_until(
        api, "homeless", lambda status: status["failure"]["category"] == "RecoveryFailure"
    )
    message = build["status"]["failure"]["message"]
    assert claim in message
    assert "is gone" in message
    assert "request Restart" in message
    assert ("False", "RecoveryFailure") == said(build, "Ready")
    async with kubelet(api, failing("TEST", 1)) as ran:
        await ask(api, "homeless", "anew", "Restart")
        await wait_for(api, "homeless", "COMPLETE")
    # The new run has a claim of the same name, and goes on with that.
    assert ["SETUP", "BUILD", "TEST", "TEST", "CLEANUP"] == ran


# What a person asks for.


@pytest.mark.parametrize(
    ("phase", "run_again"),
    [("", ["TEST", "CLEANUP"]), ("BUILD", ["BUILD", "TEST", "CLEANUP"])],
    ids=["the newest", "by its name"],
)
async def test_a_checkpoint_is_restored_that_somebody_asks_for(
    api: Api, operators: Operators, phase: str, run_again: list[str]
) -> None:
    await operators.begin()
    build = await failed_in_test(api, "undecided")
    named = [ref.name for ref in refs_of(build) if ref.phase == phase]
    async with kubelet(api) as ran:
        wanted = {"checkpoint": named[0]} if named else {}
        answer = await ask(api, "undecided", "back", "Restore", **wanted)
        build = await wait_for(api, "undecided", "COMPLETE")
    assert "Done" == answer["outcome"]
    assert run_again == ran
    assert_sound(build, [*UP_TO_ERROR, "INIT", *FORWARD])
    # The state before the restore is kept, too.
    assert 1 == sum(ref.trigger == "Restore" for ref in refs_of(build))
    if named:
        assert named[0] == build["status"]["recovery"]["checkpoint"]


async def test_a_checkpoint_that_is_not_there_is_refused_by_name(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    build = await failed_in_test(api, "mistaken")
    answer = await ask(api, "mistaken", "back", "Restore", checkpoint="99-build-01234567")
    assert ("Refused", "RecoveryFailure") == (answer["outcome"], answer["reason"])
    assert "99-build-01234567" in answer["message"]
    after = await api.get("mistaken")
    assert ("ERROR", refs_of(build)) == (after["status"]["phase"], refs_of(dict(after)))


async def test_a_checkpoint_is_taken_when_asked_for_and_by_time(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    policy = {"onTransition": False, "intervalSeconds": 10}
    async with kubelet(api, holding("BUILD")):
        await api.create("slow", {**BY_HAND, "checkpoints": policy})
        await wait_for(api, "slow", "BUILD")
        assert "Done" == (await ask(api, "slow", "now", "Checkpoint"))["outcome"]
        build = await wait_until(api, "slow", lambda status: len(status["checkpoints"]) > 1)
    triggers = [(ref.trigger, ref.phase) for ref in refs_of(build)]
    assert [("Request", "BUILD"), ("Interval", "BUILD")] == triggers
    first, second = refs_of(build)
    assert 10 <= (second.time - first.time).total_seconds() < 13
    assert await api.tells("slow", "Checkpointed")


async def test_a_restart_begins_a_line_behind_which_the_policy_does_not_go(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await failed_in_test(api, "afresh")
    async with kubelet(api, failing("BUILD", 1)) as ran:
        await api.patch("afresh", {"spec": {"recovery": {**RESUME, "limit": 0}}})
        await ask(api, "afresh", "anew", "Restart")
        await wait_until(
            api, "afresh", lambda status: status["phase"] == "ERROR" and status["epoch"] == 1
        )
        await api.patch("afresh", {"spec": {"recovery": RESUME}})
        build = await wait_for(api, "afresh", "COMPLETE")
    # BUILD was done in the run before, and is not taken from there.
    assert ["SETUP", "BUILD", "BUILD", "TEST", "CLEANUP"] == ran
    restored = build["status"]["recovery"]["checkpoint"]
    assert [1] == [ref.epoch for ref in refs_of(build) if ref.name == restored]


async def test_work_that_was_changed_is_run_again_with_all_after_it(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await failed_in_test(api, "mended")
    async with kubelet(api) as ran:
        await api.patch("mended", {"spec": {"phases": {"build": {**WORK, "image": "other"}}}})
        await ask(api, "mended", "on", "Restore")
        await wait_for(api, "mended", "COMPLETE")
    assert ["BUILD", "TEST", "CLEANUP"] == ran


# What is put away, and what is erased.


@pytest.mark.parametrize("store", ["configmap", OUTSIDE])
async def test_a_finished_build_is_put_away_and_nothing_is_written_any_more(
    api: Api, operators: Operators, box: Strongbox, stores: Opened, store: str
) -> None:
    await operators.begin(**box.settings)
    async with kubelet(api):
        await api.create("done", {**BY_HAND, "checkpoints": {"store": store}})
        complete = await wait_for(api, "done", "COMPLETE")
    names = [ref.name for ref in refs_of(complete)]
    assert "Done" == (await ask(api, "done", "away", "Archive"))["outcome"]
    build = await wait_until(api, "done", lambda status: status["status"] == "Archived")
    active = place_of(build)
    away = Place(active.namespace, active.uid, area=Area.ARCHIVED)
    assert [] == await stores.store(store).names(active)
    assert sorted(names) == await stores.store(store).names(away)
    blob = await stores.store(store).read(
        f"archived/{active.namespace}/{active.uid}/current_state.json"
    )
    assert blob is not None
    assert b'"status":"Archived"' in blob.data
    await api.patch("done", {"metadata": {"labels": {"seen": "again"}}})
    await asyncio.sleep(QUIET_SECONDS)
    assert build["status"] == (await api.get("done"))["status"]
    assert [] == await stores.store(store).names(active)
    assert [] == operators.tracebacks()


async def test_what_a_deleted_build_left_outside_is_erased_with_it(
    api: Api, operators: Operators, box: Strongbox, stores: Opened
) -> None:
    await operators.begin(**box.settings)
    policy = {"store": OUTSIDE, "deletionPolicy": "Delete"}
    async with kubelet(api):
        await api.create("fleeting", {**BY_HAND, "checkpoints": policy})
        build = await wait_for(api, "fleeting", "COMPLETE")
    assert ["buildstate.dev/store"] == build["metadata"]["finalizers"]
    active, store = place_of(build), stores.store(OUTSIDE)
    assert len(refs_of(build)) == len(await store.names(active))
    await api.delete("fleeting")
    await gone(api, "fleeting")
    for area in ("active", "archived", "backups"):
        assert [] == await store.list(f"{area}/{active.namespace}/{active.uid}/")


async def gone(api: Api, name: str) -> None:
    """Wait until there is no such build any more."""
    async with asyncio.timeout(30):
        while (await api.get(name)).get("code") != 404:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.05)


async def test_a_build_whose_store_cannot_be_erased_is_let_go_in_time(
    api: Api, operators: Operators, tmp_path: Path
) -> None:
    box = Strongbox(tmp_path)
    box.write()  # Nobody is there.
    await operators.begin(**box.settings, BUILDSTATE_ERASE_SECONDS="3")
    policy = {"store": OUTSIDE, "deletionPolicy": "Delete"}
    async with kubelet(api, always("Succeeded")):
        await api.create("stuck", {**BY_HAND, "checkpoints": policy})
        build = await wait_for(api, "stuck", "COMPLETE")
    assert ["buildstate.dev/store"] == build["metadata"]["finalizers"]
    began = asyncio.get_running_loop().time()
    await api.delete("stuck")
    await gone(api, "stuck")
    assert 2 < asyncio.get_running_loop().time() - began < 15
    assert operators.lines("the build is let go")
    assert [] == operators.tracebacks()
