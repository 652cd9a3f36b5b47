"""The operator's process against a real API server; the test is the kubelet."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
from bench.processes import OperatorProcess, running
from tests.contract.apis import Api, Document, opened

from buildstate.domain.transitions import VALID_TRANSITIONS
from buildstate.domain.validation import validate
from clusters import Cluster, Profile, choose

pytestmark = pytest.mark.contract

CRD = Path(__file__).parents[2] / "crds" / "buildstates.buildstate.dev.yaml"
WORK = {"image": "none", "command": ["true"]}
FOUR = dict.fromkeys(("setup", "build", "test", "cleanup"), WORK)
FORWARD = ["SETUP", "BUILD", "TEST", "CLEANUP", "COMPLETE"]
PATIENCE = 60.0
_numbers = count(1)


@pytest.fixture
def namespace(api_cluster: Cluster) -> Iterator[str]:
    name = f"engine-{next(_numbers)}"
    api_cluster.kubectl("create", "namespace", name)
    # No controller makes it without its controller manager's help: Pods name it.
    api_cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default")
    yield name
    api_cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
async def api(api_cluster: Cluster, namespace: str) -> AsyncIterator[Api]:
    async with opened(api_cluster, namespace) as api:
        yield api


@pytest.fixture
def operators(api_cluster: Cluster, tmp_path: Path) -> Iterator["Operators"]:
    with ExitStack() as stack:
        yield Operators(api_cluster, tmp_path, stack)


class Operators:
    """Operator processes, begun and killed as the test likes."""

    def __init__(self, cluster: Cluster, logs: Path, stack: ExitStack) -> None:
        self._cluster = cluster
        self._logs = logs
        self._stack = stack
        self._count = count(1)

    async def begin(self, **settings: str) -> OperatorProcess:
        """Start one more, and wait until it is ready."""
        log = self._logs / f"operator-{next(self._count)}.log"
        context = running(self._cluster.kubeconfig, log, settings)
        operator = await asyncio.to_thread(context.__enter__)
        self._stack.push(context)
        return operator

    def tracebacks(self) -> list[str]:
        """The records with a traceback in any log."""
        lines = (line for log in self._logs.iterdir() for line in log.read_text().splitlines())
        return [line for line in lines if "Traceback" in line]


class Kubelet:
    """Ends every Pod of the namespace as soon as it is there."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @asynccontextmanager
    async def at_work(self, phase: str = "Succeeded") -> AsyncIterator[None]:
        task = asyncio.create_task(self._run(phase))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, phase: str) -> None:
        while True:
            for pod in await self._api.pods():
                if pod["status"]["phase"] == "Pending":
                    await self._api.set_pod_phase(pod["metadata"]["name"], phase)
            await asyncio.sleep(0.02)


async def wait_for(api: Api, name: str, phase: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        while True:
            seen = dict(await api.get(name))
            if seen.get("status", {}).get("phase") == phase:
                return seen
            await asyncio.sleep(0.02)


async def wait_for_pods(api: Api, number: int) -> list[Document]:
    async with asyncio.timeout(PATIENCE):
        while True:
            pods = await api.pods()
            if len(pods) >= number:
                return pods
            await asyncio.sleep(0.02)


def stops_being_ready(operator: OperatorProcess) -> None:
    while operator.is_ready():
        time.sleep(0.1)


def name_of(pod: Document) -> str:
    return str(pod["metadata"]["name"])


def assert_sound(build: dict[str, Any], expected: list[str]) -> None:
    """The state is valid, and its history is the legal path that was expected."""
    status = build["status"]
    assert not validate(status, build["metadata"]["uid"]).violations
    assert expected == [step["to"] for step in status["history"]]
    steps = [(step["from"], step["to"]) for step in status["history"]]
    assert all(to in VALID_TRANSITIONS[origin] for origin, to in steps)
    assert all(one[1] == two[0] for one, two in pairwise(steps))


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
    labels = [pod["metadata"]["labels"] for pod in await api.pods()]
    assert FORWARD[:-1] == sorted(
        (label["buildstate.dev/phase"] for label in labels), key=FORWARD.index
    )
    assert [] == operators.tracebacks()


async def test_two_operators_at_once_do_no_harm(api: Api, operators: Operators) -> None:
    await asyncio.gather(operators.begin(), operators.begin())
    names = [f"shared-{number}" for number in range(10)]

    async with Kubelet(api).at_work():
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

    async with Kubelet(api).at_work():
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
        assert "status" not in await elsewhere.get("ignored")


async def test_it_is_not_ready_once_the_api_server_is_gone(tmp_path: Path) -> None:
    cluster = choose("local").start("contract-gone", profile=Profile.CONTROL_PLANE)
    try:
        cluster.kubectl("apply", "--server-side", "-f", CRD)
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", CRD)
        with ExitStack() as stack:
            operator = await Operators(cluster, tmp_path, stack).begin()
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

    async with Kubelet(api).at_work("Failed"):
        build = await wait_for(api, "unlucky", "ERROR")

    assert_sound(build, ["SETUP", "BUILD", "ERROR"])
    assert 3 == len(await api.pods())
    assert [] == operators.tracebacks()
