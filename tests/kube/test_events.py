import pytest
from tests.worlds import NAME, NAMESPACE, NOW, UID, a_build, after

from buildstate.kube.events import MAX_MESSAGE, manifest, of_namespace


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


def test_an_event_of_a_namespace_stands_in_it() -> None:
    namespace = {"metadata": {"name": "team", "uid": "u"}}
    event = of_namespace(namespace, reason="A", message="b", is_warning=True, time=NOW)
    expected = {"apiVersion": "v1", "kind": "Namespace", "name": "team", "uid": "u"}
    assert {**expected, "namespace": "team"} == event["involvedObject"]
    assert "team" == event["metadata"]["namespace"]


@pytest.mark.parametrize(("is_warning", "events"), [(True, 1), (False, 2)])
def test_the_same_warning_of_a_namespace_is_one_event_and_what_was_done_twice_is_two(
    is_warning: bool, events: int
) -> None:
    namespace = {"metadata": {"name": "team", "uid": "u"}}
    made = [
        of_namespace(namespace, reason="A", message="b", is_warning=is_warning, time=time)
        for time in (NOW, after(1))
    ]
    assert events == len({one["metadata"]["name"] for one in made})
