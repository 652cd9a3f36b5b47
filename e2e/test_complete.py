"""A build walks to the phase that is asked for, in real Pods."""

from itertools import pairwise

from installations import wait_until
from stories import Namespace, build, condition, fares, phase_is, way, work

FORWARD = ["INIT", "SETUP", "BUILD", "TEST", "CLEANUP", "COMPLETE"]


def test_four_phases_with_a_shared_workspace_run_to_complete(namespace: Namespace) -> None:
    phases = {
        "setup": work("echo one > one"),
        "build": work("cat one > two; echo two >> two"),
        "test": work('test "$(cat two)" = "$(printf \'one\\ntwo\')"; echo fine'),
        "cleanup": work("rm one two; ls -A /workspace"),
    }

    namespace.apply(build("all", workspace={"size": "16Mi"}, phases=phases))

    status = namespace.wait("all", phase_is("COMPLETE", "ERROR"))
    assert FORWARD == way(status), status
    assert "Succeeded" == status["status"]
    assert ["True", "True", "False", "False"] == [c["status"] for c in status["conditions"]]
    pods = namespace.pods()
    assert {"SETUP", "BUILD", "TEST", "CLEANUP"} == {
        pod["metadata"]["labels"]["buildstate.dev/phase"] for pod in pods
    }
    assert 4 == len(pods)
    assert "fine" in namespace.kubectl("logs", "-l", "buildstate.dev/phase=TEST")
    assert status["workspaceClaim"] == namespace.get("pvc")["items"][0]["metadata"]["name"]


def test_each_transition_is_told_in_an_event(namespace: Namespace) -> None:
    namespace.apply(build("told", phases={"build": work("true")}))

    expected = sorted(f"{one} -> {two}" for one, two in pairwise(FORWARD))
    chosen = "--field-selector=involvedObject.kind=BuildState"
    wait_until(
        lambda: sorted(event["message"] for event in namespace.get("events", chosen)["items"]),
        lambda messages: messages == expected,
        60,
    )


def test_a_build_without_work_passes_every_phase(namespace: Namespace) -> None:
    namespace.apply(build("empty"))

    status = namespace.wait("empty", phase_is("COMPLETE"))

    assert FORWARD == way(status)
    assert [] == namespace.pods()


def test_an_outside_pipeline_asks_for_one_phase_after_the_other(namespace: Namespace) -> None:
    namespace.apply(build("steps", phase="INIT", phases={"build": work("true")}))

    for phase in FORWARD[:-1]:
        namespace.patch("steps", phase=phase)
        status = namespace.wait("steps", fares("Waiting", phase))
        assert "TargetReached" == condition(status, "Ready")["reason"]
        assert "True" == condition(status, "Ready")["status"]
        assert "Unknown" == condition(status, "Succeeded")["status"]
    namespace.patch("steps", phase="COMPLETE")

    assert FORWARD == way(namespace.wait("steps", fares("Succeeded", "COMPLETE")))


def test_a_suspended_build_ends_its_pod_and_starts_nothing_new(namespace: Namespace) -> None:
    phases = {"setup": work("while ! test -e go; do sleep 0.1; done"), "build": work("true")}
    namespace.apply(build("calm", workspace={"size": "16Mi"}, phases=phases))
    namespace.wait("calm", fares("Running", "SETUP"))
    namespace.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")

    namespace.patch("calm", suspend=True)
    pod = namespace.live_pods()[0]
    namespace.kubectl("exec", pod, "--", "touch", "/workspace/go")
    namespace.wait("calm", fares("Suspended", "SETUP"))
    assert 1 == len(namespace.pods())
    namespace.patch("calm", suspend=False)

    assert FORWARD == way(namespace.wait("calm", phase_is("COMPLETE")))


def test_the_workspace_may_be_a_claim_that_exists(namespace: Namespace) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "mine"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "16Mi"}},
        },
    }
    phases = {"build": work("echo kept > file"), "test": work("cat file")}

    namespace.apply(claim, build("guest", workspace={"claimName": "mine"}, phases=phases))

    assert "Succeeded" == namespace.wait("guest", phase_is("COMPLETE", "ERROR"))["status"]
    namespace.kubectl("delete", "bs", "guest")
    assert ["mine"] == [claim["metadata"]["name"] for claim in namespace.get("pvc")["items"]]


def test_pods_are_at_the_restricted_level(namespace: Namespace) -> None:
    namespace.kubectl(
        "label", "namespace", namespace.name, "pod-security.kubernetes.io/enforce=restricted"
    )
    script = "id -u; ! touch /file; touch /tmp/file; touch file; ! ls /var/run/secrets"

    namespace.apply(build("tight", phases={"build": work(script)}))

    assert "Succeeded" == namespace.wait("tight", phase_is("COMPLETE", "ERROR"))["status"]
    assert "65532" in namespace.kubectl("logs", "-l", "buildstate.dev/build=tight")


def test_a_deleted_build_takes_everything_with_it(namespace: Namespace) -> None:
    phases = {"build": work("sleep 600")}
    namespace.apply(build("gone", workspace={"size": "16Mi"}, phases=phases))
    namespace.wait("gone", fares("Running", "BUILD"))
    namespace.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")

    namespace.kubectl("delete", "bs", "gone")

    namespace.kubectl("wait", "--for=delete", "pod,pvc", "--all", "--timeout=60s")


def test_a_hundred_builds_at_once_all_complete(namespace: Namespace) -> None:
    names = [f"many-{number}" for number in range(100)]

    namespace.apply(*(build(name, phases={"build": work("true")}) for name in names))

    namespace.kubectl(
        "wait", "--for=jsonpath={.status.phase}=COMPLETE", "bs", "--all", "--timeout=300s"
    )
    assert 100 == len(namespace.pods())
    assert {"Succeeded"} == {bs["status"]["status"] for bs in namespace.get("bs")["items"]}
