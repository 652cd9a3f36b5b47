"""A workspace from its making to its end, with the default StorageClass of a real node."""

from typing import Any

import pytest

from installations import wait_until
from stories import Namespace, build, condition, fares, phase_is, work

ONCE = "test -e tried || { touch tried; exit 1; }"
RELEASED = {"size": "16Mi", "release": "OnSuccess"}


def claims(namespace: Namespace) -> list[str]:
    """The uids of the claims."""
    return [claim["metadata"]["uid"] for claim in namespace.get("pvc")["items"]]


def volumes(namespace: Namespace) -> list[str]:
    """The names of the volumes that claims of the namespace are bound to."""
    bound = namespace.get("pv")["items"]
    owners = [(one["spec"].get("claimRef", {}), one["metadata"]["name"]) for one in bound]
    return [name for owner, name in owners if owner.get("namespace") == namespace.name]


def reason(status: Any) -> str:
    """Why the build is not done."""
    return str(condition(status, "Ready")["reason"])


def test_a_workspace_is_really_gone_after_success(namespace: Namespace) -> None:
    phases = {"build": work("echo kept > file"), "test": work("grep kept file")}
    namespace.apply(build("clean", workspace=RELEASED, phases=phases))

    namespace.wait("clean", fares("Succeeded", "COMPLETE"))
    status = namespace.wait("clean", lambda seen: "workspaceClaim" not in seen["status"])

    wait_until(lambda: [claims(namespace), volumes(namespace)], lambda left: left == [[], []], 60)
    assert [] == namespace.pods()
    assert ({}, []) == (status["resources"]["allocated"], status["resources"]["volumes"])
    assert "16Mi" == status["resources"]["released"]["storage"]


def test_a_workspace_is_kept_over_attempts_and_recoveries(namespace: Namespace) -> None:
    phases = {
        "setup": work("echo setup > ran"),
        "build": work(f"echo build >> ran; {ONCE}", backoffLimit=1),
        "test": work("echo test >> ran; test -e again || { touch again; exit 1; }"),
        "cleanup": work("cat ran"),
    }
    recovery = {"strategy": "Resume", "limit": 1, "backoffSeconds": 3}
    namespace.apply(
        build(
            "kept",
            workspace={"size": "16Mi", "release": "OnEnd"},
            phases=phases,
            checkpoints={},
            recovery=recovery,
        )
    )
    failed = namespace.wait("kept", phase_is("ERROR"))
    (claim,) = claims(namespace)
    assert failed["workspaceClaim"]

    namespace.wait("kept", phase_is("CLEANUP", "COMPLETE"))
    wait_until(lambda: claims(namespace), lambda left: left in ([claim], []), 60)
    status = namespace.wait("kept", fares("Succeeded", "COMPLETE"))
    assert [1, 2] == [status["recovery"]["attempts"], status["phases"][1]["attempts"]]
    wait_until(lambda: claims(namespace), lambda left: left == [], 60)


def test_a_restore_after_the_end_says_that_the_workspace_is_gone(namespace: Namespace) -> None:
    phases = {"build": work("true"), "test": work("exit 1")}
    workspace = {"size": "16Mi", "release": "OnEnd"}
    namespace.apply(build("late", workspace=workspace, phases=phases, checkpoints={}))
    namespace.wait("late", lambda seen: seen.get("status", {}).get("phase") == "ERROR")
    namespace.wait("late", lambda seen: "workspaceClaim" not in seen["status"])

    namespace.patch("late", request={"id": "back", "action": "Restore"})

    status = namespace.wait("late", lambda seen: "lastRequest" in seen["status"])
    assert "Refused" == status["lastRequest"]["outcome"]
    assert "given back when the build ended" in status["lastRequest"]["message"]


def test_a_storage_class_that_is_missing_is_named(namespace: Namespace) -> None:
    workspace = {"size": "16Mi", "storageClassName": "nope"}
    namespace.apply(build("choosy", workspace=workspace, phases={"build": work("true")}))

    status = namespace.wait(
        "choosy", lambda seen: seen.get("status", {}).get("status") == "Waiting"
    )

    status = namespace.wait("choosy", lambda seen: reason(seen["status"]) == "StorageClassMissing")
    there = [one["metadata"]["name"] for one in namespace.get("storageclass")["items"]]
    assert there
    assert all(name in condition(status, "Ready")["message"] for name in there)


@pytest.mark.parametrize("seconds", [8])
def test_what_a_lasting_build_holds_is_what_is_there(namespace: Namespace, seconds: int) -> None:
    need = {"requests": {"cpu": "50m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}}
    phases = {"build": work(f"sleep {seconds}", resources=need)}
    namespace.apply(build("holding", workspace={"size": "16Mi"}, phases=phases))

    status = namespace.wait(
        "holding", lambda seen: seen.get("status", {}).get("resources", {}).get("pods")
    )

    (pod,), (claim,) = namespace.pods(), claims(namespace)
    held = status["resources"]
    assert {"cpu": "50m", "memory": "16Mi", "pods": "1", "storage": "16Mi"} == held["allocated"]
    assert [pod["metadata"]["uid"]] == [one["uid"] for one in held["pods"]]
    assert [claim] == [one["uid"] for one in held["volumes"]]
    status = namespace.wait("holding", phase_is("COMPLETE"))
    assert {"storage": "16Mi"} == status["resources"]["allocated"]
    assert {"cpu": "50m", "memory": "16Mi", "pods": "1"} == status["resources"]["released"]
