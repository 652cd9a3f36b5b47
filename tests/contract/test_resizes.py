"""Resources that change while a Pod runs, on a real API server; the test is the kubelet."""

import asyncio

import pytest
from tests.contract.apis import Api
from tests.contract.operators import (
    FORWARD,
    PATIENCE,
    Operators,
    assert_sound,
    name_of,
    wait_for,
    wait_until,
)
from tests.contract.test_reallocation import (
    HUNGRY,
    limit_of,
    pod_of_attempt,
    reason_is,
    record_of,
)

pytestmark = pytest.mark.contract


async def test_a_pod_that_runs_gets_what_is_wanted_now(api: Api, operators: Operators) -> None:
    operator = await operators.begin(BUILDSTATE_NAMESPACES=api.namespace)
    await api.create("grown", HUNGRY)
    pod = await pod_of_attempt(api, 1)
    # It has no node: one without a kubelet would not be asked by the API server.

    for limit in ("96Mi", "128Mi"):
        more = {"resources": {"limits": {"memory": limit}}}
        answer = await api.patch("grown", {"spec": {"phases": {"build": more}}})
        assert 200 == answer.code, answer.message
        async with asyncio.timeout(PATIENCE):
            while limit_of((await api.pods())[0]) != limit:  # noqa: ASYNC110 - it is asked
                await asyncio.sleep(0.02)

    await api.set_pod_phase(name_of(pod), "Succeeded")
    build = await wait_for(api, "grown", "COMPLETE")
    assert 1 == record_of(build)["attempts"]
    assert 2 == operator.requests()["patch", "pods/resize"]


async def test_what_the_cluster_refuses_comes_with_the_next_attempt(
    api: Api, operators: Operators
) -> None:
    operator = await operators.begin(BUILDSTATE_NAMESPACES=api.namespace)
    await api.create("stubborn", HUNGRY)
    pod = await pod_of_attempt(api, 1)
    # Of a node that it does not know the API server changes nothing.
    await api.bind(name_of(pod), "n1")
    await api.set_pod_phase(name_of(pod), "Running")

    more = {"resources": {"limits": {"memory": "128Mi"}}}
    await api.patch("stubborn", {"spec": {"phases": {"build": more}}})
    build = await wait_until(api, "stubborn", reason_is("ResizeRefused"))
    assert ("Running", 1) == (build["status"]["status"], build["status"]["attempt"])
    assert await api.tells("stubborn", "ResizeRefused")

    await api.set_pod_status(name_of(pod), phase="Failed", reason="Evicted")
    again = await pod_of_attempt(api, 2)
    assert "128Mi" == limit_of(again)
    assert 1 == operator.requests()["patch", "pods/resize"]
    await api.set_pod_phase(name_of(again), "Succeeded")
    assert_sound(await wait_for(api, "stubborn", "COMPLETE"), FORWARD)
