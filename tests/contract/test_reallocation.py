"""Pods that have too little, or that somebody takes away; the test is the kubelet."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from tests.contract.apis import Api, Document
from tests.contract.operators import (
    FORWARD,
    PATIENCE,
    WORK,
    Build,
    Operators,
    assert_sound,
    condition_of,
    kill,
    name_of,
    wait_for,
    wait_until,
)

pytestmark = pytest.mark.contract

SMALL = {"requests": {"memory": "32Mi"}, "limits": {"memory": "64Mi"}}
HUNGRY = {"phases": {"build": {**WORK, "resources": SMALL}}}
PLAIN = {"phases": {"build": WORK}}
ENDED = ("Succeeded", "Failed")


async def pod_of_attempt(api: Api, number: int) -> Document:
    """Give the Pod of that attempt as soon as it is there; no two ever live at once."""
    async with asyncio.timeout(PATIENCE):
        while True:
            pods = await api.pods()
            live = [pod for pod in pods if pod["status"]["phase"] not in ENDED]
            assert len(live) <= 1, [name_of(pod) for pod in live]
            for pod in pods:
                if pod["metadata"]["labels"]["buildstate.dev/attempt"] == str(number):
                    return pod
            await asyncio.sleep(0.02)


async def ends(api: Api, pod: Document, reason: str, **status: Any) -> None:
    """Let the container of a Pod end like that."""
    ended = {"exitCode": 137, "reason": reason, "message": "the last words"}
    states = [
        {
            "name": "work",
            "state": {"terminated": ended},
            "ready": False,
            "restartCount": 0,
            "image": "none",
            "imageID": "",
        }
    ]
    await api.set_pod_status(name_of(pod), phase="Failed", containerStatuses=states, **status)


def limit_of(pod: Document) -> str:
    """The memory limit of a Pod's work."""
    (work,) = pod["spec"]["containers"]
    limit: str = work["resources"]["limits"]["memory"]
    return limit


def record_of(build: Build) -> Document:
    """What the status says of BUILD."""
    record: Document = next(one for one in build["status"]["phases"] if one["phase"] == "BUILD")
    return record


def reason_is(reason: str) -> Any:
    """Say whether the build is where it is for that reason."""
    return lambda status: any(
        one["type"] == "Ready" and one["reason"] == reason for one in status.get("conditions", ())
    )


async def no_pod_waits(api: Api) -> None:
    """Wait until no Pod is left that has not ended."""
    async with asyncio.timeout(PATIENCE):
        while await api.pods("Pending"):  # noqa: ASYNC110 - the API server is asked
            await asyncio.sleep(0.05)


# Memory.


async def test_what_is_oom_killed_gets_more_memory_until_it_is_enough(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await api.create("hungry", HUNGRY)

    limits = []
    for number in (1, 2, 3):
        pod = await pod_of_attempt(api, number)
        limits.append(limit_of(pod))
        if number < 3:
            await ends(api, pod, "OOMKilled")
    await api.set_pod_phase(name_of(pod), "Succeeded")
    build = await wait_for(api, "hungry", "COMPLETE")

    assert ["64Mi", "128Mi", "256Mi"] == limits
    assert_sound(build, FORWARD)
    record = record_of(build)
    assert ("256Mi", 3, 2) == (record["memory"], record["attempts"], record["retry"]["growths"])
    assert await api.tells("hungry", "OOMKilled")
    said = [one["message"] for one in await api.every("events") if one["reason"] == "OOMKilled"]
    assert "attempt 1 of BUILD: OOMKilled with 64Mi; attempt 2 gets 128Mi" in said


async def test_what_needs_more_memory_than_the_maximum_fails(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    growth = {"memoryGrowth": {"factor": "1.5", "maximum": "80Mi"}}
    await api.create("greedy", {**HUNGRY, "resources": growth})

    for number in (1, 2):
        await ends(api, await pod_of_attempt(api, number), "OOMKilled")
    build = await wait_for(api, "greedy", "ERROR")

    failure = build["status"]["failure"]
    assert ("PhaseFailed", "OOMKilled", 2) == (
        failure["category"],
        failure["reason"],
        failure["attempt"],
    )
    assert "80Mi was not enough, and is the most" in failure["message"]


# Disruptions.


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"reason": "Evicted", "message": "low on memory"}, "Evicted"),
        (
            {
                "conditions": [
                    {
                        "type": "DisruptionTarget",
                        "status": "True",
                        "reason": "PreemptionByScheduler",
                    }
                ]
            },
            "Preempted",
        ),
    ],
)
async def test_what_is_disrupted_goes_on_on_another_node(
    api: Api, operators: Operators, status: dict[str, Any], reason: str
) -> None:
    await operators.begin()
    await api.create("moved", PLAIN)
    pod = await pod_of_attempt(api, 1)
    await api.bind(name_of(pod), "n1")
    await api.set_pod_status(name_of(pod), phase="Failed", **status)

    again = await pod_of_attempt(api, 2)
    await api.set_pod_phase(name_of(again), "Succeeded")
    build = await wait_for(api, "moved", "COMPLETE")

    (term,) = again["spec"]["affinity"]["nodeAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    avoided = [field["values"] for field in term["preference"]["matchFields"]]
    assert [["n1"]] == avoided
    record = record_of(build)
    assert (reason, ["n1"]) == (record["retry"]["reason"], record["avoidNodes"])
    assert await api.tells("moved", reason)


async def test_a_pod_that_somebody_deletes_is_followed_by_another_once_it_is_gone(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await api.create("robbed", PLAIN)
    pod = await pod_of_attempt(api, 1)
    await api.bind(name_of(pod), "n1")

    await api.delete_pod(name_of(pod))
    await wait_until(api, "robbed", reason_is("Stopping"))
    assert [name_of(pod)] == [name_of(one) for one in await api.pods()]
    await api.delete_pod(name_of(pod), gracePeriodSeconds=0)

    again = await pod_of_attempt(api, 2)
    assert pod["metadata"]["uid"] != again["metadata"]["uid"]
    await api.set_pod_phase(name_of(again), "Succeeded")
    build = await wait_for(api, "robbed", "COMPLETE")
    assert "PodDeleted" == record_of(build)["retry"]["reason"]
    assert await api.tells("robbed", "PodDeleted")


async def test_a_pod_that_is_gone_at_once_is_followed_by_another(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await api.create("robbed", PLAIN)
    pod = await pod_of_attempt(api, 1)

    await api.delete_pod(name_of(pod), gracePeriodSeconds=0)

    again = await pod_of_attempt(api, 2)
    await api.set_pod_phase(name_of(again), "Succeeded")
    assert_sound(await wait_for(api, "robbed", "COMPLETE"), FORWARD)


async def test_a_pod_that_goes_while_nobody_looks_is_made_again(
    api: Api, operators: Operators
) -> None:
    operator = await operators.begin()
    await api.create("robbed", PLAIN)
    pod = await pod_of_attempt(api, 1)
    kill(operator)
    await api.delete_pod(name_of(pod), gracePeriodSeconds=0)

    await operators.begin()

    again = await pod_of_attempt(api, 1)
    assert pod["metadata"]["uid"] != again["metadata"]["uid"]
    await api.set_pod_phase(name_of(again), "Succeeded")
    assert_sound(await wait_for(api, "robbed", "COMPLETE"), FORWARD)


async def test_an_operator_that_dies_while_a_pod_goes_makes_no_second_one(
    api: Api, operators: Operators
) -> None:
    operator = await operators.begin()
    await api.create("robbed", PLAIN)
    pod = await pod_of_attempt(api, 1)
    await api.bind(name_of(pod), "n1")
    await api.delete_pod(name_of(pod))
    await wait_until(api, "robbed", reason_is("Stopping"))
    kill(operator)

    await operators.begin()
    await api.patch("robbed", {"spec": {"metadata": {"seen": "yes"}}})
    await wait_until(api, "robbed", lambda status: status["metadata"] == {"seen": "yes"})
    assert [name_of(pod)] == [name_of(one) for one in await api.pods()]

    await api.delete_pod(name_of(pod), gracePeriodSeconds=0)
    again = await pod_of_attempt(api, 2)
    await api.set_pod_phase(name_of(again), "Succeeded")
    assert_sound(await wait_for(api, "robbed", "COMPLETE"), FORWARD)


async def test_a_pod_on_a_node_that_does_not_answer_is_never_joined_by_another(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await api.create("lost", PLAIN)
    pod = await pod_of_attempt(api, 1)
    await api.bind(name_of(pod), "n1")
    await api.set_pod_phase(name_of(pod), "Unknown")

    build = await wait_until(api, "lost", reason_is("NodeLost"))
    assert "node n1 does not answer" in condition_of(build, "Ready")["message"]
    assert "Waiting" == build["status"]["status"]
    assert [name_of(pod)] == [name_of(one) for one in await api.pods()]

    await api.delete_pod(name_of(pod), gracePeriodSeconds=0)
    again = await pod_of_attempt(api, 2)
    await api.set_pod_phase(name_of(again), "Succeeded")
    assert_sound(await wait_for(api, "lost", "COMPLETE"), FORWARD)


async def test_a_node_that_answers_again_goes_on_where_it_was(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await api.create("lost", PLAIN)
    pod = await pod_of_attempt(api, 1)
    await api.set_pod_phase(name_of(pod), "Unknown")
    await wait_until(api, "lost", reason_is("NodeLost"))

    await api.set_pod_phase(name_of(pod), "Succeeded")

    build = await wait_for(api, "lost", "COMPLETE")
    assert 1 == record_of(build)["attempts"]


async def test_what_no_node_has_room_for_fails_when_its_time_is_over(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    # There is no node at all: it is the scheduler itself that says so.
    limited = {"resources": {"scheduleTimeoutSeconds": 2}}
    work = {**WORK, "backoffLimit": 3}
    await api.create("placeless", {"phases": {"build": work}, **limited})

    waiting = await wait_until(api, "placeless", reason_is("Unschedulable"))
    build = await wait_for(api, "placeless", "ERROR")

    assert "unschedulableTime" in record_of(waiting)
    failure = build["status"]["failure"]
    assert ("ResourceAllocationFailure", "Unschedulable") == (
        failure["category"],
        failure["reason"],
    )
    assert failure["message"].startswith("no node had room for 2 s: ")
    await no_pod_waits(api)


async def test_nothing_is_left_of_a_phase_that_was_aborted_while_its_memory_grew(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await api.create("stopped", HUNGRY)
    for number in (1, 2):
        await ends(api, await pod_of_attempt(api, number), "OOMKilled")
    await pod_of_attempt(api, 3)

    await api.patch("stopped", {"spec": {"phase": "ERROR"}})

    build = await wait_for(api, "stopped", "ERROR")
    await no_pod_waits(api)
    steps = build["status"]["history"]
    assert all(after["sequence"] == before["sequence"] + 1 for before, after in pairwise(steps))
