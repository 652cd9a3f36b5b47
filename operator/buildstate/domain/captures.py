"""When a checkpoint is due, what kind it is, and which ones stay."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from buildstate.domain import pauses
from buildstate.domain.checkpoints import CheckpointKind, CheckpointRef, CheckpointTrigger
from buildstate.domain.observed import Moment
from buildstate.domain.phases import BuildPhase
from buildstate.domain.specs import Action, WhenUnavailable
from buildstate.domain.states import BuildState, RequestOutcome, WorkResult

CONDITION = "Checkpointed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """One checkpoint to take: of which state, and why."""

    state: BuildState
    trigger: CheckpointTrigger


def due(before: BuildState, after: BuildState, moment: Moment) -> tuple[CheckpointTrigger, ...]:
    """Give why checkpoints are to be taken with the step from `before` to `after`."""
    # A state that was not believed is not worth keeping, and would hide those before it. What is
    # archived has been put away with all its checkpoints.
    if moment.observed.violations or after.is_archived or moment.trouble is not None:
        return ()
    if is_restored(before, after):
        return (CheckpointTrigger.RESTORE, CheckpointTrigger.TRANSITION)
    for trigger, law in _LAWS:
        if law(before, after, moment):
            return (trigger,)
    return ()


def is_restored(before: BuildState, after: BuildState) -> bool:
    """Say whether the step from `before` to `after` restored a checkpoint."""
    return after.epoch > before.epoch and bool(after.recovery.checkpoint)


def is_withheld(moment: Moment) -> bool:
    """Say whether the way forward waits for the store, as the policy asks."""
    policy = moment.spec.checkpoints
    waits = policy is not None and policy.when_unavailable is WhenUnavailable.WAIT
    return waits and moment.trouble is not None


def next_time(state: BuildState, moment: Moment) -> datetime | None:
    """Give when the next checkpoint is due by time alone, or None."""
    policy, newest = moment.spec.checkpoints, state.newest_checkpoint
    if policy is None or policy.interval_seconds is None or not _is_at_work(state):
        return None
    since = newest.time if newest else state.start_time
    pause = timedelta(seconds=policy.interval_seconds)
    return pauses.end_of(since, pause, moment.now) if since else moment.now


def kind_of_next(refs: tuple[CheckpointRef, ...], full_every: int) -> CheckpointKind:
    """Give the kind of the checkpoint that follows `refs`."""
    latest = refs[-(full_every - 1) :] if full_every > 1 else ()
    for ref in reversed(latest):
        if ref.damage:
            break  # What builds upon it could not be read either.
        if ref.kind is CheckpointKind.FULL:
            return CheckpointKind.DELTA
    return CheckpointKind.FULL


def retain(refs: tuple[CheckpointRef, ...], keep: int) -> tuple[CheckpointRef, ...]:
    """Give what stays of `refs`: the newest `keep`, a sound one, and what they are read with."""
    sound = [ref for ref in refs if not ref.damage]
    wanted = {ref.digest for ref in (*refs[-keep:], *sound[-1:])}
    kept: list[CheckpointRef] = []
    for ref in reversed(refs):
        if ref.digest in wanted:
            kept.insert(0, ref)
            wanted |= {ref.parent} if ref.kind is CheckpointKind.DELTA else set()
    return tuple(kept)


Law = Callable[[BuildState, BuildState, Moment], bool]


def _is_requested(before: BuildState, after: BuildState, _moment: Moment) -> bool:
    result = after.last_request
    return (
        result is not None
        and result != before.last_request
        and result.action is Action.CHECKPOINT
        and result.outcome is RequestOutcome.DONE
    )


def _is_transition(before: BuildState, after: BuildState, moment: Moment) -> bool:
    policy = moment.spec.checkpoints
    if policy is None or after.sequence == before.sequence:
        return False
    # A new epoch begins with a checkpoint, so that none of an earlier one is taken for its own.
    return policy.on_transition or after.epoch > before.epoch


def _is_missed(before: BuildState, _after: BuildState, moment: Moment) -> bool:
    known = before.condition(CONDITION)
    return moment.spec.checkpoints is not None and known is not None and known.status == "False"


def _is_time(_before: BuildState, after: BuildState, moment: Moment) -> bool:
    time = next_time(after, moment)
    return time is not None and moment.now >= time


_LAWS: tuple[tuple[CheckpointTrigger, Law], ...] = (
    (CheckpointTrigger.REQUEST, _is_requested),
    (CheckpointTrigger.TRANSITION, _is_transition),
    (CheckpointTrigger.TRANSITION, _is_missed),
    (CheckpointTrigger.INTERVAL, _is_time),
)


def _is_at_work(state: BuildState) -> bool:
    ended = state.phase in (BuildPhase.ERROR, BuildPhase.COMPLETE)
    return not ended and state.record is not None and state.record.result is WorkResult.RUNNING
