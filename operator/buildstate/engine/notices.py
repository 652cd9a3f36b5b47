"""What people are told of a committed state: the Events that follow from its difference."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from buildstate.domain.allotments import QUOTA_EXCEEDED
from buildstate.domain.captures import CONDITION
from buildstate.domain.checkpoints import CheckpointRef, CheckpointTrigger
from buildstate.domain.disruptions import DISRUPTIONS
from buildstate.domain.growths import OOM_KILLED
from buildstate.domain.phases import BuildPhase
from buildstate.domain.resizes import RESIZE_REASONS
from buildstate.domain.states import BuildState, RequestOutcome, Transition, WorkResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One Event; `mark` tells it from the others of the same build, so it is made once."""

    mark: str
    reason: str
    message: str
    time: datetime
    is_warning: bool = False


RETRYING = "Retrying"
_TOLD_APART = DISRUPTIONS | {OOM_KILLED}


def notices(before: BuildState | None, after: BuildState) -> Iterator[Notice]:
    """Give what is worth telling of the step from `before` to `after`."""
    for kind in _KINDS:
        yield from kind(before, after)


def steps(before: BuildState | None, after: BuildState) -> Iterator[Transition]:
    """Give the transitions that were taken from `before` to `after`."""
    since = before.sequence if before else 0
    return (step for step in after.history if step.sequence > since)


def _transitions(before: BuildState | None, after: BuildState) -> Iterator[Notice]:
    taken = {ref.sequence: ref for ref in _taken(before, after)}
    for step in steps(before, after):
        details = (_why(after, step), _held(after, step), _checkpoint(taken.get(step.sequence)))
        yield Notice(
            mark=str(step.sequence),
            reason=step.reason,
            message=f"{step.origin} -> {step.to}{''.join(details)}",
            time=step.time,
            is_warning=step.to is BuildPhase.ERROR,
        )


def _retries(before: BuildState | None, after: BuildState) -> Iterator[Notice]:
    if before and before.sequence == after.sequence and after.attempt > before.attempt:
        retry = after.record.retry if after.record else None
        what = retry.message if retry else "failed; trying again"
        yield Notice(
            mark=f"{after.sequence}.{after.attempt}",
            reason=retry.reason if retry and retry.reason in _TOLD_APART else RETRYING,
            message=f"attempt {after.attempt - 1} of {after.phase}: {what}",
            time=after.timestamp,
            is_warning=True,
        )


def _answers(before: BuildState | None, after: BuildState) -> Iterator[Notice]:
    result = after.last_request
    if result is not None and (before is None or before.last_request != result):
        yield Notice(
            mark=f"request.{result.id}",
            reason=f"Request{result.outcome}",
            message=f"{result.action} ({result.id}): {result.message}",
            time=result.time,
            is_warning=result.outcome is RequestOutcome.REFUSED,
        )


def _checkpoints(before: BuildState | None, after: BuildState) -> Iterator[Notice]:
    for ref in _taken(before, after):
        # Those of transitions are told of with them.
        if ref.trigger is not CheckpointTrigger.TRANSITION:
            yield Notice(
                mark=f"checkpoint.{ref.name}",
                reason="Checkpointed",
                message=f"checkpoint {ref.name} ({ref.trigger}) is stored",
                time=ref.time,
            )


def _damages(before: BuildState | None, after: BuildState) -> Iterator[Notice]:
    known = {ref.name for ref in before.checkpoints if ref.damage} if before else set()
    for ref in after.checkpoints:
        if ref.damage and ref.name not in known:
            yield Notice(
                mark=f"damage.{ref.name}",
                reason="CheckpointDamaged",
                message=ref.damage,
                time=after.timestamp,
                is_warning=True,
            )


def _troubles(before: BuildState | None, after: BuildState) -> Iterator[Notice]:
    known, stored = before.condition(CONDITION) if before else None, after.condition(CONDITION)
    if stored is not None and stored.status == "False" and (not known or known.status != "False"):
        yield Notice(
            mark=f"{CONDITION}.{stored.last_transition_time.isoformat()}",
            reason="CheckpointFailed",
            message=f"{stored.reason}: {stored.message}",
            time=stored.last_transition_time,
            is_warning=True,
        )


def _replacements(before: BuildState | None, after: BuildState) -> Iterator[Notice]:
    known = {one.name: one.uid for one in before.dependencies} if before else {}
    for one in after.dependencies:
        if known.get(one.name) and known[one.name] != one.uid:
            yield Notice(
                mark=f"dependency.{one.uid}",
                reason="DependencyReplaced",
                message=f"{one.name} was removed and made anew; the new one is asked",
                time=after.timestamp,
                is_warning=True,
            )


def _resizes(before: BuildState | None, after: BuildState) -> Iterator[Notice]:
    known, ready = before.condition("Ready") if before else None, after.condition("Ready")
    if ready is None or ready.reason not in RESIZE_REASONS:
        return
    if known is None or (known.reason, known.message) != (ready.reason, ready.message):
        yield Notice(
            mark=f"resize.{after.sequence}.{after.attempt}.{after.timestamp.isoformat()}",
            reason=ready.reason,
            message=ready.message,
            time=after.timestamp,
            is_warning=True,
        )


def _lines(before: BuildState | None, after: BuildState) -> Iterator[Notice]:
    ready = after.condition("Ready")
    known = before.condition("Ready") if before else None
    is_new = known is None or known.reason != QUOTA_EXCEEDED
    if ready is not None and ready.reason == QUOTA_EXCEEDED and is_new:
        yield Notice(
            mark=f"line.{after.sequence}.{after.attempt}.{after.epoch}",
            reason=QUOTA_EXCEEDED,
            message=ready.message,
            time=after.timestamp,
        )


Kind = Callable[[BuildState | None, BuildState], Iterator[Notice]]

_KINDS: tuple[Kind, ...] = (
    _transitions,
    _answers,
    _retries,
    _checkpoints,
    _damages,
    _troubles,
    _replacements,
    _resizes,
    _lines,
)


def _taken(before: BuildState | None, after: BuildState) -> list[CheckpointRef]:
    known = {ref.name for ref in before.checkpoints} if before else set()
    return [ref for ref in after.checkpoints if ref.name not in known]


def _why(after: BuildState, step: Transition) -> str:
    if step.to is not BuildPhase.ERROR:
        return ""
    ready = after.condition("Ready")
    return f": {' '.join(ready.message.split())}" if ready else ""


def _held(after: BuildState, step: Transition) -> str:
    if step.to is not BuildPhase.INIT or not after.recovery.checkpoint:
        return ""
    held = [record.phase for record in after.phases if record.result is WorkResult.RESTORED]
    what = f"{', '.join(held)} will not run again" if held else "it holds no phase that is done"
    return f"; restored from checkpoint {after.recovery.checkpoint}: {what}"


def _checkpoint(ref: CheckpointRef | None) -> str:
    return f"; checkpoint {ref.name}" if ref else ""
