"""Somebody steps in: abort, restart, clean up."""

from typing import Any

import pytest

from clusters import CommandFailed
from stories import Namespace, build, fares, phase_is, way, work

ABORTS: dict[str, dict[str, Any]] = {
    "asking for ERROR": {"phase": "ERROR"},
    "a request": {"request": {"id": "stop", "action": "Abort"}},
}


def request(name: str, action: str) -> dict[str, str]:
    return {"id": name, "action": action}


def a_long_build(namespace: Namespace, name: str) -> None:
    phases = {"setup": work("true"), "build": work("sleep 600"), "cleanup": work("true")}
    namespace.apply(build(name, workspace={"size": "16Mi"}, phases=phases))
    namespace.wait(name, fares("Running", "BUILD"))
    chosen = "-l=buildstate.dev/phase=BUILD"
    namespace.kubectl("wait", "--for=condition=Ready", "pod", chosen, "--timeout=60s")


@pytest.mark.parametrize("how", ABORTS.values(), ids=ABORTS.keys())
def test_an_abort_stops_the_pod_and_releases_everything(
    namespace: Namespace, how: dict[str, Any]
) -> None:
    a_long_build(namespace, "stop")

    namespace.patch("stop", **how)

    status = namespace.wait("stop", fares("Aborted", "ERROR"))
    assert "Aborted" == status["failure"]["category"]
    namespace.wait_for_no_live_pods()
    namespace.kubectl("wait", "--for=delete", "pvc", "--all", "--timeout=60s")
    assert "workspaceClaim" not in namespace.wait("stop", fares("Aborted", "ERROR"))


def test_an_aborted_build_can_be_restarted(namespace: Namespace) -> None:
    a_long_build(namespace, "twice")
    namespace.patch("twice", request=request("1", "Abort"))
    namespace.wait("twice", fares("Aborted", "ERROR"))

    quick = {"build": {"command": ["sh", "-c", "true"]}}
    namespace.patch("twice", phases=quick, request=request("2", "Restart"))

    status = namespace.wait("twice", phase_is("COMPLETE"))
    run = ["INIT", "SETUP", "BUILD"]
    assert [*run, "ERROR", *run, "TEST", "CLEANUP", "COMPLETE"] == way(status)
    assert "Succeeded" == status["status"]
    assert ["2", "Restart", "Done"] == [
        status["lastRequest"][field] for field in ("id", "action", "outcome")
    ]


def test_a_failed_build_can_be_cleaned_up(namespace: Namespace) -> None:
    namespace.apply(build("dirty", phases={"build": work("exit 1"), "cleanup": work("true")}))
    namespace.wait("dirty", phase_is("ERROR"))

    namespace.patch("dirty", request=request("1", "Cleanup"))

    status = namespace.wait("dirty", phase_is("COMPLETE"))
    assert ["INIT", "SETUP", "BUILD", "ERROR", "CLEANUP", "COMPLETE"] == way(status)
    assert "Failed" == status["status"]


def test_asking_for_cleanup_leads_out_of_error(namespace: Namespace) -> None:
    namespace.apply(build("asked", phases={"build": work("exit 1"), "cleanup": work("true")}))
    namespace.wait("asked", phase_is("ERROR"))

    namespace.patch("asked", phase="CLEANUP")
    namespace.wait("asked", fares("Waiting", "CLEANUP"))
    namespace.patch("asked", phase="COMPLETE")

    namespace.wait("asked", phase_is("COMPLETE"))


def test_applying_the_same_request_again_does_nothing(namespace: Namespace) -> None:
    failing = build("same", phases={"build": work("exit 1")}, request=request("1", "Restart"))
    namespace.apply(failing)
    refused = namespace.wait("same", phase_is("ERROR"))
    assert "Refused" == refused["lastRequest"]["outcome"]
    namespace.patch("same", request=request("2", "Restart"))
    again = namespace.wait("same", lambda seen: seen["status"]["sequence"] == 7)
    assert "ERROR" == again["phase"]

    namespace.patch("same", request=request("2", "Restart"), metadata={"applied": "again"})
    seen = namespace.wait("same", lambda seen: seen["status"]["metadata"] == {"applied": "again"})

    assert 7 == seen["sequence"]


def test_a_request_that_cannot_be_done_is_refused_with_words(namespace: Namespace) -> None:
    namespace.apply(build("fine"))
    namespace.wait("fine", phase_is("COMPLETE"))

    with pytest.raises(CommandFailed, match="COMPLETE is final"):
        namespace.patch("fine", request=request("1", "Restart"))
    with pytest.raises(CommandFailed, match="no way leads from COMPLETE to BUILD"):
        namespace.patch("fine", phase="BUILD")


def test_a_request_that_comes_with_the_build_is_refused_and_changes_nothing_else(
    namespace: Namespace,
) -> None:
    namespace.apply(build("early", request=request("1", "Cleanup")))

    status = namespace.wait("early", phase_is("COMPLETE"))

    assert "Refused" == status["lastRequest"]["outcome"]
    assert "possible only in ERROR" in status["lastRequest"]["message"]
    assert "Succeeded" == status["status"]
