from tests.worlds import NAME, NAMESPACE, NOW, UID, a_build

from buildstate.kube.events import MAX_MESSAGE, manifest


def test_an_event_points_at_its_build() -> None:
    event = manifest(
        a_build().observed(),
        mark="1",
        reason="Advanced",
        message="INIT -> SETUP",
        is_warning=False,
        time=NOW,
    )
    expected = {
        "apiVersion": "buildstate.dev/v1alpha1",
        "kind": "BuildState",
        "name": NAME,
        "namespace": NAMESPACE,
        "uid": UID,
    }
    assert expected == event["involvedObject"]
    assert ("Normal", "2026-03-01T12:00:00Z") == (event["type"], event["lastTimestamp"])


def test_a_long_message_is_cut_to_what_an_event_may_hold() -> None:
    event = manifest(
        a_build().observed(),
        mark="1",
        reason="PhaseFailed",
        message="x" * 5000,
        is_warning=True,
        time=NOW,
    )
    assert (MAX_MESSAGE, "Warning") == (len(event["message"]), event["type"])
