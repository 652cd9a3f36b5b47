import pytest
from tests.worlds import a_pod

from buildstate.domain.disruptions import avoided, cause, is_lost
from buildstate.domain.observed import PodPhase, PodView

FAILED, RUNNING, UNKNOWN = PodPhase.FAILED, PodPhase.RUNNING, PodPhase.UNKNOWN


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (a_pod("p", FAILED), ""),
        (a_pod("p", FAILED, reason="Error", exit_code=3), ""),
        (a_pod("p", FAILED, reason="Evicted"), "Evicted"),
        (a_pod("p", FAILED, reason="NodeShutdown"), "Evicted"),
        (a_pod("p", FAILED, reason="Preempting"), "Preempted"),
        (a_pod("p", FAILED, reason="NodeLost"), "NodeLost"),
        (a_pod("p", FAILED, disruption="PreemptionByScheduler"), "Preempted"),
        (a_pod("p", FAILED, disruption="DeletionByTaintManager"), "NodeLost"),
        (a_pod("p", FAILED, disruption="DeletionByPodGC"), "NodeLost"),
        (a_pod("p", FAILED, disruption="EvictionByEvictionAPI", deleting=True), "Evicted"),
        (a_pod("p", FAILED, disruption="TerminationByKubelet", reason="Evicted"), "Evicted"),
        (a_pod("p", FAILED, disruption="OfAnotherController"), "Evicted"),
        (a_pod("p", FAILED, deleting=True, reason="Error", exit_code=143), "PodDeleted"),
        (a_pod("p", FAILED, deleting=True, reason="OOMKilled"), ""),
        (a_pod("p", FAILED, deleting=True, reason="DeadlineExceeded"), ""),
        (a_pod("p", RUNNING), "PodDeleted"),
        (a_pod("p", UNKNOWN, deleting=True), "PodDeleted"),
        (a_pod("p", RUNNING, disruption="PreemptionByScheduler"), "Preempted"),
    ],
)
def test_whose_fault_the_end_of_a_pod_was(pod: PodView, expected: str) -> None:
    assert expected == cause(pod)


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (a_pod("p", RUNNING), False),
        (a_pod("p", RUNNING, deleting=True), False),
        (a_pod("p", RUNNING, disruption="DeletionByTaintManager"), False),
        (a_pod("p", RUNNING, deleting=True, disruption="DeletionByTaintManager"), True),
        (a_pod("p", RUNNING, deleting=True, disruption="PreemptionByScheduler"), False),
        (a_pod("p", UNKNOWN), True),
        (a_pod("p", FAILED, deleting=True, disruption="DeletionByTaintManager"), False),
    ],
)
def test_whether_a_pod_is_lost_with_its_node(pod: PodView, expected: bool) -> None:
    assert expected == is_lost(pod)


@pytest.mark.parametrize(
    ("node", "known", "expected"),
    [
        ("", None, None),
        ("", ("a",), ("a",)),
        ("a", None, ("a",)),
        ("b", ("a",), ("b", "a")),
        ("a", ("b", "a"), ("a", "b")),
        ("f", tuple("edcba"), tuple("fedcb")),
    ],
)
def test_the_nodes_to_avoid_are_the_latest_few(
    node: str, known: tuple[str, ...] | None, expected: tuple[str, ...] | None
) -> None:
    assert expected == avoided(node, known)
