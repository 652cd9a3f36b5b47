"""How a build fares, in the words that tools and people wait for.

All conditions are written every time. `Succeeded` and `Ready` are the summaries; `Reconciling` and
`Stalled` are kstatus' abnormal-true pair.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from buildstate.domain import (
    allotments,
    attempts,
    captures,
    dependencies,
    disruptions,
    requests,
    resizes,
)
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import Moment, Obstruction, PodView, Trouble
from buildstate.domain.outcomes import UNSCHEDULABLE, UNSTARTABLE
from buildstate.domain.phases import BuildPhase, BuildStatus
from buildstate.domain.recoveries import (
    asks_cleanup,
    is_recovering,
    may_recover,
    recovery_time,
)
from buildstate.domain.states import MAX_TEXT, BuildState, Condition, Failure, WorkResult
from buildstate.domain.transitions import path, requestable

TARGET_REACHED = "TargetReached"


@dataclass(frozen=True, slots=True)
class Situation:
    """How the build fares: one word, one reason, one sentence."""

    status: BuildStatus
    reason: str
    message: str


_SUSPENDED = Situation(
    BuildStatus.SUSPENDED,
    "Suspended",
    "nothing new is started; set spec.suspend to false to go on",
)
_TABLE: Mapping[BuildStatus, tuple[str, str, str, str]] = {
    # status:             Succeeded, Ready, Reconciling, Stalled
    BuildStatus.PENDING: ("Unknown", "False", "True", "False"),
    BuildStatus.RUNNING: ("Unknown", "False", "True", "False"),
    BuildStatus.WAITING: ("Unknown", "False", "True", "False"),
    BuildStatus.SUSPENDED: ("Unknown", "False", "False", "False"),
    BuildStatus.RECOVERING: ("Unknown", "False", "True", "False"),
    BuildStatus.SUCCEEDED: ("True", "True", "False", "False"),
    BuildStatus.FAILED: ("False", "False", "False", "True"),
    BuildStatus.ABORTED: ("False", "False", "False", "True"),
    BuildStatus.ARCHIVED: ("True", "True", "False", "False"),
}
_TYPES = ("Succeeded", "Ready", "Reconciling", "Stalled")


def summarise(state: BuildState, moment: Moment, *, is_stored: bool = False) -> BuildState:
    """Give `state` with status, conditions and the echo of the intent that belong to it.

    `is_stored` says that the state will be written only once its checkpoint is stored.
    """
    situation = assess(state, moment)
    judged = replace(
        state,
        status=situation.status,
        observed_generation=moment.observed.generation,
        # A wish that must wait is not noted as seen, or it would be forgotten.
        target=state.target if asks_cleanup(state, moment) else moment.target,
        metadata=moment.spec.metadata,
    )
    values = zip(_TYPES, _values(state, situation), strict=True)
    fresh = tuple(
        _condition(kind, (value, situation.reason, situation.message), judged, moment)
        for kind, value in values
    )
    stored = _checkpointed(judged, moment, is_stored=is_stored)
    return replace(judged, conditions=(*fresh, *stored))


def _checkpointed(state: BuildState, moment: Moment, *, is_stored: bool) -> tuple[Condition, ...]:
    if moment.spec.checkpoints is None:
        return ()
    trouble = moment.observed.trouble
    # What somebody else wrote about it is not repeated as ours.
    known = None if moment.observed.violations else state.condition(captures.CONDITION)
    if is_stored:
        said = ("True", "Stored", "the newest checkpoint that was due is stored")
    elif trouble is not None:
        said = ("False", trouble.reason, trouble.message)
    elif known is not None:
        said = (known.status, known.reason, known.message)
    else:
        said = ("Unknown", "NoneDue", "no checkpoint was due yet")
    return (_condition(captures.CONDITION, said, state, moment),)


def assess(state: BuildState, moment: Moment) -> Situation:
    """Say how the build fares: the first sentence that fits."""
    if state.is_archived:
        return Situation(BuildStatus.ARCHIVED, "Archived", "the build is put away")
    if state.phase is BuildPhase.COMPLETE:
        return _complete(state)
    if state.phase is BuildPhase.ERROR:
        return _in_error(state, moment)
    record = state.record
    if record is not None and record.result is WorkResult.RUNNING:
        return _running(state, moment)
    if record is not None and record.result is WorkResult.FAILED:
        return _between_attempts(state, moment)
    return _at_rest(state, moment)


def _values(state: BuildState, situation: Situation) -> tuple[str, str, str, str]:
    succeeded, ready, reconciling, stalled = _TABLE[situation.status]
    if state.failure is not None and situation.status is not BuildStatus.RECOVERING:
        succeeded = "False"
    if situation.reason == TARGET_REACHED:
        ready, reconciling = "True", "False"
    return succeeded, ready, reconciling, stalled


def _condition(
    kind: str,
    said: tuple[str, str, str],
    state: BuildState,
    moment: Moment,
) -> Condition:
    value, reason, message = said
    known = state.condition(kind)
    since = known.last_transition_time if known and known.status == value else moment.now
    return Condition(
        type=kind,
        status=value,
        reason=reason,
        message=message[:MAX_TEXT],
        observed_generation=state.observed_generation,
        last_transition_time=since,
    )


def _complete(state: BuildState) -> Situation:
    if state.failure is None:
        return Situation(BuildStatus.SUCCEEDED, "Completed", "every phase is done")
    return _failed(state, "cleaned up after a failure: ")


def _failed(state: BuildState, prefix: str = "") -> Situation:
    failure = state.failure
    if failure is None:
        return Situation(BuildStatus.FAILED, "Unknown", "the build is in ERROR")
    aborted = failure.category is ErrorCategory.ABORTED
    text = f"{prefix}{failure.reason} in {_place(failure)}: {failure.message}".rstrip(": \n")
    status = BuildStatus.ABORTED if aborted else BuildStatus.FAILED
    return Situation(status, failure.category, text)


def _place(failure: Failure) -> str:
    # The Pod of an aborted attempt is gone: nobody needs to look for it.
    pod = "" if failure.category is ErrorCategory.ABORTED else failure.pod
    parts = (
        failure.phase,
        f"attempt {failure.attempt}" if failure.attempt else "",
        f"Pod {pod}" if pod else "",
        "" if failure.exit_code is None else f"exit code {failure.exit_code}",
    )
    return ", ".join(part for part in parts if part)


def _in_error(state: BuildState, moment: Moment) -> Situation:
    failed = _failed(state)
    trouble = _hindrance(state, moment)
    if trouble is not None:
        message = f"the way out of ERROR waits for the store: {trouble.message}; {failed.message}"
        return Situation(BuildStatus.RECOVERING, trouble.reason, message)
    line = allotments.waiting(state, moment)
    if line:
        message = f"{line}; {failed.message}"
        return Situation(BuildStatus.RECOVERING, allotments.QUOTA_EXCEEDED, message)
    if not is_recovering(state, moment):
        return failed
    if moment.spec.suspend:
        return Situation(BuildStatus.SUSPENDED, "Suspended", f"recovery waits; {failed.message}")
    message = f"{_next_deed(state, moment)}; {failed.message}"
    return Situation(BuildStatus.RECOVERING, failed.reason, message)


def _hindrance(state: BuildState, moment: Moment) -> Trouble | None:
    """Give the trouble with the store that keeps the build from leaving ERROR."""
    given = moment.observed.recoverable
    if given is not None and given.trouble is not None:
        return given.trouble
    leaves = is_recovering(state, moment) and not moment.spec.suspend
    leaves = leaves or requests.asks_to_leave(state, moment) or asks_cleanup(state, moment)
    return moment.trouble if leaves and captures.is_withheld(moment) else None


def _next_deed(state: BuildState, moment: Moment) -> str:
    if not may_recover(state, moment):
        return "CLEANUP follows, as no recovery is left"
    deed = moment.spec.recovery.strategy.lower()
    count = f"{deed} {state.recovery.attempts + 1} of {moment.spec.recovery.limit}"
    if dependencies.keeps_in_error(state, moment):
        return f"{count} once that is no longer so"
    at = recovery_time(state, moment).strftime("%H:%M:%SZ")
    return f"{count} at {at}"


def _running(state: BuildState, moment: Moment) -> Situation:
    observed, refusal = moment.observed, moment.observed.refusal
    if refusal is not None:
        return Situation(BuildStatus.WAITING, refusal.reason, refusal.message)
    work, pod = moment.spec.work(state.phase), observed.pod(state)
    which = f"attempt {state.attempt} of {attempts.limit(work, state.record)} of {state.phase}"
    where = f"in Pod {observed.pod_name(state)}"
    given = observed.objects
    if given is not None and given.trouble is not None:
        text = f"{which} has succeeded; its artifacts wait for the store: {given.trouble.message}"
        return Situation(BuildStatus.WAITING, given.trouble.reason, text)
    hindered = _hindered(pod, which, observed.obstruction) if pod else None
    if hindered is not None:
        return hindered
    lack = resizes.trouble(state, observed)
    if lack is not None:
        text = f"{which} goes on {where} with the resources that it has: {lack[1]}"
        return Situation(BuildStatus.RUNNING, lack[0], text)
    after = "; nothing follows it, the build is suspended" if moment.spec.suspend else ""
    return Situation(BuildStatus.RUNNING, "PhaseRunning", f"{which} runs {where}{after}")


def _hindered(pod: PodView, which: str, why: Obstruction | None) -> Situation | None:
    """Say what keeps the Pod at work from its work, or from its end."""
    where = f"in Pod {pod.name}"
    if pod.is_gated:
        return _gated(pod, f"{which} waits {where}")
    if disruptions.is_lost(pod):
        return _lost(pod, which)
    if pod.deleting and pod.is_live:
        text = f"somebody deleted Pod {pod.name} of {which}; the next one follows once it is gone"
        return Situation(BuildStatus.RUNNING, "Stopping", text)
    if why or pod.waiting in (*UNSTARTABLE, UNSCHEDULABLE):
        return _stuck(pod, f"{which} cannot start {where}", why)
    return None


def _gated(pod: PodView, text: str) -> Situation:
    why = f"Kueue's queue {pod.queue} has not admitted it" if pod.queue else pod.message
    return Situation(BuildStatus.WAITING, "SchedulingGated", f"{text}: {why}")


def _stuck(pod: PodView, text: str, why: Obstruction | None) -> Situation:
    if why is not None:
        return Situation(BuildStatus.WAITING, why.reason, f"{text}: {why.message}")
    # The kubelet swings between these two, in other words each time: every swing would be a write.
    if pod.waiting in ("ErrImagePull", "ImagePullBackOff"):
        return Situation(
            BuildStatus.WAITING, "ImagePullBackOff", f"{text}: its image is not pulled"
        )
    return Situation(BuildStatus.WAITING, pod.waiting, f"{text}: {pod.message}".rstrip(": "))


def _lost(pod: PodView, which: str) -> Situation:
    node = f"node {pod.node}" if pod.node else "its node"
    message = (
        f"nobody knows whether Pod {pod.name} ({which}) still runs, as {node} does not answer; "
        "it goes on when the node is back. Once the node is surely gone, delete the Pod by force: "
        f"kubectl delete pod {pod.name} --force"
    )
    return Situation(BuildStatus.WAITING, disruptions.NODE_LOST, message)


def _between_attempts(state: BuildState, moment: Moment) -> Situation:
    lost = next(filter(disruptions.is_lost, moment.observed.live_pods), None)
    if lost is not None:
        return _lost(lost, "the failed attempt")
    if moment.observed.live_pods:
        return Situation(BuildStatus.RUNNING, "Stopping", "the Pod of the failed attempt is ending")
    if moment.spec.suspend:
        return _SUSPENDED
    line = allotments.waiting(state, moment)
    if line:
        return Situation(BuildStatus.WAITING, allotments.QUOTA_EXCEEDED, line)
    return Situation(BuildStatus.PENDING, "Advancing", "the next attempt is about to begin")


def _at_rest(state: BuildState, moment: Moment) -> Situation:
    way = path(state.phase, moment.target)
    if way == ():
        message = f"{state.phase} was asked for and is reached; ask for a later phase to go on"
        return Situation(BuildStatus.WAITING, TARGET_REACHED, message)
    if moment.spec.suspend:
        return _SUSPENDED
    if way is None:
        allowed = ", ".join(requestable(state.phase))
        message = f"no way leads from {state.phase} to {moment.target}; ask for one of {allowed}"
        return Situation(BuildStatus.WAITING, ErrorCategory.TRANSITION_VIOLATION, message)
    return _before(way[0], state, moment) or Situation(
        BuildStatus.PENDING, "Advancing", f"on the way to {moment.target}"
    )


def _before(phase: BuildPhase, state: BuildState, moment: Moment) -> Situation | None:
    """Give what the next phase waits for, or None where it is entered now."""
    if captures.is_withheld(moment) and moment.trouble:
        message = f"{phase} is entered once the checkpoint can be stored: {moment.trouble.message}"
        return Situation(BuildStatus.WAITING, moment.trouble.reason, message)
    held = dependencies.hold(state, moment, phase)
    if held is not None:
        return Situation(BuildStatus.WAITING, held.standing, held.message)
    line = allotments.waiting(state, moment)
    if line:
        return Situation(BuildStatus.WAITING, allotments.QUOTA_EXCEEDED, line)
    return None
