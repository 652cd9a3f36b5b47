"""What builds hold, on a real API server: counted, corrected, given back, gone at the end."""

import asyncio
import os
import signal
from typing import Any

import pytest
from tests.contract.apis import Api, Document
from tests.contract.operators import (
    FORWARD,
    FOUR,
    WORK,
    Operators,
    assert_sound,
    condition_of,
    kubelet,
    name_of,
    wait_for,
    wait_for_pods,
    wait_until,
)

from buildstate.domain import names

pytestmark = pytest.mark.contract

NEED = {"requests": {"cpu": "500m", "example.com/gpu": "1"}, "limits": {"example.com/gpu": "1"}}
NEEDY = {**WORK, "resources": NEED}
HELD = {"cpu": "500m", "example.com/gpu": "1", "pods": "1"}
QUIET_SECONDS = 2.0


def held(build: Document) -> dict[str, Any]:
    """What the status says to be held."""
    resources: dict[str, Any] = build["status"]["resources"]
    return resources


async def claims_of(api: Api) -> list[str]:
    """The names of the claims that nobody has deleted."""
    found = await api.every("persistentvolumeclaims")
    return [name_of(one) for one in found if "deletionTimestamp" not in one["metadata"]]


async def let_go(api: Api, claim: str) -> None:
    """Take the protection off a claim that is going, as its controller does."""
    path = f"/api/v1/namespaces/{api.namespace}/persistentvolumeclaims/{claim}"
    await api._ask("PATCH", path, {"metadata": {"finalizers": None}})


def a_leftover(build: Document) -> Document:
    """A Pod of the build that no state of it speaks of."""
    metadata = build["metadata"]
    owner = {
        "apiVersion": build["apiVersion"],
        "kind": build["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "left-over",
            "labels": {
                names.MANAGED_BY_LABEL: names.MANAGED_BY,
                names.BUILD_LABEL: metadata["name"],
            },
            "ownerReferences": [owner],
        },
        "spec": {"containers": [{"name": "work", "image": "none"}]},
    }


async def test_what_a_lasting_pod_holds_is_written_down_with_the_defaults_of_the_namespace(
    api: Api, operators: Operators
) -> None:
    limits = {"type": "Container", "defaultRequest": {"memory": "64Mi"}}
    made = await api.post(
        f"/api/v1/namespaces/{api.namespace}/limitranges",
        {"metadata": {"name": "defaults"}, "spec": {"limits": [limits]}},
    )
    assert 201 == made.code, made.message
    await operators.begin()
    await api.create("needy", {"workspace": {"size": "1Gi"}, "phases": {"build": NEEDY}})
    (pod,) = await wait_for_pods(api, 1)

    build = await wait_until(api, "needy", lambda status: status["resources"]["pods"])

    allocated = {**HELD, "memory": "64Mi", "storage": "1Gi"}
    assert {**HELD, "storage": "1Gi"} == held(build)["asked"]
    assert allocated == held(build)["allocated"]
    assert [{"name": name_of(pod), "uid": pod["metadata"]["uid"]}] == held(build)["pods"]
    (claim,) = await api.every("persistentvolumeclaims")
    assert [{"name": name_of(claim), "uid": claim["metadata"]["uid"], "size": "1Gi"}] == held(
        build
    )["volumes"]

    await api.set_pod_phase(name_of(pod), "Succeeded")
    build = await wait_for(api, "needy", "COMPLETE")
    assert ({"storage": "1Gi"}, []) == (held(build)["allocated"], held(build)["pods"])
    assert {**HELD, "memory": "64Mi"} == held(build)["released"]
    assert_sound(build, FORWARD)


async def test_pods_that_end_at_once_cost_no_write_of_their_own(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    async with kubelet(api):
        await api.create("quick", {"phases": dict.fromkeys(FOUR, NEEDY)})
        build = await wait_for(api, "quick", "COMPLETE")
    assert (({}), HELD) == (held(build)["allocated"], held(build)["released"])
    version = build["metadata"]["resourceVersion"]
    await asyncio.sleep(QUIET_SECONDS)
    assert version == (await api.get("quick"))["metadata"]["resourceVersion"]


async def test_a_pod_that_no_state_speaks_of_is_deleted_and_said(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await api.create("tidy", {"phase": "INIT"})
    build = await wait_for(api, "tidy", "INIT")

    made = await api.post(f"/api/v1/namespaces/{api.namespace}/pods", a_leftover(build))
    assert 201 == made.code, made.message

    assert await api.tells("tidy", "LeftoverPodDeleted")
    path = f"/api/v1/namespaces/{api.namespace}/pods/left-over"
    assert 404 == (await api._ask("GET", path, None)).code


async def test_a_pod_that_was_taken_away_while_nobody_looked_is_made_again_and_said(
    api: Api, operators: Operators
) -> None:
    operator = await operators.begin()
    await api.create("robbed", {"phases": {"build": NEEDY}})
    (pod,) = await wait_for_pods(api, 1)
    await wait_until(api, "robbed", lambda status: status["resources"]["pods"])
    os.kill(operator.pid, signal.SIGKILL)
    path = f"/api/v1/namespaces/{api.namespace}/pods/{name_of(pod)}"
    await api._ask("DELETE", path, {"gracePeriodSeconds": 0})

    await operators.begin()

    assert await api.tells("robbed", "PodMadeAgain")
    (again,) = await wait_for_pods(api, 1)
    assert pod["metadata"]["uid"] != again["metadata"]["uid"]
    async with kubelet(api):
        assert_sound(await wait_for(api, "robbed", "COMPLETE"), FORWARD)


@pytest.mark.parametrize(
    ("release", "end", "is_kept"),
    [
        ("Never", "Succeeded", True),
        ("OnSuccess", "Succeeded", False),
        ("OnEnd", "Succeeded", False),
        ("OnSuccess", "Failed", True),
        ("OnEnd", "Failed", False),
    ],
)
async def test_a_workspace_is_given_back_as_its_policy_says(
    api: Api, operators: Operators, release: str, end: str, is_kept: bool
) -> None:
    await operators.begin()
    workspace = {"size": "1Gi", "release": release}
    async with kubelet(api, lambda _pod: end):
        await api.create("giving", {"workspace": workspace, "phases": {"build": WORK}})
        phase = "COMPLETE" if end == "Succeeded" else "ERROR"
        build = await wait_for(api, "giving", phase)

    if is_kept:
        await asyncio.sleep(QUIET_SECONDS)
        assert [build["status"]["workspaceClaim"]] == await claims_of(api)
        assert [end] == [pod["status"]["phase"] for pod in await api.pods()]
        return
    build = await wait_until(api, "giving", lambda status: "workspaceClaim" not in status)
    assert ([], []) == (await claims_of(api), await api.pods())
    assert ({}, []) == (held(build)["allocated"], held(build)["volumes"])
    expected = "True" if end == "Succeeded" else "False"
    assert expected == condition_of(build, "Succeeded")["status"]
    version = build["metadata"]["resourceVersion"]
    await asyncio.sleep(QUIET_SECONDS)
    assert version == (await api.get("giving"))["metadata"]["resourceVersion"]


async def test_a_claim_of_somebody_else_stays(api: Api, operators: Operators) -> None:
    claims = f"/api/v1/namespaces/{api.namespace}/persistentvolumeclaims"
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await api.post(claims, {"metadata": {"name": "theirs"}, "spec": spec})
    await operators.begin()
    async with kubelet(api):
        await api.create("guest", {"workspace": {"claimName": "theirs"}, "phases": FOUR})
        await wait_for(api, "guest", "COMPLETE")
        await api.patch("guest", {"spec": {"request": {"id": "1", "action": "Archive"}}})
    assert ["theirs"] == await claims_of(api)
