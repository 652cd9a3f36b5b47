"""What a Pod says about the attempt that it is: still on its way, succeeded, or failed and why."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from buildstate.domain import disruptions
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import PodPhase, PodView
from buildstate.domain.specs import PhaseWork, ResourcePolicy
from buildstate.domain.states import ArtifactRecord, PhaseRecord

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

UNSCHEDULABLE = "Unschedulable"
"""The scheduler's word for a Pod that no node has room for."""

START_GRACE = timedelta(seconds=30)
"""How long such a reason may stand before the attempt has failed: a registry may hiccup."""

_USUAL = ResourcePolicy()

KUBELET_SLACK = timedelta(seconds=5)
"""The kubelet ends a Pod that is too slow; only when it is late do we."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one attempt ended, and with which artifacts.

    `is_disruption` says that it was for no fault of its own, `is_final` that none after it helps.
    """

    succeeded: bool
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    is_disruption: bool = False
    is_final: bool = False
    category: ErrorCategory = ErrorCategory.PHASE_FAILED
    artifacts: tuple[ArtifactRecord, ...] = ()


def judge(
    pod: PodView,
    work: PhaseWork,
    record: PhaseRecord,
    now: datetime,
    policy: ResourcePolicy = _USUAL,
) -> Outcome | None:
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
    if _is_past(schedule_limit(pod, record, policy), now):
        return _unschedulable(pod, policy)
    return None


def judge_departed(pod: PodView) -> Outcome:
    """Give how the attempt ended whose Pod is gone, from how it was last seen."""
    return Outcome(succeeded=True) if pod.phase is PodPhase.SUCCEEDED else _ended(pod)


def deadline(pod: PodView, work: PhaseWork, record: PhaseRecord) -> datetime | None:
    """Give the time at which we, not the kubelet, end the attempt; None without a timeout."""
    began = _began(pod, record)
    if work.timeout_seconds is None or began is None:
        return None
    return began + timedelta(seconds=work.timeout_seconds) + KUBELET_SLACK


def schedule_limit(pod: PodView, record: PhaseRecord, policy: ResourcePolicy) -> datetime | None:
    """Give the time at which a Pod has waited for a node too long; None while it need not."""
    since = record.unschedulable_time
    if since is None or pod.waiting != UNSCHEDULABLE:
        return None
    return since + timedelta(seconds=policy.schedule_timeout_seconds)


def start_limit(pod: PodView, record: PhaseRecord) -> datetime | None:
    """Give the time at which a container that cannot start has failed; None if it may start."""
    if pod.waiting not in UNSTARTABLE:
        return None
    # Time that it waited for a node does not count, nor that of the container before it.
    return max(record.attempt_time, pod.turn or pod.started or pod.created) + START_GRACE


def _began(pod: PodView, record: PhaseRecord) -> datetime | None:
    # The Pod may be made long after the intent, where a quota had to be waited for; and a queue may
    # hold it for long once it is made.
    begins = pod.begins
    return None if begins is None else max(begins, record.attempt_time)


def _is_past(limit: datetime | None, now: datetime) -> bool:
    return limit is not None and now >= limit


def _ended(pod: PodView) -> Outcome:
    cause = disruptions.cause(pod)
    return Outcome(
        succeeded=False,
        reason=cause or pod.reason or "Error",
        message=pod.message,
        exit_code=pod.exit_code,
        is_disruption=bool(cause),
    )


def _unschedulable(pod: PodView, policy: ResourcePolicy) -> Outcome:
    seconds = policy.schedule_timeout_seconds
    return Outcome(
        succeeded=False,
        reason=UNSCHEDULABLE,
        message=f"no node had room for {seconds} s: {pod.message}".rstrip(": "),
        is_final=True,
        category=ErrorCategory.RESOURCE_ALLOCATION_FAILURE,
    )
