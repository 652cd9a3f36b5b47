"""The operator's process against a real API server; the test is the kubelet."""

import asyncio
import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from bench.processes import OperatorProcess
from tests.contract.apis import Api, opened
from tests.contract.operators import (
    FORWARD,
    FOUR,
    PATIENCE,
    WORK,
    Operators,
    always,
    assert_sound,
    kubelet,
    name_of,
    phase_of,
    wait_for,
    wait_for_pods,
)

from clusters import Cluster, Profile, choose
from clusters.definitions import establish

pytestmark = pytest.mark.contract

CRD = Path(__file__).parents[2] / "crds" / "buildstates.buildstate.dev.yaml"


def stops_being_ready(operator: OperatorProcess) -> None:
    while operator.is_ready():
        time.sleep(0.1)


async def test_killed_in_every_phase_it_loses_nothing_and_makes_no_pod_twice(
    api: Api, operators: Operators
) -> None:
    operator = await operators.begin()
    await api.create("hardy", {"phases": FOUR})

    for number, phase in enumerate(FORWARD[:-1], 1):
        await wait_for(api, "hardy", phase)
        os.kill(operator.pid, signal.SIGKILL)
        operator = await operators.begin()
        pods = await wait_for_pods(api, number)
        await asyncio.gather(*(api.set_pod_phase(name_of(pod), "Succeeded") for pod in pods))
    build = await wait_for(api, "hardy", "COMPLETE")

    assert_sound(build, FORWARD)
    made = [phase_of(pod) for pod in await api.pods()]
    assert FORWARD[:-1] == sorted(made, key=FORWARD.index)
    assert [] == operators.tracebacks()


async def test_two_operators_at_once_do_no_harm(api: Api, operators: Operators) -> None:
    await asyncio.gather(operators.begin(), operators.begin())
    names = [f"shared-{number}" for number in range(10)]

    async with kubelet(api):
        for name in names:
            await api.create(name, {"phases": FOUR})
        for name in names:
            assert_sound(await wait_for(api, name, "COMPLETE"), FORWARD)

    assert 4 * len(names) == len(await api.pods())
    assert [] == operators.tracebacks()


async def test_many_changes_of_mind_at_once_lead_to_the_last_one(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await api.create("fickle", {"phase": "INIT", "phases": FOUR})

    async with kubelet(api):
        for target in ("SETUP", "BUILD", "CLEANUP", "COMPLETE"):
            assert 200 == (await api.patch("fickle", {"spec": {"phase": target}})).code
            await api.patch("fickle", {"spec": {"metadata": {"target": target}}})
        build = await wait_for(api, "fickle", "COMPLETE")

    assert_sound(build, FORWARD)
    assert [] == operators.tracebacks()


async def test_a_foreign_pod_of_the_same_name_is_never_taken_for_ours(
    api: Api, operators: Operators
) -> None:
    await api.create("robbed", {"phases": {"setup": WORK}})
    operator = await operators.begin()
    name = name_of((await wait_for_pods(api, 1))[0])
    os.kill(operator.pid, signal.SIGKILL)
    await api.replace_pod(name)

    await operators.begin()

    build = await wait_for(api, "robbed", "ERROR")
    assert "ResourceAllocationFailure" == build["status"]["failure"]["category"]
    assert "NameTaken" == build["status"]["failure"]["reason"]


async def test_it_serves_only_the_namespaces_that_it_was_given(
    api_cluster: Cluster, api: Api, operators: Operators
) -> None:
    await api.create("served", {})
    await operators.begin(BUILDSTATE_NAMESPACES=f"{api.namespace},kube-system")

    async with opened(api_cluster, "default") as elsewhere:
        await elsewhere.create("ignored", {})
        await api.create("served-too", {})
        for name in ("served", "served-too"):
            assert_sound(await wait_for(api, name, "COMPLETE"), FORWARD)
        assert (await elsewhere.get("ignored"))["status"] == {"phase": "INIT"}


async def test_it_is_not_ready_once_the_api_server_is_gone(tmp_path: Path) -> None:
    cluster = choose("local").start("contract-gone", profile=Profile.CONTROL_PLANE)
    try:
        establish(cluster, CRD)
        with ExitStack() as stack:
            operator = await Operators(cluster.kubeconfig, tmp_path, stack).begin()
            assert operator.is_ready()
            cluster.stop()
            await asyncio.wait_for(asyncio.to_thread(stops_being_ready, operator), PATIENCE)
    finally:
        cluster.stop()


async def test_builds_whose_pods_fail_end_in_error_without_noise(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await api.create("unlucky", {"phases": {"build": {**WORK, "backoffLimit": 2}}})

    async with kubelet(api, always("Failed")):
        build = await wait_for(api, "unlucky", "ERROR")

    assert_sound(build, ["SETUP", "BUILD", "ERROR"])
    assert 3 == len(await api.pods())
    assert [] == operators.tracebacks()


@pytest.mark.parametrize("is_limited", [False, True], ids=["all namespaces", "two namespaces"])
async def test_who_is_told_to_end_is_gone_at_once(
    api_cluster: Cluster, api: Api, tmp_path: Path, is_limited: bool
) -> None:
    names = {"BUILDSTATE_NAMESPACES": f"{api.namespace},kube-system"} if is_limited else {}
    with ExitStack() as stack:
        await Operators(api_cluster.kubeconfig, tmp_path, stack).begin(**names)
        await api.create("seen", {})
        await wait_for(api, "seen", "COMPLETE")
        began = time.monotonic()
    assert time.monotonic() - began < 2
