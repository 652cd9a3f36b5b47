"""Builds that wait for each other, in real Pods."""

from pathlib import Path

from stories import Namespace, phase_is, way

EXAMPLE = Path(__file__).parents[1] / "examples" / "dependencies.yaml"
FORWARD = ["INIT", "SETUP", "BUILD", "TEST", "CLEANUP", "COMPLETE"]


def test_the_diamond_of_the_examples_is_walked_from_its_top(namespace: Namespace) -> None:
    namespace.kubectl("apply", "-f", str(EXAMPLE))

    names = ("library", "server", "client", "report")
    statuses = {name: namespace.wait(name, phase_is("COMPLETE", "ERROR")) for name in names}

    assert [FORWARD] * 4 == [way(status) for status in statuses.values()], statuses
    began = {pod["metadata"]["labels"]["buildstate.dev/build"]: pod for pod in namespace.pods()}
    ended = {name: status["completionTime"] for name, status in statuses.items()}
    for side in ("server", "client"):
        assert ended["library"][:19] <= began[side]["metadata"]["creationTimestamp"][:19]
    assert ended["server"][:19] <= began["report"]["metadata"]["creationTimestamp"][:19]
    assert [True, True] == [one["satisfied"] for one in statuses["report"]["dependencies"]]
