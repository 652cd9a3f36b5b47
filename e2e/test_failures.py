"""What goes wrong ends in the right phase, with a reason that helps."""

from typing import Any

import pytest

from clusters import CommandFailed
from stories import IMAGE, Namespace, build, condition, fares, phase_is, way, work


def test_a_failing_command_says_its_exit_code_and_last_words(namespace: Namespace) -> None:
    namespace.apply(build("bad", phases={"test": work("echo no such luck >&2; exit 3")}))

    status = namespace.wait("bad", phase_is("ERROR"))

    failure = status["failure"]
    assert ["PhaseFailed", "TEST", "Error", 3] == [
        failure["category"],
        failure["phase"],
        failure["reason"],
        failure["exitCode"],
    ]
    assert "no such luck" in failure["message"]
    assert "Failed" == status["status"]
    assert "PhaseFailed" == condition(status, "Succeeded")["reason"]
    assert "no such luck" in condition(status, "Ready")["message"]


def test_a_termination_message_comes_before_the_log(namespace: Namespace) -> None:
    script = "echo the cause > /dev/termination-log; echo noise; exit 1"

    namespace.apply(build("said", phases={"build": work(script)}))

    assert "the cause\n" == namespace.wait("said", phase_is("ERROR"))["failure"]["message"]


def test_a_failing_attempt_is_tried_again_until_the_limit(namespace: Namespace) -> None:
    namespace.apply(build("again", phases={"build": work("exit 1", backoffLimit=2)}))

    status = namespace.wait("again", phase_is("ERROR"))

    assert 3 == status["failure"]["attempt"]
    attempts = [pod["metadata"]["labels"]["buildstate.dev/attempt"] for pod in namespace.pods()]
    assert ["1", "2", "3"] == sorted(attempts)


def test_an_attempt_that_succeeds_at_last_is_a_success(namespace: Namespace) -> None:
    script = "test -e tried || { touch tried; exit 1; }"
    phases = {"build": work(script, backoffLimit=1)}

    namespace.apply(build("at-last", workspace={"size": "16Mi"}, phases=phases))

    assert "Succeeded" == namespace.wait("at-last", phase_is("COMPLETE", "ERROR"))["status"]


def test_a_phase_that_takes_too_long_is_stopped(namespace: Namespace) -> None:
    namespace.apply(build("slow", phases={"build": work("sleep 600", timeoutSeconds=2)}))

    status = namespace.wait("slow", phase_is("ERROR"))

    assert "DeadlineExceeded" == status["failure"]["reason"]
    namespace.wait_for_no_live_pods()


def test_an_image_that_does_not_exist_ends_in_error(namespace: Namespace) -> None:
    namespace.apply(build("nowhere", phases={"build": {"image": "localhost/no/such:image"}}))

    waiting = namespace.wait("nowhere", fares("Waiting", "BUILD"))
    status = namespace.wait("nowhere", phase_is("ERROR"))

    assert "ImagePullBackOff" == condition(waiting, "Ready")["reason"]
    assert status["failure"]["reason"] in ("ErrImagePull", "ImagePullBackOff")
    assert "no/such:image" in status["failure"]["message"]
    namespace.wait_for_no_live_pods()


def test_a_command_that_does_not_exist_ends_in_error(namespace: Namespace) -> None:
    phases = {"build": {"image": "localhost/busybox:1", "command": ["/no/such/command"]}}

    namespace.apply(build("typo", phases=phases))

    failure = namespace.wait("typo", phase_is("ERROR"))["failure"]
    assert "StartError" == failure["reason"]
    assert "no such file" in failure["message"]


def test_memory_that_is_not_enough_is_named(namespace: Namespace) -> None:
    resources = {"limits": {"memory": "16Mi"}}
    script = "head -c 200m /dev/zero | tail -c 200m > /dev/null"

    namespace.apply(build("hungry", phases={"build": work(script, resources=resources)}))

    assert "OOMKilled" == namespace.wait("hungry", phase_is("ERROR"))["failure"]["reason"]


def test_a_namespace_without_room_makes_the_build_wait(namespace: Namespace) -> None:
    namespace.kubectl("create", "quota", "one", "--hard=pods=1")
    namespace.kubectl("run", "guest", f"--image={IMAGE}", "--restart=Never", "--", "sleep", "900")
    namespace.apply(build("patient", phases={"build": work("true")}))

    status = namespace.wait("patient", fares("Waiting", "INIT"))
    assert "QuotaExceeded" == condition(status, "Ready")["reason"]
    namespace.kubectl("delete", "pod", "guest", "--now")

    assert "Succeeded" == namespace.wait("patient", phase_is("COMPLETE"))["status"]


def test_what_the_api_server_refuses_for_good_ends_in_error(namespace: Namespace) -> None:
    namespace.apply(build("nobody", serviceAccountName="nobody", phases={"build": work("true")}))

    failure = namespace.wait("nobody", phase_is("ERROR"))["failure"]

    assert "ResourceAllocationFailure" == failure["category"]
    assert 'serviceaccount "nobody" not found' in failure["message"]


def test_a_lost_pod_is_a_failed_attempt_or_made_again(namespace: Namespace) -> None:
    phases = {"build": work("while ! test -e /workspace/go; do sleep 0.1; done", backoffLimit=1)}
    namespace.apply(build("robbed", workspace={"size": "16Mi"}, phases=phases))
    namespace.kubectl("wait", "--for=create", "pod", "-l=buildstate.dev/attempt=1", "--timeout=30s")
    namespace.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")

    namespace.kubectl("delete", "pod", "--all", "--wait=false")

    namespace.kubectl("wait", "--for=create", "pod", "-l=buildstate.dev/attempt=2", "--timeout=60s")
    namespace.kubectl(
        "wait", "--for=condition=Ready", "pod", "-l=buildstate.dev/attempt=2", "--timeout=60s"
    )
    pod = namespace.live_pods()[0]
    namespace.kubectl("exec", pod, "--", "touch", "/workspace/go")
    assert "Succeeded" == namespace.wait("robbed", phase_is("COMPLETE", "ERROR"))["status"]


def test_the_recovery_policy_restarts_and_then_cleans_up(namespace: Namespace) -> None:
    recovery = {"strategy": "Restart", "limit": 1, "backoffSeconds": 0, "onExhausted": "Cleanup"}
    phases = {"build": work("exit 1"), "cleanup": work("true")}

    namespace.apply(build("tries", recovery=recovery, phases=phases))

    status = namespace.wait("tries", phase_is("COMPLETE"))
    run = ["INIT", "SETUP", "BUILD", "ERROR"]
    assert [*run, *run, "CLEANUP", "COMPLETE"] == way(status)
    assert {"attempts": 1, "exhausted": True}.items() <= status["recovery"].items()
    assert "False" == condition(status, "Succeeded")["status"]
    assert "Failed" == status["status"]


BAD: dict[str, dict[str, Any]] = {
    "a bad phase": {"phase": "DEPLOY"},
    "an unknown field": {"phases": {"build": {"image": "a", "hostNetwork": True}}},
    "a request that is not possible": {"phases": {"build": {"image": ""}}},
}


@pytest.mark.parametrize("spec", BAD.values(), ids=BAD.keys())
def test_a_bad_build_is_refused_at_once(namespace: Namespace, spec: dict[str, Any]) -> None:
    with pytest.raises(CommandFailed):
        namespace.apply(build("bad", **spec))
