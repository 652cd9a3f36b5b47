"""What a Pod says about the attempt that it is: still on its way, succeeded, or failed and why."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from buildstate.domain.observed import PodPhase, PodView
from buildstate.domain.specs import PhaseWork
from buildstate.domain.states import PhaseRecord

UNSTARTABLE = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
    },
)
"""Reasons of the kubelet for a container that does not start, and mostly never will."""

START_GRACE = timedelta(seconds=30)
"""How long such a reason may stand before the attempt has failed: a registry may hiccup."""

KUBELET_SLACK = timedelta(seconds=5)
"""The kubelet ends a Pod that is too slow; only when it is late do we."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one attempt ended."""

    succeeded: bool
    reason: str = ""
    message: str = ""
    exit_code: int | None = None


def judge(pod: PodView, work: PhaseWork, record: PhaseRecord, now: datetime) -> Outcome | None:
    """Give how the attempt ended, or None while it may still succeed."""
    if pod.phase is PodPhase.SUCCEEDED:
        return Outcome(succeeded=True)
    if pod.phase is PodPhase.FAILED:
        return _ended(pod)
    if _is_past(deadline(pod, work, record), now):
        return Outcome(
            succeeded=False,
            reason="DeadlineExceeded",
            message=f"the attempt did not end within {work.timeout_seconds} s",
        )
    if _is_past(start_limit(pod, record), now):
        return Outcome(succeeded=False, reason=pod.waiting, message=pod.message)
    return None


def deadline(pod: PodView, work: PhaseWork, record: PhaseRecord) -> datetime | None:
    """Give the time at which we, not the kubelet, end the attempt; None without a timeout."""
    began = _began(pod, record)
    if work.timeout_seconds is None or began is None:
        return None
    return began + timedelta(seconds=work.timeout_seconds) + KUBELET_SLACK


def start_limit(pod: PodView, record: PhaseRecord) -> datetime | None:
    """Give the time at which a container that cannot start has failed; None if it may start."""
    if pod.waiting not in UNSTARTABLE:
        return None
    # Time that it waited for a node does not count.
    return max(record.attempt_time, pod.started or pod.created) + START_GRACE


def _began(pod: PodView, record: PhaseRecord) -> datetime | None:
    # The Pod may be made long after the intent, where a quota had to be waited for; and a queue may
    # hold it for long once it is made.
    begins = pod.begins
    return None if begins is None else max(begins, record.attempt_time)


def _is_past(limit: datetime | None, now: datetime) -> bool:
    return limit is not None and now >= limit


def _ended(pod: PodView) -> Outcome:
    return Outcome(
        succeeded=False,
        reason=pod.reason or "Error",
        message=pod.message,
        exit_code=pod.exit_code,
    )
