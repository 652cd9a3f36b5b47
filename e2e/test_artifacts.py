"""What phases leave behind, on a real node with real files."""

from hashlib import sha256
from typing import Any

import pytest

from stories import Namespace, build, condition, fares, phase_is, way, work

SHARED = {"size": "16Mi"}
HELLO = sha256(b"hello\n").hexdigest()
EMPTY = sha256(b"").hexdigest()


def leaving(
    name: str, script: str, *artifacts: dict[str, Any], phases: Any = None, **spec: Any
) -> dict[str, Any]:
    """A build whose BUILD runs that script, and has to leave those artifacts."""
    plain = {"workspace": SHARED, "phases": {"build": work(script), **(phases or {})}}
    declared = [
        {"name": f"a{number}", "phase": "BUILD"} | one for number, one in enumerate(artifacts)
    ]
    return build(name, artifacts=declared, **(plain | spec))


def failure_of(namespace: Namespace, name: str) -> Any:
    """Why the build is in ERROR."""
    return namespace.wait(name, phase_is("ERROR"))["failure"]


def test_what_is_left_is_measured_and_is_the_same_in_the_end(namespace: Namespace) -> None:
    later = {phase: work("cat dist/app") for phase in ("test", "cleanup")}
    namespace.apply(
        leaving("made", "mkdir dist; echo hello > dist/app", {"path": "dist/app"}, phases=later)
    )

    status = namespace.wait("made", fares("Succeeded", "COMPLETE"))

    [record] = status["artifacts"]
    expected = {"name": "a0", "phase": "BUILD", "path": "dist/app", "size": 6, "sha256": HELLO}
    assert expected == {key: record[key] for key in expected}
    names = [
        [
            one["name"]
            for one in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
        ]
        for pod in namespace.pods()
    ]
    assert [["work", "report"], ["verify", "work"], ["verify", "work"]] == names


def test_the_log_that_kubectl_shows_is_that_of_the_command(namespace: Namespace) -> None:
    namespace.apply(leaving("told", "echo so it is; touch a", {"path": "a"}))

    namespace.wait("told", fares("Succeeded"))

    assert "so it is\n" == namespace.kubectl("logs", namespace.pods()[0]["metadata"]["name"])


ODD = ["-rf", " a b ", "\"'`", "$(HOME)$$x", "zeile\numbruch", "\u00fcber\u202e", "*", "\\"]


def test_names_may_be_odd(namespace: Namespace) -> None:
    variables = [{"name": f"N{number}", "value": name} for number, name in enumerate(ODD)]
    # Here, too, the kubelet would put variables into it.
    variables[3]["value"] = "$$(HOME)$$$$x"
    script = "; ".join(f'echo hello > "./$N{number}"' for number in range(len(ODD)))
    phases = {"build": work(script, env=variables), "test": work("true")}
    declared = [{"path": name} for name in ODD]

    namespace.apply(leaving("odd", "", *declared, phases=phases))

    status = namespace.wait("odd", fares("Succeeded", "COMPLETE"))
    assert {(name, HELLO) for name in ODD} == {
        (one["path"], one["sha256"]) for one in status["artifacts"]
    }


def test_two_gigabytes_are_measured_with_little_memory(namespace: Namespace) -> None:
    script = "truncate -s 2G large; touch empty"
    limits = {"resources": {"limits": {"memory": "32Mi"}}}
    phases = {"build": work(script, **limits)}

    namespace.apply(leaving("large", "", {"path": "large"}, {"path": "empty"}, phases=phases))

    status = namespace.wait("large", phase_is("COMPLETE", "ERROR"), seconds=240)
    assert [("large", 2 * 1024**3), ("empty", 0)] == [
        (one["path"], one["size"]) for one in status.get("artifacts", ())
    ]
    assert EMPTY == status["artifacts"][1]["sha256"]


MISSING = {
    "absent": ("true", "does not exist"),
    "a directory": ("mkdir a", "is a directory, not a file"),
    "a pipe": ("mkfifo a", "is a device, a pipe or a socket, not a file"),
    "a link out": ("ln -s /etc/passwd a", "leads out of the workspace"),
    "a link out by steps": ("ln -s ../etc/passwd a", "leads out of the workspace"),
    "a link to proc": ("ln -s /proc/self/root/etc/passwd a", "leads out of the workspace"),
    "a loop": ("ln -s a a", "goes through too many links"),
    "a link to nothing": ("ln -s b a", "does not exist"),
    "a file without rights": ("echo > a; chmod 0 a", "cannot be read"),
}


@pytest.mark.parametrize(("script", "says"), MISSING.values(), ids=MISSING)
def test_what_is_no_file_in_the_workspace_is_missing(
    namespace: Namespace, script: str, says: str
) -> None:
    namespace.apply(leaving("unmade", script, {"path": "a"}))

    failure = failure_of(namespace, "unmade")

    assert ("PhaseFailed", "BUILD", "ArtifactMissing") == tuple(
        failure[key] for key in ("category", "phase", "reason")
    )
    assert f"artifact a0 of BUILD is missing: '/workspace/a' {says}" == failure["message"]


def test_a_link_inside_the_workspace_is_followed(namespace: Namespace) -> None:
    script = "echo hello > file; ln -s file a; ln -s /workspace/file b"
    namespace.apply(leaving("linked", script, {"path": "a"}, {"path": "/workspace/b"}))

    status = namespace.wait("linked", fares("Succeeded"))

    assert [HELLO, HELLO] == [one["sha256"] for one in status["artifacts"]]


def test_another_file_than_was_declared_is_refused(namespace: Namespace) -> None:
    namespace.apply(leaving("other", "echo hello > a", {"path": "a", "sha256": EMPTY}))

    failure = failure_of(namespace, "other")

    assert "ArtifactMismatch" == failure["reason"]
    assert f"has sha256 {HELLO}, and {EMPTY} was declared" in failure["message"]


def test_a_phase_that_leaves_nothing_is_tried_again(namespace: Namespace) -> None:
    script = "test -e tried && echo hello > a; touch tried"
    phases = {"build": work(script, backoffLimit=1)}
    namespace.apply(leaving("again", "", {"path": "a"}, phases=phases))

    status = namespace.wait("again", fares("Succeeded", "COMPLETE"))

    assert 2 == status["phases"][0]["attempts"]


@pytest.mark.parametrize(
    ("script", "reason", "says"),
    [
        pytest.param("echo more >> a", "ArtifactMismatch", f"{HELLO} was recorded", id="altered"),
        pytest.param("rm a", "ArtifactMissing", "does not exist", id="removed"),
        pytest.param(
            "rm a; ln -s /etc/passwd a", "ArtifactMissing", "leads out", id="a link instead"
        ),
    ],
)
def test_what_a_later_phase_alters_is_found_before_the_next_one(
    namespace: Namespace, script: str, reason: str, says: str
) -> None:
    phases = {"test": work(script), "cleanup": work("touch /workspace/ran")}
    namespace.apply(leaving("altered", "echo hello > a", {"path": "a"}, phases=phases))

    failure = failure_of(namespace, "altered")

    assert ("CLEANUP", reason) == (failure["phase"], failure["reason"])
    assert "artifact a0 of BUILD" in failure["message"]
    assert says in failure["message"]


def test_a_clean_up_after_an_altered_artifact_looks_at_nothing(namespace: Namespace) -> None:
    phases = {"test": work("rm a; exit 1"), "cleanup": work("true")}
    recovery = {"strategy": "Resume", "limit": 0, "onExhausted": "Cleanup"}
    altered = leaving("cleared", "echo > a", {"path": "a"}, phases=phases, recovery=recovery)

    namespace.apply(altered)

    status = namespace.wait("cleared", phase_is("COMPLETE"))
    assert "PhaseFailed" == condition(status, "Succeeded")["reason"]
    assert ["ERROR", "CLEANUP", "COMPLETE"] == way(status)[-3:]


def test_what_a_restored_phase_left_is_looked_at_before_work_goes_on(namespace: Namespace) -> None:
    script = "test -e /workspace/tried || { touch /workspace/tried; rm /workspace/a; exit 1; }"
    recovery = {"strategy": "Resume", "limit": 1, "backoffSeconds": 0}
    namespace.apply(
        leaving(
            "resumed",
            "echo hello > a",
            {"path": "a"},
            phases={"test": work(script)},
            checkpoints={},
            recovery=recovery,
        )
    )

    status = namespace.wait("resumed", fares("Failed", "ERROR"))

    assert ("TEST", "ArtifactMissing") == (status["failure"]["phase"], status["failure"]["reason"])
    assert "Restored" == status["phases"][0]["result"]
    assert 1 == status["recovery"]["attempts"]


def verified(namespace: Namespace, name: str, identity: str) -> Any:
    """The answer to a request to look at the artifacts again."""
    namespace.patch(name, request={"id": identity, "action": "Verify"})
    status = namespace.wait(
        name, lambda seen: seen["status"].get("lastRequest", {}).get("id") == identity
    )
    return status["lastRequest"]


def test_one_asks_for_a_look_at_what_was_left(namespace: Namespace) -> None:
    held = {"workspace": {"claimName": "shared"}}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "shared"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "16Mi"}},
        },
    }
    namespace.apply(claim, leaving("kept", "echo hello > a", {"path": "a"}, **held))
    namespace.wait("kept", fares("Succeeded"))

    fine = verified(namespace, "kept", "one")
    namespace.apply(build("vandal", phases={"build": work("echo more >> a")}, **held))
    namespace.wait("vandal", fares("Succeeded"))
    altered = verified(namespace, "kept", "two")
    namespace.apply(build("thief", phases={"build": work("rm a")}, **held))
    namespace.wait("thief", fares("Succeeded"))
    gone = verified(namespace, "kept", "three")

    assert [
        ("Done", "Accepted"),
        ("Refused", "ArtifactMismatch"),
        ("Refused", "ArtifactMissing"),
    ] == [(one["outcome"], one["reason"]) for one in (fine, altered, gone)]
    assert "artifact a0 of BUILD" in gone["message"]
