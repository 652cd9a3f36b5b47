"""The containers that stand beside the work of a phase with artifacts, and what is read of them."""

import json
from typing import Any

import pytest
from tests.worlds import NOW, ABuild, a_build, a_pod_document, a_product, after, an_artifact

from buildstate.domain.observed import PodView
from buildstate.domain.phases import BuildPhase
from buildstate.domain.specs import WorkResources
from buildstate.kube.pods import manifest, view
from buildstate.kube.reporters import COMMAND, Image
from buildstate.reporters import __main__ as program

Document = dict[str, Any]

SETUP, BUILD, TEST = BuildPhase.SETUP, BuildPhase.BUILD, BuildPhase.TEST
IMAGE = Image("registry.example/operator:2", "Always")
PLAIN = (
    a_build()
    .with_work(resources=WorkResources(requests={"cpu": "1"}, limits={"memory": "1Gi"}))
    .with_workspace()
)
DECLARING = PLAIN.declaring(an_artifact("app", BUILD, sha256="ab" * 32), an_artifact("doc", BUILD))
AT_WORK = DECLARING.in_phase(BUILD)


def pod_of(world: ABuild) -> Document:
    """The Pod of the present attempt."""
    work = world.spec.work(world.known.phase)
    assert work is not None
    return manifest(world.observed(), world.known, work, IMAGE)


def named(world: ABuild) -> list[str]:
    """The containers of a Pod in the order in which they run."""
    spec = pod_of(world)["spec"]
    assert 1 == len(spec["containers"])
    return [one["name"] for one in (*spec.get("initContainers", ()), *spec["containers"])]


def test_the_reporter_runs_once_the_work_has_succeeded() -> None:
    assert ["work", "report"] == named(AT_WORK)


def test_the_pod_of_a_phase_without_artifacts_is_as_ever() -> None:
    declaring_elsewhere = PLAIN.declaring(an_artifact("app", TEST)).in_phase(BUILD)
    assert pod_of(PLAIN.in_phase(BUILD)) == pod_of(declaring_elsewhere)
    assert "annotations" not in pod_of(declaring_elsewhere)["metadata"]


def test_what_earlier_phases_left_is_looked_at_before_the_work() -> None:
    left = [a_product("app", BUILD)]
    assert ["verify", "work"] == named(DECLARING.in_phase(TEST).having_left(*left))
    both = DECLARING.wanting(artifacts=(an_artifact("app", BUILD), an_artifact("log", TEST)))
    assert ["verify", "work", "report"] == named(both.in_phase(TEST).having_left(*left))


def test_without_a_workspace_nothing_of_an_earlier_phase_is_looked_for() -> None:
    alone = DECLARING.wanting(workspace=None).in_phase(TEST)
    assert ["work"] == named(alone.having_left(a_product("app", BUILD)))


def test_the_work_is_the_same_whatever_stands_beside_it() -> None:
    assert (
        pod_of(PLAIN.in_phase(BUILD))["spec"]["containers"]
        == pod_of(AT_WORK)["spec"]["initContainers"]
    )


def test_the_reporter_has_the_bounds_of_the_work_and_no_more() -> None:
    spec = pod_of(AT_WORK)["spec"]
    work, report = spec["initContainers"][0], spec["containers"][0]
    expected = {
        "name": "report",
        "image": "registry.example/operator:2",
        "imagePullPolicy": "Always",
        "command": list(COMMAND),
        "env": [
            {
                "name": program.VARIABLE,
                "value": json.dumps(
                    [["dist/app", "ab" * 32], ["dist/doc", None]], separators=(",", ":")
                ),
            }
        ],
        "workingDir": "/",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "workspace", "mountPath": "/workspace", "readOnly": True}],
        "resources": work["resources"],
        "securityContext": work["securityContext"],
    }
    assert expected == report


def test_the_log_that_is_shown_is_that_of_the_work() -> None:
    annotations = pod_of(AT_WORK)["metadata"]["annotations"]
    assert {"kubectl.kubernetes.io/default-container": "work"} == annotations


@pytest.mark.parametrize(
    "path",
    ["$(HOME)/x", "a$$b", "a b'\"", "-rf", "zeile\numbruch", "\u00fc\u202e", "\\u0024", "[]"],
)
def test_an_odd_path_reaches_the_program_as_it_is(path: str) -> None:
    world = PLAIN.declaring(an_artifact("odd", BUILD, path=path)).in_phase(BUILD)
    value = pod_of(world)["spec"]["containers"][0]["env"][0]["value"]
    assert [[path, None]] == json.loads(value)
    assert "$" not in value, "the kubelet would put variables into it"


def test_the_longest_list_fits_a_variable() -> None:
    # The kernel takes 128 KiB for one, and a control character takes six of them.
    many = [an_artifact(f"a-{n}", BUILD, path="\x01" * 512, sha256="ab" * 32) for n in range(32)]
    world = PLAIN.declaring(*many).in_phase(BUILD)
    value = pod_of(world)["spec"]["containers"][0]["env"][0]["value"]
    assert len(value.encode()) < 128 * 1024 - len(program.VARIABLE) - 2


# What is read of such a Pod.


def ended(name: str, code: int = 0, message: str = "", **fields: Any) -> Document:
    """A container that ended."""
    return {"name": name, "state": {"terminated": {"exitCode": code, "message": message, **fields}}}


def waiting(name: str, reason: str = "PodInitializing") -> Document:
    """A container that has not begun."""
    return {"name": name, "state": {"waiting": {"reason": reason}}}


def seen(*inits: Document, main: Document, phase: str = "Failed") -> PodView:
    """What is read of a Pod."""
    return view(
        a_pod_document("p", phase=phase, initContainerStatuses=[*inits], containerStatuses=[main])
    )


def test_work_that_failed_says_so_where_it_is_not_the_last() -> None:
    work = ended("work", 3, "no luck", reason="Error")
    found = seen(ended("verify"), work, main=waiting("report"))
    assert ("Error", "no luck", 3) == (found.reason, found.message, found.exit_code)


def test_a_verifier_that_failed_is_why_the_pod_failed() -> None:
    verify = ended("verify", 1, "its report", reason="Error")
    found = seen(verify, waiting("work"), main=waiting("report"))
    assert ("its report", "", 1) == (found.verification, found.report, found.exit_code)


def test_a_reporter_that_was_killed_is_why_the_pod_failed() -> None:
    killed = ended("report", 137, reason="OOMKilled")
    found = seen(ended("work", reason="Completed"), main=killed)
    assert ("OOMKilled", 137) == (found.reason, found.exit_code)


def test_what_all_of_them_say_is_kept_apart() -> None:
    found = seen(
        ended("verify", message="one"),
        ended("work", message="two"),
        main=ended("report", message="three"),
        phase="Succeeded",
    )
    assert ("one", "two", "three", 0) == (
        found.verification,
        found.message,
        found.report,
        found.exit_code,
    )


@pytest.mark.parametrize("name", ["verify", "work", "report"])
def test_whichever_cannot_begin_is_what_the_pod_waits_for(name: str) -> None:
    names = ["verify", "work", "report"]
    before = [ended(one) for one in names[: names.index(name)]]
    behind = [waiting(one) for one in names[names.index(name) + 1 :]]
    every = [*before, waiting(name, "ImagePullBackOff"), *behind]
    assert "ImagePullBackOff" == seen(*every[:-1], main=every[-1], phase="Pending").waiting


def test_a_container_whose_turn_has_not_come_is_not_stuck() -> None:
    running = {"name": "work", "state": {"running": {}}}
    assert "" == seen(running, main=waiting("report"), phase="Pending").waiting


def test_the_time_to_begin_counts_from_the_end_of_the_one_before() -> None:
    work = ended("work", finishedAt="2026-03-01T12:10:00Z")
    began = "2026-03-01T12:00:00Z"
    both: Document = {"initContainerStatuses": [work], "containerStatuses": [waiting("report")]}
    pod = a_pod_document("p", startTime=began, **both)
    assert (NOW, after(600)) == (view(pod).started, view(pod).turn)
    assert view(a_pod_document("p", startTime=began)).turn is None


def test_a_longer_message_than_a_kubelet_lets_through_is_cut() -> None:
    found = seen(ended("work"), main=ended("report", message="x" * 10_000), phase="Succeeded")
    assert 4096 == len(found.report)
