"""Builds that wait for each other, by the operator's process on a real API server."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from tests.contract.apis import Api
from tests.contract.operators import (
    FORWARD,
    WORK,
    Build,
    Operators,
    always,
    ask,
    assert_sound,
    condition_of,
    holding,
    kill,
    kubelet,
    name_of,
    wait_for,
    wait_for_pods,
    wait_until,
)
from tests.contract.test_artifacts import DIGEST, GOOD, OTHER, ended, told
from tests.contract.test_lines import set_quota

pytestmark = pytest.mark.contract

BUILD_WORK = {"build": WORK}


def on(*names: str, **fields: str) -> dict[str, Any]:
    """What a build says that depends on those."""
    return {"dependencies": [{"name": name, **fields} for name in names]}


def entered(build: Build, phase: str) -> str:
    """When a build entered a phase, as a text that orders as the times do."""
    times = [step["time"] for step in build["status"]["history"] if step["to"] == phase]
    return str(times[-1])


async def wait_for_reason(api: Api, name: str, reason: str) -> Build:
    """Give the build as soon as its condition Ready has that reason."""
    return await wait_until(
        api,
        name,
        lambda status: any(
            one["type"] == "Ready" and one["reason"] == reason
            for one in status.get("conditions", ())
        ),
    )


async def wait_for_failure(api: Api, name: str) -> tuple[str, str]:
    """Give reason and message of the failure as soon as the build is in ERROR."""
    failure = (await wait_for(api, name, "ERROR"))["status"]["failure"]
    assert "TransitionViolation" == failure["category"]
    return failure["reason"], failure["message"]


async def test_a_diamond_is_walked_from_its_top(api: Api, operators: Operators) -> None:
    await operators.begin()
    async with kubelet(api):
        await api.create("report", {"phases": BUILD_WORK, **on("server", "client")})
        for side in ("server", "client"):
            await api.create(side, {"phases": BUILD_WORK, **on("library")})
        await api.create("library", {"phases": BUILD_WORK})
        ends = [
            await wait_for(api, name, "COMPLETE")
            for name in ("library", "server", "client", "report")
        ]

    for build in ends:
        assert_sound(build, FORWARD)
    top, *sides, bottom = ends
    for middle in sides:
        assert entered(top, "COMPLETE") <= entered(middle, "BUILD")
        assert entered(middle, "COMPLETE") <= entered(bottom, "BUILD")
        (known,) = middle["status"]["dependencies"]
        assert (top["metadata"]["uid"], True) == (known["uid"], known["satisfied"])
    assert [] == operators.tracebacks()


async def test_fifty_in_a_row_end_in_their_order_and_write_no_more_than_alone(
    api: Api, operators: Operators
) -> None:
    operator = await operators.begin()
    await api.create("alone", {})
    await wait_for(api, "alone", "COMPLETE")
    alone = writes(operator.requests())
    names = [f"link-{number:02}" for number in range(50)]

    # The last one first: all of them wait before the one that they all wait for is there.
    for number, name in reversed([*enumerate(names)]):
        await api.create(name, on(names[number - 1]) if number else {})
    ends = [await wait_for(api, name, "COMPLETE") for name in names]

    for build in ends:
        assert_sound(build, FORWARD)
    for before, after in pairwise(ends):
        assert entered(before, "COMPLETE") <= entered(after, "BUILD")
    # One more each, at the most: that the other one was missing, and is there now.
    assert writes(operator.requests()) - alone <= 50 * (alone + 1)
    assert [] == operators.tracebacks()


def writes(requests: dict[tuple[str, str], float]) -> float:
    """How often a status was written."""
    return sum(number for (verb, what), number in requests.items() if verb == "update" and what)


@pytest.mark.parametrize("length", [2, 3, 50])
async def test_each_build_of_a_ring_says_that_it_is_one(
    api: Api, operators: Operators, length: int
) -> None:
    await operators.begin()
    names = [f"ring-{number:02}" for number in range(length)]
    for number, name in enumerate(names):
        await api.create(name, on(names[number - 1]))

    for number, name in enumerate(names):
        reason, message = await wait_for_failure(api, name)
        assert "DependencyCycle" == reason
        assert f": {name} -> {names[number - 1]} -> " in message
        assert message.endswith(f" -> {name}")
    assert [] == operators.tracebacks()


async def test_a_cycle_that_is_broken_by_hand_can_be_restarted(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    policy = {"recovery": {"strategy": "Restart", "backoffSeconds": 0}}
    await api.create("egg", {**on("hen"), **policy})
    await api.create("hen", {**on("egg"), **policy})
    for name in ("egg", "hen"):
        await wait_for_failure(api, name)

    assert 200 == (await api.patch("hen", {"spec": {"dependencies": None}})).code
    ends = [await wait_for(api, name, "COMPLETE") for name in ("egg", "hen")]
    assert [1, 1] == [build["status"]["recovery"]["attempts"] for build in ends]


async def test_a_dependency_on_itself_is_refused(api: Api) -> None:
    answer = await api.create("narcissus", on("echo", "narcissus"))
    assert 422 == answer.code
    assert "a build cannot wait for itself" in answer.message


async def test_who_waits_for_a_build_that_fails_fails_and_says_why(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await api.create("app", on("lib"))
    await wait_for_reason(api, "app", "DependencyMissing")
    await api.create("lib", {"phases": BUILD_WORK})
    await wait_for_reason(api, "app", "DependencyPending")
    async with kubelet(api, always("Failed")):
        found = await wait_for_failure(api, "app")
    said = "lib did not reach COMPLETE: it is failed in ERROR: Error"
    assert ("DependencyFailed", said) == found


async def test_who_waits_for_a_build_that_is_aborted_goes_on_when_both_are_restarted(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await api.create("app", on("lib"))
    await api.create("lib", {"phase": "SETUP"})
    await wait_for(api, "lib", "SETUP")
    await ask(api, "lib", "stop", "Abort")
    found = await wait_for_failure(api, "app")
    assert ("DependencyFailed", "aborted") == (found[0], found[1].split()[7])

    assert "Done" == (await ask(api, "lib", "again", "Restart"))["outcome"]
    assert "Done" == (await ask(api, "app", "again", "Restart"))["outcome"]
    await wait_for_reason(api, "app", "DependencyPending")
    await api.patch("lib", {"spec": {"phase": "COMPLETE"}})
    assert_sound(await wait_for(api, "app", "COMPLETE"))


async def test_one_that_is_removed_and_made_anew_is_told_apart(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await api.create("app", on("lib", "data"))
    await api.create("lib", {})
    await wait_until(api, "app", lambda status: satisfied(status) == {"lib"})
    first = (await api.get("lib"))["metadata"]["uid"]

    await api.delete("lib")
    await api.create("lib", {"phase": "SETUP"})
    build = await wait_until(api, "app", lambda status: satisfied(status) == set())
    assert first not in {one["uid"] for one in build["status"]["dependencies"]}
    assert await api.tells("app", "DependencyReplaced")

    await api.patch("lib", {"spec": {"phase": "COMPLETE"}})
    await api.create("data", {})
    assert_sound(await wait_for(api, "app", "COMPLETE"), FORWARD)


async def test_what_had_come_far_enough_may_be_tidied_away(api: Api, operators: Operators) -> None:
    await operators.begin()
    await api.create("app", on("lib", "data"))
    await api.create("lib", {})
    await wait_until(api, "app", lambda status: satisfied(status) == {"lib"})
    await api.delete("lib")
    await api.create("data", {})
    assert_sound(await wait_for(api, "app", "COMPLETE"), FORWARD)


def satisfied(status: dict[str, Any]) -> set[str]:
    """The dependencies that are satisfied, by what is written."""
    return {one["name"] for one in status.get("dependencies", ()) if one["satisfied"]}


async def test_killed_while_builds_wait_the_operator_goes_on_where_it_was(
    api: Api, operators: Operators
) -> None:
    operator = await operators.begin()
    await api.create("app", on("lib"))
    await api.create("lib", {"phases": BUILD_WORK})
    before = await wait_for_reason(api, "app", "DependencyPending")
    (pod,) = await wait_for_pods(api, 1)
    kill(operator)
    # Nobody sees that the other one goes on.
    await api.set_pod_phase(name_of(pod), "Succeeded")
    await operators.begin()
    async with kubelet(api):
        build = await wait_for(api, "app", "COMPLETE")
    assert_sound(build, FORWARD)
    assert before["status"]["dependencies"][0]["uid"] == build["status"]["dependencies"][0]["uid"]
    assert [] == operators.tracebacks()


async def test_while_it_waits_nothing_is_asked_of_the_cluster(
    api: Api, operators: Operators
) -> None:
    operator = await operators.begin()
    for number in range(20):
        await api.create(f"app-{number}", on("lib"))
    await api.create("lib", {"phases": BUILD_WORK})
    async with kubelet(api, holding("BUILD")):
        builds = [
            await wait_for_reason(api, f"app-{number}", "DependencyPending") for number in range(20)
        ]
        await wait_for_reason(api, "lib", "Unschedulable")
    asked = operator.requests()
    # What comes after it in the queue has had its turn, and so has all that waits.
    await api.create("last", {})
    await wait_for(api, "last", "COMPLETE")
    alone = {key: operator.requests()[key] - asked.get(key, 0) for key in operator.requests()}
    assert 6 >= sum(count for (verb, _), count in alone.items() if verb == "update")
    assert [one["metadata"]["resourceVersion"] for one in builds] == [
        (await api.get(f"app-{number}"))["metadata"]["resourceVersion"] for number in range(20)
    ]


@pytest.mark.parametrize(
    ("phase", "change", "code"),
    [
        pytest.param("SETUP", on("other"), 200, id="before the gate"),
        pytest.param("BUILD", on("other"), 422, id="another behind the gate"),
        pytest.param("BUILD", {"dependencies": None}, 422, id="none behind the gate"),
        pytest.param("BUILD", on("lib", phase="TEST"), 422, id="another phase"),
        pytest.param("BUILD", on("lib", before="TEST"), 422, id="another gate"),
        pytest.param("BUILD", {**on("lib"), "suspend": True}, 200, id="the same"),
        pytest.param("ERROR", on("other"), 200, id="in ERROR"),
    ],
)
async def test_what_is_behind_its_gate_stays(
    api: Api, phase: str, change: dict[str, Any], code: int
) -> None:
    await api.create("app", on("lib"))
    for step in ("INIT", "SETUP", "BUILD", "ERROR"):
        await api.set_status("app", phase=step)
        if step == phase:
            break
    answer = await api.patch("app", {"spec": change})
    assert code == answer.code, answer.message
    if code == 422:
        assert "once the phase that it stands before was entered" in answer.message


async def test_a_gate_ahead_may_be_added_while_one_is_behind(api: Api) -> None:
    await api.create("app", on("lib"))
    for step in ("INIT", "SETUP", "BUILD"):
        await api.set_status("app", phase=step)
    more = {"dependencies": [{"name": "lib"}, {"name": "late", "before": "CLEANUP"}]}
    assert 200 == (await api.patch("app", {"spec": more})).code
    late = {"dependencies": [{"name": "lib"}, {"name": "late", "before": "SETUP"}]}
    assert 422 == (await api.patch("app", {"spec": late})).code


async def test_the_same_build_is_named_once(api: Api) -> None:
    answer = await api.create("app", on("lib", "lib"))
    assert (422, True) == (answer.code, "Duplicate value" in answer.message)


async def test_a_phase_counts_when_it_is_entered(api: Api, operators: Operators) -> None:
    await operators.begin()
    await api.create("lib", {"phases": BUILD_WORK})
    await api.create("app", on("lib", phase="BUILD", before="CLEANUP"))
    await api.create("late", on("lib", phase="TEST", before="SETUP"))
    async with kubelet(api, holding("BUILD")):
        assert_sound(await wait_for(api, "app", "COMPLETE"), FORWARD)
        build = await wait_for_reason(api, "late", "DependencyPending")
    assert "INIT" == build["status"]["phase"]
    said = "SETUP waits for lib to reach TEST"
    assert said == condition_of(build, "Ready")["message"]
    async with kubelet(api):
        await asyncio.gather(*(wait_for(api, name, "COMPLETE") for name in ("lib", "late")))


JAR = {"artifacts": [{"name": "jar", "phase": "BUILD", "path": "dist/jar"}], "phases": BUILD_WORK}


def on_the_jar(**fields: str) -> dict[str, Any]:
    """What a build says that depends on the artifact of `lib` as soon as that is there."""
    return {"dependencies": [{"name": "lib", "phase": "BUILD", "artifact": "jar", **fields}]}


async def test_an_artifact_is_waited_for_and_its_digest_compared(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await api.create("any", on_the_jar())
    await api.create("this", on_the_jar(sha256=DIGEST))
    await api.create("another", on_the_jar(sha256=OTHER))
    await api.create("lib", JAR)
    await wait_for_pods(api, 1)
    for name in ("any", "this", "another"):
        await wait_for_reason(api, name, "DependencyPending")

    await ended(api, "BUILD", report=told(GOOD))
    for name in ("any", "this"):
        (known,) = (await wait_for(api, name, "COMPLETE"))["status"]["dependencies"]
        assert ("jar", DIGEST, True) == (known["artifact"], known["sha256"], known["satisfied"])
    reason, message = await wait_for_failure(api, "another")
    assert ("DependencyMismatch", True) == (reason, DIGEST in message and OTHER in message)


async def test_a_digest_goes_with_an_artifact(api: Api) -> None:
    answer = await api.create("app", {"dependencies": [{"name": "lib", "sha256": DIGEST}]})
    assert 422 == answer.code
    assert "sha256 goes with artifact" in answer.message


async def test_who_waits_for_another_leaves_the_quota_to_it(api: Api, operators: Operators) -> None:
    await set_quota(api, pods="1")
    await operators.begin()
    # The first one is promised the only Pod for its SETUP, and would keep it until its end.
    await api.create("app", {"phases": {"setup": WORK, **BUILD_WORK}, **on("lib")})
    async with kubelet(api):
        await wait_for_reason(api, "app", "DependencyMissing")
        await api.create("lib", {"phases": BUILD_WORK})
        ends = [await wait_for(api, name, "COMPLETE") for name in ("lib", "app")]
    for build in ends:
        assert_sound(build, FORWARD)


async def test_two_that_wait_for_each_other_say_so_when_the_quota_has_no_room(
    api: Api, operators: Operators
) -> None:
    await set_quota(api, pods="1")
    await operators.begin()
    for name, other in (("egg", "hen"), ("hen", "egg")):
        await api.create(name, {"phases": {"setup": WORK, **BUILD_WORK}, **on(other)})
    async with kubelet(api):
        for name in ("egg", "hen"):
            assert "DependencyCycle" == (await wait_for_failure(api, name))[0]
