from dataclasses import replace
from datetime import datetime

import pytest
from tests.worlds import NOW, a_pod, a_record, after, some_work

from buildstate.domain.observed import PodPhase, PodView
from buildstate.domain.outcomes import UNSTARTABLE, Outcome, deadline, judge, start_limit
from buildstate.domain.phases import BuildPhase
from buildstate.domain.states import PhaseRecord, WorkResult

RECORD = a_record(BuildPhase.BUILD, WorkResult.RUNNING)
SLOW = some_work(timeout_seconds=60)
ENDLESS = some_work()


def test_a_pod_that_succeeded_has_succeeded_however_late_it_is() -> None:
    pod = a_pod("p", PodPhase.SUCCEEDED)
    assert Outcome(succeeded=True) == judge(pod, SLOW, RECORD, after(9999))


def test_a_pod_that_failed_says_how() -> None:
    pod = a_pod("p", PodPhase.FAILED, reason="OOMKilled", message="no memory", exit_code=137)
    expected = Outcome(succeeded=False, reason="OOMKilled", message="no memory", exit_code=137)
    assert expected == judge(pod, ENDLESS, RECORD, NOW)


def test_a_pod_that_failed_without_a_word_is_an_error() -> None:
    expected = Outcome(succeeded=False, reason="Error")
    assert expected == judge(a_pod("p", PodPhase.FAILED), ENDLESS, RECORD, NOW)


@pytest.mark.parametrize("phase", [PodPhase.PENDING, PodPhase.RUNNING, PodPhase.UNKNOWN])
@pytest.mark.parametrize(("at", "is_late"), [(64.999, False), (65, True), (66, True)])
def test_the_deadline_is_the_timeout_and_some_seconds_for_the_kubelet(
    phase: PodPhase, at: float, is_late: bool
) -> None:
    outcome = judge(a_pod("p", phase), SLOW, RECORD, after(at))
    assert ("DeadlineExceeded" if is_late else None) == (outcome and outcome.reason)


def test_work_without_timeout_has_no_deadline() -> None:
    assert judge(a_pod("p"), ENDLESS, RECORD, after(10**8)) is None


def test_the_deadline_counts_from_the_pod_when_it_came_long_after_the_intent() -> None:
    assert after(100 + 65) == deadline(a_pod("p", created=after(100)), SLOW, RECORD)


def test_the_deadline_counts_from_the_intent_when_the_clock_of_the_pod_is_behind() -> None:
    assert after(65) == deadline(a_pod("p", created=after(-100)), SLOW, RECORD)


def test_the_deadline_counts_from_the_start_of_the_pod_as_the_kubelets_does() -> None:
    assert after(300 + 65) == deadline(a_pod("p", started=after(300)), SLOW, RECORD)


HELD_BACK = {
    "by a gate": a_pod("p", PodPhase.PENDING, waiting="SchedulingGated"),
    "in a queue": a_pod("p", PodPhase.PENDING, queue="builds", waiting="Unschedulable"),
}


@pytest.mark.parametrize("pod", HELD_BACK.values(), ids=HELD_BACK)
def test_what_others_hold_back_has_no_deadline_until_it_starts(pod: PodView) -> None:
    assert deadline(pod, SLOW, RECORD) is None
    assert judge(pod, SLOW, RECORD, after(10**6)) is None
    started = replace(pod, waiting="", started=after(10**6))
    assert after(10**6 + 65) == deadline(started, SLOW, RECORD)


def test_an_image_that_is_not_pulled_is_waited_for_no_longer_in_a_queue() -> None:
    pod = a_pod("p", PodPhase.PENDING, queue="builds", waiting="ErrImagePull", started=after(100))
    assert after(130) == start_limit(pod, RECORD)


@pytest.mark.parametrize("waiting", sorted(UNSTARTABLE))
@pytest.mark.parametrize(("at", "has_failed"), [(29.999, False), (30, True)])
def test_a_container_that_cannot_start_has_failed_after_the_grace(
    waiting: str, at: float, has_failed: bool
) -> None:
    pod = a_pod("p", PodPhase.PENDING, waiting=waiting, message="no such image")
    expected = Outcome(succeeded=False, reason=waiting, message="no such image")
    assert (expected if has_failed else None) == judge(pod, ENDLESS, RECORD, after(at))


@pytest.mark.parametrize("waiting", ["", "ContainerCreating", "PodInitializing", "Unschedulable"])
def test_a_container_that_may_still_start_has_time(waiting: str) -> None:
    pod = a_pod("p", PodPhase.PENDING, waiting=waiting)
    assert judge(pod, ENDLESS, RECORD, after(10**6)) is None


@pytest.mark.parametrize(
    ("pod", "record", "expected"),
    [
        (a_pod("p", waiting="ErrImagePull"), RECORD, after(30)),
        (a_pod("p", waiting="ErrImagePull", created=after(7)), RECORD, after(37)),
        (a_pod("p", waiting="ContainerCreating"), RECORD, None),
        (a_pod("p"), RECORD, None),
    ],
)
def test_the_grace_counts_from_the_pod(
    pod: PodView, record: PhaseRecord, expected: datetime | None
) -> None:
    assert expected == start_limit(pod, record)
