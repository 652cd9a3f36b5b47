"""What becomes of a phase when an attempt at its work has ended."""

from dataclasses import replace

from buildstate.domain import allotments, artifacts, changes, growths
from buildstate.domain.disruptions import MAX_DISRUPTIONS, avoided
from buildstate.domain.observed import Moment, PodView
from buildstate.domain.outcomes import UNSCHEDULABLE, UNSTARTABLE, Outcome
from buildstate.domain.specs import PhaseWork
from buildstate.domain.states import (
    MAX_TEXT,
    BuildState,
    Failure,
    PhaseRecord,
    Retry,
    WorkResult,
)

_FIRST = Retry(reason="", message="")
_MAX_REASON = 256


def conclude(
    state: BuildState, outcome: Outcome, pod: PodView, work: PhaseWork, moment: Moment
) -> BuildState:
    """Write down how the attempt that `pod` was has ended, and commit to the next one, if any."""
    record, outcome = state.record, artifacts.hold(outcome, pod, state, moment)
    if outcome.succeeded or record is None:
        with_artifacts = artifacts.kept(state, outcome.artifacts)
        return changes.finish(with_artifacts, WorkResult.SUCCEEDED, moment.now)
    prepared = _prepared(record, outcome, pod, work, moment)
    if prepared is None:
        return changes.fail(state, _failure(state, outcome, work, moment), moment)
    failed = changes.finish(state.with_record(prepared), WorkResult.FAILED, moment.now)
    return failed if moment.observed.live_pods else try_again(failed, moment)


def try_again(state: BuildState, moment: Moment) -> BuildState:
    """Commit to the next attempt, unless nothing new is to be started or quota is missing."""
    if moment.spec.suspend or not allotments.is_open(state, moment):
        return state
    return changes.attempt(state, moment)


def note_room(state: BuildState, pod: PodView, moment: Moment) -> BuildState:
    """Write down since when no node has room for the Pod; the scheduler's own time may be older.

    A Pod that was held by gates before has its condition since then.
    """
    record = state.record
    if record is None:
        return state
    waits = pod.is_live and pod.waiting == UNSCHEDULABLE
    if waits == (record.unschedulable_time is not None):
        return state
    return state.with_record(replace(record, unschedulable_time=moment.now if waits else None))


def limit(work: PhaseWork | None, record: PhaseRecord | None) -> int:
    """Give how many attempts there may be, with those that do not count."""
    return 1 + (work.backoff_limit if work else 0) + (record.spared if record else 0)


def _prepared(
    record: PhaseRecord, outcome: Outcome, pod: PodView, work: PhaseWork, moment: Moment
) -> PhaseRecord | None:
    """Give the record with what the next attempt needs, or None where none follows."""
    if outcome.is_final:
        return None
    if outcome.reason == growths.OOM_KILLED:
        more = growths.grown(work, record, moment.spec.resources.memory_growth)
        if more is not None:
            return _with_memory(record, more, work)
    shunned = replace(record, avoid_nodes=_shunned(record, outcome, pod))
    if outcome.is_disruption and _retry(record).disruptions < MAX_DISRUPTIONS:
        return _disrupted(shunned, outcome, pod)
    if record.attempts >= limit(work, record):
        return None
    code = "" if outcome.exit_code is None else f", exit code {outcome.exit_code}"
    return _told(shunned, outcome.reason, f"{outcome.reason}{code}; trying again")


def _shunned(record: PhaseRecord, outcome: Outcome, pod: PodView) -> tuple[str, ...] | None:
    is_of_the_node = outcome.is_disruption or outcome.reason in UNSTARTABLE
    return avoided(pod.node, record.avoid_nodes) if is_of_the_node else record.avoid_nodes


def _with_memory(record: PhaseRecord, more: str, work: PhaseWork) -> PhaseRecord:
    had = growths.memory_limit(work, record)
    message = f"OOMKilled with {had}; attempt {record.attempts + 1} gets {more}"
    told = _told(replace(record, memory=more), growths.OOM_KILLED, message)
    return replace(told, retry=replace(_retry(told), growths=_retry(told).growths + 1))


def _disrupted(record: PhaseRecord, outcome: Outcome, pod: PodView) -> PhaseRecord:
    number = _retry(record).disruptions + 1
    place = f" on node {pod.node}" if pod.node else ""
    message = (
        f"{outcome.reason}{place}; disruption {number} of {MAX_DISRUPTIONS} that do not count"
        f"{': ' if outcome.message else ''}{outcome.message}"
    )
    told = _told(record, outcome.reason, message)
    return replace(told, retry=replace(_retry(told), disruptions=number))


def _told(record: PhaseRecord, reason: str, message: str) -> PhaseRecord:
    said = replace(_retry(record), reason=reason[:_MAX_REASON], message=message[:MAX_TEXT])
    return replace(record, retry=said)


def _retry(record: PhaseRecord) -> Retry:
    return record.retry or _FIRST


def _failure(state: BuildState, outcome: Outcome, work: PhaseWork, moment: Moment) -> Failure:
    # Why no node took it is known better by who looked at its volume.
    why = moment.observed.obstruction if outcome.reason == UNSCHEDULABLE else None
    words = _words(state, outcome, work)
    return Failure(
        category=outcome.category,
        phase=state.phase,
        reason=why.reason if why else outcome.reason,
        message=(f"{why.message}; {words}" if why else words)[:MAX_TEXT],
        attempt=state.attempt,
        pod=moment.observed.pod_name(state),
        exit_code=outcome.exit_code,
    )


def _words(state: BuildState, outcome: Outcome, work: PhaseWork) -> str:
    if outcome.reason != growths.OOM_KILLED:
        return outcome.message[-MAX_TEXT:]
    had = growths.memory_limit(work, state.record)
    why = f"{had} was not enough, and is the most" if had else "no memory limit is set to grow"
    note = f"{why}; see spec.resources.memoryGrowth"
    tail = outcome.message[-(MAX_TEXT - len(note) - 2) :]
    return f"{note}: {tail}" if tail else note
