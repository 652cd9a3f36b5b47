"""A build that broke goes on from where it was: checkpoints on a real node."""

from typing import Any

from stories import Namespace, build, condition, fares, kill_operator, phase_is, work

RESUME = {"strategy": "Resume", "limit": 2, "backoffSeconds": 0}
ONCE = "test -e /workspace/tried || { touch /workspace/tried; exit 1; }"
MARK = "echo {0} >> /workspace/ran"


def resuming(name: str, test: str, **spec: Any) -> dict[str, Any]:
    """A build that writes down what it ran, and takes checkpoints."""
    phases = {
        "setup": work(MARK.format("setup")),
        "build": work(MARK.format("build")),
        "test": work(f"{MARK.format('test')}; {test}"),
        "cleanup": work("cat /workspace/ran > /dev/termination-log; cat /workspace/ran"),
    }
    recovery = {"workspace": {"size": "16Mi"}, "checkpoints": {}, "recovery": RESUME}
    return build(name, phases=phases, **(recovery | spec))


def ran(namespace: Namespace, name: str) -> list[str]:
    """What the build wrote down that it ran."""
    selector = f"buildstate.dev/build={name},buildstate.dev/phase=CLEANUP"
    return namespace.kubectl("logs", "-l", selector).split()


def results(status: Any) -> dict[str, str]:
    """How the work of each phase stands."""
    return {record["phase"]: record["result"] for record in status["phases"]}


def test_a_failed_build_goes_on_at_the_phase_that_failed(namespace: Namespace) -> None:
    namespace.apply(resuming("once", ONCE))

    status = namespace.wait("once", phase_is("COMPLETE"))

    assert ["setup", "build", "test", "test"] == ran(namespace, "once")
    held = {"SETUP": "Restored", "BUILD": "Restored", "TEST": "Succeeded", "CLEANUP": "Succeeded"}
    assert held == results(status)
    assert "True" == condition(status, "Checkpointed")["status"]
    assert status["checkpoints"][-1]["phase"] == "COMPLETE"


def test_a_build_that_always_fails_stops_when_its_recoveries_are_used_up(
    namespace: Namespace,
) -> None:
    namespace.apply(resuming("never", "exit 1"))

    status = namespace.wait("never", fares("Failed", "ERROR"))

    assert 2 == status["recovery"]["attempts"]
    phases = [pod["metadata"]["labels"]["buildstate.dev/phase"] for pod in namespace.pods()]
    assert ["BUILD", "SETUP", "TEST", "TEST", "TEST"] == sorted(phases)


def test_one_asks_for_a_checkpoint_and_goes_back_to_it(namespace: Namespace) -> None:
    namespace.apply(resuming("back", "exit 1", recovery={"strategy": "None"}))
    status = namespace.wait("back", phase_is("ERROR"))
    built = next(ref["name"] for ref in status["checkpoints"] if ref["phase"] == "BUILD")

    request = {"id": "back-1", "action": "Restore", "checkpoint": built}
    namespace.patch("back", phases={"test": work(MARK.format("mended"))}, request=request)

    status = namespace.wait("back", phase_is("COMPLETE"))
    assert ["setup", "build", "test", "build", "mended"] == ran(namespace, "back")
    assert {"outcome": "Done", "action": "Restore"}.items() <= status["lastRequest"].items()
    assert built == status["recovery"]["checkpoint"]


def test_a_workspace_that_is_gone_is_said_and_not_built_upon(namespace: Namespace) -> None:
    namespace.apply(resuming("lost", "exit 1", recovery={"strategy": "None"}))
    claim = namespace.wait("lost", phase_is("ERROR"))["workspaceClaim"]
    namespace.kubectl("delete", "pods", "--all", "--wait")
    namespace.kubectl("delete", "pvc", claim, "--wait")

    namespace.patch("lost", request={"id": "lost-1", "action": "Restore"})

    status = namespace.wait("lost", lambda seen: "lastRequest" in seen.get("status", {}))
    answer = status["lastRequest"]
    assert ["Refused", "RecoveryFailure"] == [answer["outcome"], answer["reason"]]
    assert f"the workspace {claim}" in answer["message"]
    assert "ERROR" == status["phase"]


def test_a_killed_operator_goes_on_with_the_recovery(namespace: Namespace) -> None:
    namespace.apply(resuming("killed", f"sleep 3; {ONCE}"))
    namespace.wait("killed", phase_is("TEST"))

    kill_operator(namespace.installation)

    namespace.wait("killed", phase_is("COMPLETE"))
    assert ["setup", "build", "test", "test"] == ran(namespace, "killed")


def test_a_tampered_state_is_rebuilt_from_its_checkpoints(namespace: Namespace) -> None:
    namespace.apply(resuming("bent", "sleep 600"))
    namespace.wait("bent", fares("Running", "TEST"))

    forged = '{"status":{"startTime":"2001-01-01T00:00:00Z"}}'
    namespace.kubectl("patch", "bs", "bent", "--subresource=status", "--type=merge", "-p", forged)

    status = namespace.wait("bent", lambda seen: seen["status"].get("epoch") == 1)
    status = namespace.wait("bent", fares("Running", "TEST"))
    assert {"SETUP": "Restored", "BUILD": "Restored"}.items() <= results(status).items()
    reasons = {event["reason"] for event in namespace.get("events")["items"]}
    assert {"StateCorruption", "RecoveryResume"} <= reasons
    namespace.patch("bent", phase="ERROR")


def test_an_ended_build_is_put_away(namespace: Namespace) -> None:
    namespace.apply(build("away", phases={"build": work("true")}, checkpoints={}))
    namespace.wait("away", phase_is("COMPLETE"))

    namespace.patch("away", request={"id": "away-1", "action": "Archive"})

    status = namespace.wait("away", fares("Archived", "COMPLETE"))
    assert "Done" == status["lastRequest"]["outcome"]
