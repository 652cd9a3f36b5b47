"""Who is told of a committed state: monitoring by figures, people by Events."""

from dataclasses import dataclass
from typing import Any, Protocol

from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import Observed
from buildstate.domain.phases import BuildPhase
from buildstate.domain.quotas import HOPELESS
from buildstate.domain.states import BuildState, Transition
from buildstate.engine.notices import Notice, notices, steps
from buildstate.kube import events


class Figures(Protocol):
    """The counters that a commit moves."""

    def state_changed(self, state: BuildState) -> None:
        """Count one status write."""

    def transition(self, step: Transition, seconds: float) -> None:
        """Count one transition, and how long the phase before it took."""

    def transition_lost(self, origin: str, to: str, result: str) -> None:
        """Count one transition that was decided but not committed."""

    def failed(self, category: str) -> None:
        """Count one failure of a build."""

    def answered(self, action: str, outcome: str) -> None:
        """Count one request."""

    def retried(self, reason: str) -> None:
        """Count one attempt that is tried again."""

    def never_fits(self, reason: str) -> None:
        """Count one build that needs what its namespace can never give."""

    def recovered(self, result: str, seconds: float) -> None:
        """Count one recovery: restored, restarted or failed, and the seconds spent in ERROR."""

    def corrected(self, correction: str) -> None:
        """Count one thing that was there and should not, or should and was not."""


class Outbox(Protocol):
    """Where Events go; it never blocks and never fails."""

    def put(self, event: dict[str, Any]) -> None:
        """Take one Event to send."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Tells people and monitoring of each committed state."""

    figures: Figures
    outbox: Outbox

    def committed(self, observed: Observed, state: BuildState) -> None:
        """Tell what is new in `state` against what was observed before the write."""
        self._count(observed.state, state)
        for notice in notices(observed.state, state):
            self._tell(observed, notice)

    def corrected(self, observed: Observed, notice: Notice) -> None:
        """Tell that what exists was made what the state says."""
        self.figures.corrected(notice.reason)
        self._tell(observed, notice)

    def _tell(self, observed: Observed, notice: Notice) -> None:
        event = events.manifest(
            observed,
            mark=notice.mark,
            reason=notice.reason,
            message=notice.message,
            is_warning=notice.is_warning,
            time=notice.time,
        )
        self.outbox.put(event)

    def lost(self, observed: Observed, state: BuildState, result: str) -> None:
        """Tell that `state` was decided but not committed: a conflict, or a refusal."""
        origin = observed.state.phase if observed.state else BuildPhase.INIT
        if origin is not state.phase:
            self.figures.transition_lost(origin, state.phase, result)

    def _count(self, before: BuildState | None, state: BuildState) -> None:
        self.figures.state_changed(state)
        for step in steps(before, state):
            self.figures.transition(step, _seconds_in_phase(before, step))
            if before is not None and state.epoch > before.epoch:
                result = "restored" if state.recovery.checkpoint else "restarted"
                self.figures.recovered(result, _seconds_in_phase(before, step))
        self._count_retry(before, state)
        failure, request = state.failure, state.last_request
        if failure is not None and (before is None or before.failure != failure):
            self.figures.failed(failure.category)
            if failure.reason in HOPELESS:
                self.figures.never_fits(failure.reason)
            if failure.category is ErrorCategory.RECOVERY_FAILURE and before is not None:
                since = before.history[-1].time if before.history else state.timestamp
                self.figures.recovered("failed", (state.timestamp - since).total_seconds())
        if request is not None and (before is None or before.last_request != request):
            self.figures.answered(request.action, request.outcome)

    def _count_retry(self, before: BuildState | None, state: BuildState) -> None:
        record = state.record
        if before is None or record is None or record.retry is None:
            return
        if before.sequence == state.sequence and before.attempt < state.attempt:
            self.figures.retried(record.retry.reason)


def _seconds_in_phase(before: BuildState | None, step: Transition) -> float:
    if before is None or not before.history:
        began = before.start_time if before and before.start_time else step.time
    else:
        began = before.history[-1].time
    return max(0.0, (step.time - began).total_seconds())
