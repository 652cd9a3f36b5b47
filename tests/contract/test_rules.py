"""The laws that the API server keeps by itself, tried as cluster-admin on a real one."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest
from tests.contract.apis import Api, opened

from buildstate.domain.phases import BuildPhase
from buildstate.domain.transitions import VALID_TRANSITIONS, requestable
from clusters.commands import CommandFailed
from clusters.providers import Cluster

pytestmark = pytest.mark.contract

WAYS: Mapping[BuildPhase, tuple[BuildPhase, ...]] = {
    BuildPhase.INIT: (),
    BuildPhase.SETUP: (BuildPhase.SETUP,),
    BuildPhase.BUILD: (BuildPhase.SETUP, BuildPhase.BUILD),
    BuildPhase.TEST: (BuildPhase.SETUP, BuildPhase.BUILD, BuildPhase.TEST),
    BuildPhase.CLEANUP: (BuildPhase.ERROR, BuildPhase.CLEANUP),
    BuildPhase.COMPLETE: (BuildPhase.ERROR, BuildPhase.CLEANUP, BuildPhase.COMPLETE),
    BuildPhase.ERROR: (BuildPhase.ERROR,),
}
WORK = {"image": "busybox", "command": ["true"]}
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
PAIRS = list(product(BuildPhase, BuildPhase))
_names = (f"build-{number}" for number in count())


def pair_ids(pairs: list[tuple[BuildPhase, BuildPhase]]) -> list[str]:
    return [f"{origin}=>{to}" for origin, to in pairs]


@pytest.fixture(scope="module")
def namespace(api_cluster: Cluster) -> str:
    api_cluster.kubectl("create", "namespace", "rules")
    return "rules"


@pytest.fixture
async def api(api_cluster: Cluster, namespace: str) -> AsyncIterator[Api]:
    async with opened(api_cluster, namespace) as api:
        yield api


async def a_build(api: Api, phase: BuildPhase | None, /, **spec: Any) -> str:
    """Give the name of a new build that stands in `phase`, or has no status yet."""
    name = next(_names)
    created = await api.create(name, spec)
    assert created.code == 201, created.message
    for number, step in enumerate(() if phase is None else (BuildPhase.INIT, *WAYS[phase])):
        moved = await api.set_status(name, phase=step, sequence=number)
        assert moved.code == 200, moved.message
    return name


@pytest.mark.parametrize(("origin", "to"), PAIRS, ids=pair_ids(PAIRS))
async def test_exactly_the_edges_of_the_table_are_accepted_from_cluster_admin(
    api: Api, origin: BuildPhase, to: BuildPhase
) -> None:
    name = await a_build(api, origin)

    answer = await api.set_status(name, phase=to)

    is_legal = to is origin or to in VALID_TRANSITIONS[origin]
    assert (200 if is_legal else 422) == answer.code, answer.message
    if not is_legal:
        allowed = ", ".join(VALID_TRANSITIONS[origin]) or "none, it is final"
        says = f"{origin} -> {to} is not a valid transition; allowed: {allowed}"
        assert f"TransitionViolation: {says}" in answer.message


async def test_a_new_build_is_in_init_for_everyone_before_anybody_has_written_it(api: Api) -> None:
    name = await a_build(api, None)

    assert (await api.get(name))["status"] == {"phase": "INIT"}


@pytest.mark.parametrize("phase", BuildPhase)
async def test_the_first_status_write_stays_in_init_or_takes_an_edge_from_there(
    api: Api, phase: BuildPhase
) -> None:
    name = await a_build(api, None)

    answer = await api.set_status(name, phase=phase)

    is_legal = phase is BuildPhase.INIT or phase in VALID_TRANSITIONS[BuildPhase.INIT]
    assert (200 if is_legal else 422) == answer.code, answer.message
    if not is_legal:
        assert f"INIT -> {phase} is not a valid transition; allowed: SETUP, ERROR" in answer.message


@pytest.mark.parametrize("phase", BuildPhase)
async def test_the_status_cannot_be_removed(api: Api, phase: BuildPhase) -> None:
    name = await a_build(api, phase)
    whole = await api.get(name)

    patched = await api.patch(name, {"status": None}, "/status")
    replaced = await api.put(name, {**whole, "status": None}, "/status")
    left_out = {part: value for part, value in whole.items() if part != "status"}
    omitted = await api.put(name, left_out, "/status")

    for answer in (patched, replaced, omitted):
        assert answer.code == 422
        assert "StateCorruption: status.sequence never goes down" in answer.message
    assert (await api.get(name))["status"] == whole["status"]


async def test_to_remove_a_status_that_nobody_has_written_changes_nothing(api: Api) -> None:
    name = await a_build(api, None)

    answer = await api.patch(name, {"status": None}, "/status")

    assert answer.code == 200, answer.message
    assert (await api.get(name))["status"] == {"phase": "INIT"}


async def test_a_status_that_a_build_is_made_with_is_ignored(api: Api) -> None:
    name, path = (
        next(_names),
        f"/apis/buildstate.dev/v1alpha1/namespaces/{api.namespace}/buildstates",
    )
    kind = {"apiVersion": "buildstate.dev/v1alpha1", "kind": "BuildState"}
    body = {**kind, "metadata": {"name": name}, "spec": {}, "status": {"phase": "TEST"}}

    made = await api.post(path, body)

    assert made.code == 201, made.message
    assert (await api.get(name))["status"] == {"phase": "INIT"}


async def test_the_phase_cannot_be_removed(api: Api) -> None:
    name = await a_build(api, BuildPhase.BUILD)

    assert (await api.set_status(name, phase=None)).code == 422


async def test_a_status_sent_with_the_object_is_ignored(api: Api) -> None:
    name = await a_build(api, BuildPhase.BUILD)

    answer = await api.patch(name, {"status": None, "spec": {"suspend": True}})

    assert answer.code == 200
    assert (await api.get(name))["status"]["phase"] == BuildPhase.BUILD


@pytest.mark.parametrize("count", ["sequence", "epoch"])
async def test_a_count_never_goes_down(api: Api, count: str) -> None:
    name = await a_build(api, BuildPhase.INIT)

    assert (await api.set_status(name, **{count: 3})).code == 200
    assert (await api.set_status(name, **{count: 3})).code == 200
    lower = await api.set_status(name, **{count: 2})
    removed = await api.set_status(name, **{count: None})

    assert lower.code == removed.code == 422
    assert f"StateCorruption: status.{count} never goes down" in lower.message


@pytest.mark.parametrize("phase", BuildPhase)
async def test_work_is_frozen_once_the_build_has_left_init_except_in_error(
    api: Api, phase: BuildPhase
) -> None:
    name = await a_build(api, phase, phases={"build": WORK}, workspace={"size": "1Gi"})
    changes: list[dict[str, Any]] = [
        {"phases": {"build": {"image": "other"}}},
        {"phases": {"test": WORK}},
        {"phases": None},
        {"workspace": {"size": "2Gi"}},
        {"serviceAccountName": "somebody"},
    ]

    answers = [await api.patch(name, {"spec": change}) for change in changes]

    is_open = phase in (BuildPhase.INIT, BuildPhase.ERROR)
    assert [200 if is_open else 422] * len(changes) == [answer.code for answer in answers]
    if not is_open:
        assert all(f"cannot change while the build is in {phase}" in a.message for a in answers)


FULL = {
    "image": "a",
    "command": ["b"],
    "args": ["c"],
    "env": [{"name": "A", "value": "d"}],
    "workingDir": "/e",
    "timeoutSeconds": 5,
    "backoffLimit": 1,
}
OTHER: dict[str, Any] = {
    "image": "z",
    "command": ["z"],
    "args": None,
    "env": [{"name": "A", "value": "z"}],
    "workingDir": "/z",
    "timeoutSeconds": None,
    "backoffLimit": 2,
}


@pytest.mark.parametrize("name", FULL)
@pytest.mark.parametrize("which", ["setup", "build", "test", "cleanup"])
async def test_each_part_of_the_work_is_frozen(api: Api, which: str, name: str) -> None:
    build = await a_build(api, BuildPhase.BUILD, phases={which: FULL})

    other = await api.patch(build, {"spec": {"phases": {which: {name: OTHER[name]}}}})
    same = await api.patch(build, {"spec": {"phases": {which: {name: FULL[name]}}}})

    assert (422, 200) == (other.code, same.code), (other.message, same.message)
    assert "Its resources can change at any time" in other.message


@pytest.mark.parametrize("phase", BuildPhase)
async def test_the_resources_of_a_phase_can_change_at_any_time(api: Api, phase: BuildPhase) -> None:
    name = await a_build(api, phase, phases={"build": WORK})
    changes: list[dict[str, Any] | None] = [
        {"limits": {"memory": "1Gi"}},
        {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}},
        None,
    ]

    answers = [
        await api.patch(name, {"spec": {"phases": {"build": {"resources": change}}}})
        for change in changes
    ]

    assert [200] * len(changes) == [answer.code for answer in answers]


async def test_work_is_frozen_in_init_once_a_checkpoint_holds_some(api: Api) -> None:
    name = await a_build(api, BuildPhase.ERROR, phases={"build": WORK})
    now = "2026-03-01T12:00:00Z"
    record = {"phase": "SETUP", "attempts": 1, "startTime": now, "attemptTime": now}
    change = {"spec": {"phases": {"build": {"image": "other"}}}}

    answers = []
    for result in ("Restored", "Succeeded"):
        written = await api.set_status(name, phase="INIT", phases=[{**record, "result": result}])
        assert written.code == 200, written.message
        answers.append(await api.patch(name, change))

    assert [422, 200] == [answer.code for answer in answers]
    assert "cannot change while the build is in INIT; it can in ERROR" in answers[0].message


@pytest.mark.parametrize(("origin", "target"), PAIRS, ids=pair_ids(PAIRS))
async def test_only_a_phase_to_which_a_way_leads_may_be_asked_for(
    api: Api, origin: BuildPhase, target: BuildPhase
) -> None:
    start = BuildPhase.ERROR if target is BuildPhase.COMPLETE else BuildPhase.COMPLETE
    name = await a_build(api, origin, phase=start)

    answer = await api.patch(name, {"spec": {"phase": target}})

    is_reachable = target in requestable(origin)
    assert (200 if is_reachable or target is start else 422) == answer.code, answer.message
    if answer.code == 422:
        assert f"no way leads from {origin} to {target}" in answer.message
        assert ", ".join(requestable(origin)) in answer.message


@pytest.mark.parametrize("action", ["Restart", "Restore", "Cleanup"])
@pytest.mark.parametrize("phase", BuildPhase)
async def test_what_leads_out_of_error_is_accepted_only_in_error(
    api: Api, phase: BuildPhase, action: str
) -> None:
    name = await a_build(api, phase)

    answer = await api.patch(name, {"spec": {"request": {"id": "1", "action": action}}})

    assert (200 if phase is BuildPhase.ERROR else 422) == answer.code, answer.message


@pytest.mark.parametrize("phase", BuildPhase)
async def test_only_what_has_ended_is_put_away(api: Api, phase: BuildPhase) -> None:
    name = await a_build(api, phase)

    answer = await api.patch(name, {"spec": {"request": {"id": "1", "action": "Archive"}}})

    has_ended = phase in (BuildPhase.COMPLETE, BuildPhase.ERROR)
    assert (200 if has_ended else 422) == answer.code, answer.message
    if not has_ended:
        says = f"Archive is possible only in COMPLETE and in ERROR, and the build is in {phase}"
        assert f"TransitionViolation: {says}" in answer.message


@pytest.mark.parametrize("phase", BuildPhase)
async def test_a_checkpoint_can_be_asked_for_until_the_end(api: Api, phase: BuildPhase) -> None:
    name = await a_build(api, phase)

    answer = await api.patch(name, {"spec": {"request": {"id": "1", "action": "Checkpoint"}}})

    assert (422 if phase is BuildPhase.COMPLETE else 200) == answer.code, answer.message


@pytest.mark.parametrize("phase", BuildPhase)
async def test_everything_but_a_complete_build_can_be_aborted(api: Api, phase: BuildPhase) -> None:
    name = await a_build(api, phase)

    answer = await api.patch(name, {"spec": {"request": {"id": "1", "action": "Abort"}}})

    assert (422 if phase is BuildPhase.COMPLETE else 200) == answer.code, answer.message


async def test_a_request_keeps_its_meaning(api: Api) -> None:
    name = await a_build(api, BuildPhase.ERROR)
    request = {"id": "1", "action": "Restart"}

    first = await api.patch(name, {"spec": {"request": request}})
    again = await api.patch(name, {"spec": {"request": request}})
    other = await api.patch(name, {"spec": {"request": {"id": "1", "action": "Abort"}}})
    renewed = await api.patch(name, {"spec": {"request": {"id": "2", "action": "Abort"}}})
    removed = await api.patch(name, {"spec": {"request": None}})

    assert [200, 200, 422, 200, 200] == [
        answer.code for answer in (first, again, other, renewed, removed)
    ]
    assert "another action or checkpoint is another request" in other.message


async def test_another_checkpoint_is_another_request(api: Api) -> None:
    name = await a_build(api, BuildPhase.ERROR)
    named = {"id": "1", "action": "Restore", "checkpoint": "3-build-1f9b02ac"}

    first = await api.patch(name, {"spec": {"request": named}})
    again = await api.patch(name, {"spec": {"request": named}})
    other = await api.patch(name, {"spec": {"request": {"checkpoint": "2-setup-1f9b02ac"}}})
    unnamed = await api.patch(name, {"spec": {"request": {"checkpoint": None}}})
    renewed = await api.patch(name, {"spec": {"request": {"id": "2", "checkpoint": None}}})
    naming = await api.patch(name, {"spec": {"request": {"checkpoint": "2-setup-1f9b02ac"}}})

    assert [200, 200, 422, 422, 200, 422] == [
        answer.code for answer in (first, again, other, unnamed, renewed, naming)
    ]
    assert "give it a new spec.request.id" in other.message


async def test_the_newest_checkpoint_is_a_column(api_cluster: Cluster, api: Api) -> None:
    name = await a_build(api, BuildPhase.SETUP)
    now = "2026-03-01T12:00:00Z"
    ref = {"number": 1, "epoch": 0, "sequence": 1, "phase": "SETUP", "kind": "Full", "time": now}
    ref |= {"trigger": "Transition", "digest": "sha256:0"}
    columns = ("get", "bs", name, "--namespace", api.namespace)

    before = api_cluster.kubectl(*columns).splitlines()
    refs = [{**ref, "name": "1-setup-0f"}, {**ref, "name": "2-setup-0e"}]
    written = await api.set_status(name, checkpoints=refs)
    after = api_cluster.kubectl(*columns).splitlines()

    assert written.code == 200, written.message
    assert ["NAME", "PHASE", "STATUS", "REASON", "CHECKPOINT", "AGE"] == before[0].split()
    assert "2-setup-0e" in after[1].split()
    assert "setup-0" not in before[1]


async def explained(cluster: Cluster, field: str) -> str:
    """What kubectl tells of a field, once the server tells it of the CRD."""
    async with asyncio.timeout(30):
        while True:
            try:
                return cluster.kubectl("explain", field)
            except CommandFailed:
                await asyncio.sleep(0.2)


async def test_the_policy_of_checkpoints_explains_itself(api_cluster: Cluster) -> None:
    said = await explained(api_cluster, "bs.spec.checkpoints")
    words = " ".join(said.split())
    assert "When checkpoints are taken and where they are stored; none by themselves" in words
    for name in (
        "deletionPolicy",
        "fullEvery",
        "intervalSeconds",
        "keep",
        "onTransition",
        "store",
        "whenUnavailable",
    ):
        assert f"  {name}\t<" in said
    assert "the build goes on, and the condition Checkpointed says why it is False" in words


async def test_a_restart_that_would_end_in_an_abort_is_refused(api: Api) -> None:
    name = await a_build(api, BuildPhase.ERROR, phase="ERROR")
    request = {"id": "1", "action": "Restart"}

    alone = await api.patch(name, {"spec": {"request": request}})
    together = await api.patch(name, {"spec": {"request": request, "phase": "COMPLETE"}})

    assert [422, 200] == [alone.code, together.code]
    assert "spec.phase asks for ERROR" in alone.message


async def test_a_stale_status_write_is_a_conflict(api: Api) -> None:
    name = await a_build(api, BuildPhase.INIT)
    version = (await api.get(name))["metadata"]["resourceVersion"]
    write = {"metadata": {"resourceVersion": version}, "status": {"phase": "SETUP"}}

    first = await api.patch(name, write, "/status")
    stale = await api.patch(name, {**write, "status": {"phase": "BUILD"}}, "/status")

    assert [200, 409] == [first.code, stale.code]


BAD_SPECS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown phase": ({"phase": "DEPLOY"}, "Unsupported value"),
    "a phase in small letters": ({"phase": "build"}, "Unsupported value"),
    "an unknown field": ({"phaze": "BUILD"}, "unknown field"),
    "an unknown phase with work": ({"phases": {"deploy": WORK}}, "unknown field"),
    "work without an image": ({"phases": {"build": {"command": ["true"]}}}, "image: Required"),
    "an empty image": ({"phases": {"build": {"image": ""}}}, "at least 1 chars"),
    "an image with a space": ({"phases": {"build": {"image": "a b"}}}, "should match"),
    "a host path": ({"phases": {"build": {**WORK, "hostPath": "/"}}}, "unknown field"),
    "a privileged container": (
        {"phases": {"build": {**WORK, "securityContext": {"privileged": True}}}},
        "unknown field",
    ),
    "a command that is a text": (
        {"phases": {"build": {"image": "a", "command": "true"}}},
        "must be of type array",
    ),
    "too many arguments": (
        {"phases": {"build": {"image": "a", "args": ["x"] * 65}}},
        "must have at most 64 items",
    ),
    "an argument too long": (
        {"phases": {"build": {"image": "a", "args": ["x" * 32769]}}},
        "may not be more than 32768",
    ),
    "a variable without a name": ({"phases": {"build": {**WORK, "env": [{}]}}}, "name: Required"),
    "a variable with a bad name": (
        {"phases": {"build": {**WORK, "env": [{"name": "a=b"}]}}},
        "should match",
    ),
    "a variable given twice": (
        {"phases": {"build": {**WORK, "env": [{"name": "a"}, {"name": "a"}]}}},
        "Duplicate value",
    ),
    "a relative directory": ({"phases": {"build": {**WORK, "workingDir": "a"}}}, "should match"),
    "no time at all": ({"phases": {"build": {**WORK, "timeoutSeconds": 0}}}, "greater than or"),
    "a time that is a text": (
        {"phases": {"build": {**WORK, "timeoutSeconds": "1m"}}},
        "must be of type integer",
    ),
    "a negative limit": ({"phases": {"build": {**WORK, "backoffLimit": -1}}}, "greater than or"),
    "an endless limit": ({"phases": {"build": {**WORK, "backoffLimit": 10**6}}}, "less than or"),
    "a quantity that is none": (
        {"phases": {"build": {**WORK, "resources": {"limits": {"cpu": "much"}}}}},
        "should match",
    ),
    "an unknown resource": (
        {"phases": {"build": {**WORK, "resources": {"limits": {"coffee": "1"}}}}},
        "name cpu, memory",
    ),
    "a request above its limit": (
        {
            "phases": {
                "build": {
                    **WORK,
                    "resources": {"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}},
                }
            }
        },
        "a request may not be above the limit",
    ),
    "a workspace of no kind": ({"workspace": {}}, "name either a size"),
    "a workspace of both kinds": (
        {"workspace": {"size": "1Gi", "claimName": "a"}},
        "name either a size",
    ),
    "a workspace of no size": ({"workspace": {"size": "0"}}, "size must be above zero"),
    "a workspace with a bad size": ({"workspace": {"size": "1 GB"}}, "should match"),
    "a class without a size": (
        {"workspace": {"claimName": "a", "storageClassName": "b"}},
        "storageClassName goes with size",
    ),
    "a release of a claim of somebody else": (
        {"workspace": {"claimName": "a", "release": "OnEnd"}},
        "release goes with size",
    ),
    "an unknown release": ({"workspace": {"size": "1Gi", "release": "Now"}}, "Unsupported value"),
    "a claim of another namespace": ({"workspace": {"claimName": "ns/a"}}, "should match"),
    "a bad account": ({"serviceAccountName": "No Body"}, "should match"),
    "an unknown strategy": ({"recovery": {"strategy": "Retry"}}, "Unsupported value"),
    "an interval too short": ({"checkpoints": {"intervalSeconds": 9}}, "greater than or"),
    "an interval too long": ({"checkpoints": {"intervalSeconds": 86401}}, "less than or"),
    "to keep none": ({"checkpoints": {"keep": 0}}, "greater than or"),
    "to keep too many": ({"checkpoints": {"keep": 51}}, "less than or"),
    "no full checkpoint": ({"checkpoints": {"fullEvery": 0}}, "greater than or"),
    "hardly a full checkpoint": ({"checkpoints": {"fullEvery": 21}}, "less than or"),
    "a store with a bad name": ({"checkpoints": {"store": "My Store"}}, "should match"),
    "an empty store": ({"checkpoints": {"store": ""}}, "at least 1 chars"),
    "a store with credentials": (
        {"checkpoints": {"accessKeyId": "A", "secretAccessKey": "B"}},
        "unknown field",
    ),
    "an unknown wish where a store is away": (
        {"checkpoints": {"whenUnavailable": "Fail"}},
        "Unsupported value",
    ),
    "an unknown wish at the end": (
        {"checkpoints": {"deletionPolicy": "Orphan"}},
        "Unsupported value",
    ),
    "a checkpoint to restart from": (
        {"request": {"id": "1", "action": "Restart", "checkpoint": "1-build-0f"}},
        "checkpoint goes with the action Restore",
    ),
    "a checkpoint with a bad name": (
        {"request": {"id": "1", "action": "Restore", "checkpoint": "../1"}},
        "should match",
    ),
    "a checkpoint without a name": (
        {"request": {"id": "1", "action": "Restore", "checkpoint": ""}},
        "at least 1 chars",
    ),
    "a negative recovery limit": ({"recovery": {"limit": -1}}, "greater than or"),
    "a request without an id": ({"request": {"action": "Abort"}}, "id: Required"),
    "a request with an empty id": ({"request": {"id": "", "action": "Abort"}}, "at least 1 chars"),
    "an unknown action": ({"request": {"id": "1", "action": "Explode"}}, "Unsupported value"),
    "metadata that is not text": ({"metadata": {"a": 1}}, "must be of type string"),
    "metadata without a bound": (
        {"metadata": {f"k{number}": "v" for number in range(33)}},
        "must have at most 32 items",
    ),
    "metadata too long": ({"metadata": {"a": "x" * 1025}}, "may not be more than 1024"),
    "suspend that is a text": ({"suspend": "yes"}, "must be of type boolean"),
}


@pytest.mark.parametrize(("spec", "says"), BAD_SPECS.values(), ids=BAD_SPECS.keys())
async def test_a_bad_value_is_refused_with_a_reason(
    api: Api, spec: dict[str, Any], says: str
) -> None:
    answer = await api.create(next(_names), spec)

    assert answer.code in (400, 422)
    assert says in answer.message


async def test_a_build_without_a_spec_is_refused(api: Api) -> None:
    body = {
        "apiVersion": "buildstate.dev/v1alpha1",
        "kind": "BuildState",
        "metadata": {"name": next(_names)},
    }

    path = f"/apis/buildstate.dev/v1alpha1/namespaces/{api.namespace}/buildstates"
    answer = await api.post(path, body)

    assert answer.code == 422
    assert "spec: Required" in answer.message


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_the_examples_are_accepted(api_cluster: Cluster, namespace: str, example: Path) -> None:
    options = ("--dry-run=server", "--namespace", namespace)
    # One makes a namespace of its own, which a dry run does not leave for what is to be in it.
    text = example.read_text().replace("name: limited", f"name: {namespace}")
    text = text.replace("namespace: limited", f"namespace: {namespace}")
    assert "created" in api_cluster.kubectl("apply", *options, "-f", "-", stdin=text)


async def test_a_name_that_does_not_fit_a_label_is_refused(api: Api) -> None:
    longest = await api.create("b" * 63, {})
    longer = await api.create("b" * 64, {})

    assert [201, 422] == [longest.code, longer.code]
    assert "at most 63 characters" in longer.message


async def test_whole_numbers_are_fine_as_quantities(api: Api) -> None:
    resources = {"requests": {"cpu": 1}, "limits": {"cpu": 2, "memory": "1Gi"}}

    answer = await api.create(next(_names), {"phases": {"build": {**WORK, "resources": resources}}})

    assert answer.code == 201, answer.message


async def test_the_server_fills_in_only_plain_values(api: Api) -> None:
    name = next(_names)

    answer = await api.create(name, {"phases": {"build": WORK}})

    work = {**WORK, "backoffLimit": 0, "workingDir": "/workspace"}
    expected = {"phase": "COMPLETE", "suspend": False, "phases": {"build": work}, "priority": 0}
    assert expected == answer.document["spec"]
