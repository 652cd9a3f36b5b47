"""Artifacts on a real API server: the laws of their declaration, and what is made of reports."""

import asyncio
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.contract.apis import Api, Document
from tests.contract.operators import (
    FORWARD,
    FOUR,
    PATIENCE,
    WORK,
    Operators,
    assert_sound,
    condition_of,
    kill,
    name_of,
    phase_of,
    wait_for,
    wait_for_answer,
    wait_for_pods,
    wait_until,
)
from tests.stores.servers import Versity
from tests.worlds import a_report

from buildstate.domain.errors import Conflict
from buildstate.domain.findings import Finding, Found, Lack
from buildstate.stores import clouds
from buildstate.stores.clouds import CloudStore
from clusters import Cluster

pytestmark = pytest.mark.contract

APP = {"name": "app", "phase": "BUILD", "path": "dist/app"}
THING = {"name": "thing", "phase": "BUILD", "uri": "store://disk/dist/thing"}
DIGEST, OTHER = "ab" * 32, "cd" * 32
GOOD, ALTERED = Found(7, DIGEST), Found(7, OTHER)
PHASES = {"build": WORK}
SHARED = {"workspace": {"claimName": "theirs"}}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="a relative path"),
        pytest.param({"path": "/workspace/dist/app"}, id="an absolute path"),
        pytest.param({"path": "-rf a'b\"c\nd\u00fc\U0001f600$(x)"}, id="an odd path"),
        pytest.param({"path": "...//a..b/.."[:-3]}, id="dots that lead nowhere"),
        pytest.param({"path": "x" * 512}, id="a long path"),
        pytest.param({"sha256": DIGEST}, id="a digest"),
        pytest.param({"path": None, "uri": "store://main/dist/app v1.tar"}, id="an object"),
    ],
)
async def test_what_may_be_declared(api: Api, change: dict[str, Any]) -> None:
    answer = await api.create("fine", {"phases": PHASES, "artifacts": [{**APP, **change}]})
    assert 201 == answer.code, answer.message
    wanted = {key: value for key, value in {**APP, **change}.items() if value is not None}
    assert wanted == answer.document["spec"]["artifacts"][0]


@pytest.mark.parametrize(
    ("artifacts", "says"),
    [
        pytest.param([{**APP, "path": "/etc/passwd"}], "below /workspace", id="elsewhere"),
        pytest.param([{**APP, "path": "/workspace-of/a"}], "below /workspace", id="nearly"),
        pytest.param([{**APP, "path": ".."}], "without '..'", id="out"),
        pytest.param([{**APP, "path": "a/../../b"}], "without '..'", id="out on a detour"),
        pytest.param([{**APP, "path": "/workspace/.."}], "without '..'", id="out at the end"),
        pytest.param([{**APP, "path": "a\x00b"}], "should match", id="a null"),
        pytest.param([{**APP, "path": ""}], "at least 1 chars", id="no path"),
        pytest.param([{**APP, "path": "x" * 513}], "may not be more than 512", id="too long"),
        pytest.param([{**APP, "path": None}], "name either a path", id="neither"),
        pytest.param([{**APP, "uri": "store://main/a"}], "name either a path", id="both"),
        pytest.param([{**THING, "uri": "s3://bucket/a"}], "should match", id="another scheme"),
        pytest.param([{**THING, "uri": "store://main"}], "should match", id="no key"),
        pytest.param([{**THING, "uri": "store://main/"}], "should match", id="an empty key"),
        pytest.param(
            [{**THING, "uri": "store://main/../a"}], "should match", id="a key that leads out"
        ),
        pytest.param([{**THING, "uri": "store://main/a/..b"}], "should match", id="a hidden name"),
        pytest.param([{**THING, "uri": "store://main/a//b"}], "should match", id="an empty name"),
        pytest.param([{**THING, "uri": "store://Main/a"}], "should match", id="a loud store"),
        pytest.param([{**APP, "phase": "INIT"}], "Unsupported value", id="of no work"),
        pytest.param([{**APP, "phase": "TEST"}], "a phase without work", id="of idle TEST"),
        pytest.param([{**APP, "sha256": "ab"}], "should match", id="a short digest"),
        pytest.param([{**APP, "sha256": "AB" * 32}], "should match", id="a loud digest"),
        pytest.param([{**APP, "name": "App"}], "should match", id="a loud name"),
        pytest.param([APP, APP], "Duplicate value", id="twice"),
        pytest.param(
            [{**APP, "name": f"a{number}"} for number in range(33)],
            "must have at most 32 items",
            id="too many",
        ),
        pytest.param([{**APP, "mode": "0644"}], "unknown field", id="an unknown field"),
    ],
)
async def test_what_may_not_be_declared(
    api: Api, artifacts: list[dict[str, Any]], says: str
) -> None:
    answer = await api.create("bad", {"phases": PHASES, "artifacts": artifacts})
    assert answer.code in (400, 422), answer.document
    assert says in answer.message


async def test_artifacts_are_frozen_like_the_work(api: Api) -> None:
    await api.create("frozen", {"phases": FOUR, "artifacts": [APP]})
    codes = []
    for number, phase in enumerate(("INIT", "SETUP", "ERROR")):
        await api.set_status("frozen", phase=phase)
        change = {"artifacts": [{**APP, "path": f"other-{number}"}]}
        codes.append((await api.patch("frozen", {"spec": change})).code)
    assert [200, 422, 200] == codes


async def declared(api: Api, name: str, **spec: Any) -> None:
    """Make a build that declares artifacts."""
    created = await api.create(name, {"phases": FOUR, "artifacts": [APP], **spec})
    assert 201 == created.code, created.message


async def ended(api: Api, phase: str, **said: tuple[int, str]) -> Document:
    """Wait for the Pod of that phase, and end it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            live = [pod for pod in await api.pods("Pending") if phase_of(pod) == phase]
            if live:
                break
            await asyncio.sleep(0.02)
    [pod] = live
    spec = pod["spec"]
    failed = any(code for code, _ in said.values())
    kinds = {"initContainerStatuses": "initContainers", "containerStatuses": "containers"}
    statuses = {
        kind: [_status(one["name"], *said.get(one["name"], (0, ""))) for one in spec.get(key, ())]
        for kind, key in kinds.items()
    }
    end = "Failed" if failed else "Succeeded"
    await api.set_pod_status(name_of(pod), phase=end, **statuses)
    return pod


def _status(name: str, code: int, message: str) -> Document:
    ended = {"exitCode": code, "reason": "Error" if code else "Completed", "message": message}
    common = {"name": name, "image": "i", "imageID": "i", "ready": False, "restartCount": 0}
    return {**common, "state": {"terminated": ended}}


def told(*found: Finding) -> tuple[int, str]:
    """What a container of ours leaves behind."""
    return int(any(one != GOOD for one in found)), a_report(*found)


def containers(pod: Document) -> list[str]:
    """The containers of a Pod in the order in which they run."""
    spec = pod["spec"]
    return [one["name"] for one in (*spec.get("initContainers", ()), *spec["containers"])]


async def test_what_is_left_is_recorded_and_looked_at_before_each_later_phase(
    api: Api, operators: Operators
) -> None:
    await operators.begin(BUILDSTATE_REPORTER_IMAGE="registry.example/reporter:1")
    await declared(api, "made", **SHARED)

    pods = [
        await ended(api, "SETUP"),
        await ended(api, "BUILD", report=told(GOOD)),
        await ended(api, "TEST", verify=told(GOOD)),
        await ended(api, "CLEANUP", verify=told(GOOD)),
    ]
    build = await wait_for(api, "made", "COMPLETE")

    assert_sound(build, FORWARD)
    assert [["work"], ["work", "report"], ["verify", "work"], ["verify", "work"]] == [
        containers(pod) for pod in pods
    ]
    assert "registry.example/reporter:1" == pods[1]["spec"]["containers"][0]["image"]
    recorded = build["status"]["artifacts"]
    expected = {"name": "app", "phase": "BUILD", "path": "dist/app", "size": 7, "sha256": DIGEST}
    assert [expected] == [{key: one[key] for key in expected} for one in recorded]
    assert [] == operators.tracebacks()


FAULTS = {
    "absent": (told(Lack.ABSENT), "ArtifactMissing", "'/workspace/dist/app' does not exist"),
    "a directory": (told(Lack.DIRECTORY), "ArtifactMissing", "is a directory, not a file"),
    "no report": ((0, ""), "ArtifactUnreported", "cannot be read: ''"),
    "a hostile report": ((0, '{"v":1,"found":[[7,"x"]]}'), "ArtifactUnreported", "cannot be"),
    "a report of too many": ((0, a_report(GOOD, GOOD)), "ArtifactUnreported", "cannot be"),
    "killed": ((137, ""), "Error", ""),
}


@pytest.mark.parametrize(("said", "reason", "says"), FAULTS.values(), ids=FAULTS)
async def test_what_is_not_left_fails_the_phase(
    api: Api, operators: Operators, said: tuple[int, str], reason: str, says: str
) -> None:
    await operators.begin()
    await declared(api, "unmade", phases={**FOUR, "setup": {**WORK, "backoffLimit": 0}})
    await ended(api, "SETUP")
    await ended(api, "BUILD", report=said)

    build = await wait_for(api, "unmade", "ERROR")

    failure = build["status"]["failure"]
    assert ("PhaseFailed", "BUILD", reason) == tuple(
        failure[key] for key in ("category", "phase", "reason")
    )
    assert says in failure["message"]
    assert [] == build["status"]["artifacts"]


async def test_the_work_that_fails_says_so_beside_a_reporter(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await declared(api, "bad")
    await ended(api, "SETUP")
    await ended(api, "BUILD", work=(3, "no luck"))

    failure = (await wait_for(api, "bad", "ERROR"))["status"]["failure"]

    assert ("Error", "no luck", 3) == (failure["reason"], failure["message"], failure["exitCode"])


async def test_another_digest_than_was_declared_is_tried_again_and_fails(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    work = {"build": {**WORK, "backoffLimit": 1}}
    await declared(api, "other", phases=work, artifacts=[{**APP, "sha256": DIGEST}])
    pods = [await ended(api, "BUILD", report=told(ALTERED)) for _ in range(2)]

    build = await wait_for(api, "other", "ERROR")

    assert 2 == len({name_of(pod) for pod in pods})
    failure = build["status"]["failure"]
    assert ("ArtifactMismatch", 2) == (failure["reason"], failure["attempt"])
    assert f"has sha256 {OTHER}, and {DIGEST} was declared" in failure["message"]


@pytest.mark.parametrize(
    ("found", "reason"), [(ALTERED, "ArtifactMismatch"), (Lack.ABSENT, "ArtifactMissing")]
)
async def test_what_was_altered_since_fails_the_later_phase_before_its_work(
    api: Api, operators: Operators, found: Finding, reason: str
) -> None:
    await operators.begin()
    await declared(api, "altered", **SHARED)
    await ended(api, "SETUP")
    await ended(api, "BUILD", report=told(GOOD))
    await ended(api, "TEST", verify=(1, a_report(found)))

    build = await wait_for(api, "altered", "ERROR")

    failure = build["status"]["failure"]
    assert ("TEST", reason) == (failure["phase"], failure["reason"])
    assert "artifact app of BUILD" in failure["message"]


async def test_a_restored_phase_keeps_its_artifacts_which_are_looked_at_before_work_goes_on(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    policies = {"checkpoints": {}, "recovery": {"strategy": "Resume", "backoffSeconds": 0}}
    await declared(api, "resumed", **policies)
    await ended(api, "SETUP")
    await ended(api, "BUILD", report=told(GOOD))
    await ended(api, "TEST", work=(1, "no luck"))
    again = await ended(api, "TEST")

    build = await wait_for(api, "resumed", "CLEANUP")

    # Without a workspace of its own nothing is left to look at.
    assert ["work"] == containers(again)
    assert ["Restored", "Restored"] == [one["result"] for one in build["status"]["phases"][:2]]
    assert ["app"] == [one["name"] for one in build["status"]["artifacts"]]


# Looking again because somebody asks.


async def completed(api: Api, name: str) -> None:
    """Make a build that has left its artifact and is complete."""
    await declared(api, name, phases=PHASES, **SHARED)
    await ended(api, "BUILD", report=told(GOOD))
    await wait_for(api, name, "COMPLETE")


async def asked(api: Api, name: str, identity: str) -> None:
    """Ask for a verification."""
    request = {"id": identity, "action": "Verify"}
    answer = await api.patch(name, {"spec": {"request": request}})
    assert 200 == answer.code, answer.message


async def test_one_asks_for_a_look_at_the_artifacts_and_gets_an_answer(
    api: Api, operators: Operators
) -> None:
    await operators.begin()
    await completed(api, "kept")
    before = await api.get("kept")

    await asked(api, "kept", "one")
    pod = await ended(api, "COMPLETE", verify=told(GOOD))
    fine = await wait_for_answer(api, "kept", "one")
    await asked(api, "kept", "two")
    await ended(api, "COMPLETE", verify=told(ALTERED))
    altered = await wait_for_answer(api, "kept", "two")

    assert (["verify"], [True]) == (
        containers(pod),
        [
            one["readOnly"]
            for one in pod["spec"]["containers"][0]["volumeMounts"]
            if "readOnly" in one
        ],
    )
    assert ("Done", "Accepted") == (fine["outcome"], fine["reason"])
    assert "the artifact is as it was recorded" in fine["message"]
    assert ("Refused", "ArtifactMismatch") == (altered["outcome"], altered["reason"])
    assert f"has sha256 {OTHER}, and {DIGEST} was recorded" in altered["message"]
    after = await api.get("kept")
    for part in ("phase", "history", "artifacts", "status"):
        assert before["status"][part] == after["status"][part]
    assert [] == operators.tracebacks()


async def test_a_look_that_a_crash_interrupts_is_taken_once(api: Api, operators: Operators) -> None:
    operator = await operators.begin()
    await completed(api, "hardy")
    await asked(api, "hardy", "one")
    await wait_for_pods(api, 2)
    kill(operator)
    await operators.begin()
    await ended(api, "COMPLETE", verify=told(GOOD))

    answer = await wait_for_answer(api, "hardy", "one")

    assert "Done" == answer["outcome"]
    assert 2 == len(await api.pods())


async def test_while_work_runs_a_look_is_refused(api: Api, operators: Operators) -> None:
    await operators.begin()
    await declared(api, "busy", phases=PHASES)
    await wait_for_pods(api, 1)

    await asked(api, "busy", "one")

    answer = await wait_for_answer(api, "busy", "one")
    assert ("Refused", "WorkRunning") == (answer["outcome"], answer["reason"])


async def test_a_look_that_a_quota_has_no_room_for_is_refused_and_can_be_asked_for_again(
    api: Api, operators: Operators, api_cluster: Cluster
) -> None:
    await operators.begin()
    await completed(api, "crowded")
    api_cluster.kubectl("-n", api.namespace, "create", "quota", "none", "--hard=count/pods=0")
    api_cluster.kubectl(
        *("-n", api.namespace, "wait", "--for=jsonpath={.status.hard}", "quota/none")
    )

    await asked(api, "crowded", "one")
    refused = await wait_for_answer(api, "crowded", "one")
    api_cluster.kubectl("-n", api.namespace, "delete", "quota", "none")
    await asked(api, "crowded", "two")
    await ended(api, "COMPLETE", verify=told(GOOD))
    done = await wait_for_answer(api, "crowded", "two")

    assert ("Refused", "QuotaExceeded") == (refused["outcome"], refused["reason"])
    assert "Done" == done["outcome"]


# Objects in a store.


def waits_for(reason: str) -> Callable[[Document], bool]:
    """Whether the build is not ready for that reason."""
    return lambda status: any(
        one["type"] == "Ready" and one["reason"] == reason for one in status.get("conditions", ())
    )


async def test_an_object_is_measured_in_its_store_once_the_work_has_succeeded(
    api: Api, operators: Operators, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    document = tmp_path / "stores.yaml"
    stores = f"[{{name: disk, kind: Volume, path: {volume}}}]"
    document.write_text(f"default: disk\nstores: {stores}")
    await operators.begin(BUILDSTATE_STORES=str(document))
    await declared(api, "stored", phases=PHASES, artifacts=[APP, THING])
    await ended(api, "BUILD", report=told(GOOD))

    await wait_until(api, "stored", waits_for("NotFound"))
    part = volume / "artifacts" / api.namespace / "dist"
    part.mkdir(parents=True)
    (part / "thing").write_bytes(b"hello")
    build = await wait_for(api, "stored", "COMPLETE")

    app, thing = build["status"]["artifacts"]
    assert ("dist/app", THING["uri"]) == (app["path"], thing["uri"])
    assert (5, sha256(b"hello").hexdigest()) == (thing["size"], thing["sha256"])
    assert [] == operators.tracebacks()


async def test_an_object_that_is_not_there_fails_the_phase(
    api: Api, operators: Operators, tmp_path: Path
) -> None:
    document = tmp_path / "stores.yaml"
    document.write_text(f"default: disk\nstores: [{{name: disk, kind: Volume, path: {tmp_path}}}]")
    await operators.begin(BUILDSTATE_STORES=str(document))
    await declared(api, "unstored", phases=PHASES, artifacts=[THING])
    await ended(api, "BUILD")

    failure = (await wait_for(api, "unstored", "ERROR"))["status"]["failure"]

    assert ("PhaseFailed", "ArtifactMissing") == (failure["category"], failure["reason"])
    assert f"'{THING['uri']}' does not exist" in failure["message"]


async def test_a_store_that_is_not_set_up_is_said_to_be(api: Api, operators: Operators) -> None:
    await operators.begin()
    await declared(api, "nowhere", phases=PHASES, artifacts=[THING])
    await ended(api, "BUILD")

    build = await wait_until(api, "nowhere", waits_for("StoreUnknown"))

    assert "Waiting" == build["status"]["status"]
    assert "no store disk that holds objects" in condition_of(build, "Ready")["message"]


async def test_an_object_of_a_real_server_is_measured_part_by_part_as_long_as_it_is_the_same(
    server: Versity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clouds, "PART", 2**20)
    bucket, content = server.bucket(), os.urandom(5 * 2**19)
    store, path = CloudStore("main", bucket), "artifacts/team/large"
    await bucket.open().put_async(path, content)

    same = await store.measure(path)
    missing = await store.measure("artifacts/team/nothing")
    read = CloudStore._part

    async def slowly(self: CloudStore, *args: Any) -> Any:
        part = await read(self, *args)
        await bucket.open().put_async(path, os.urandom(len(content)))
        return part

    monkeypatch.setattr(CloudStore, "_part", slowly)
    with pytest.raises(Conflict):
        await store.measure(path)

    assert (len(content), sha256(content).hexdigest()) == same
    assert missing is None
