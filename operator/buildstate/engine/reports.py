"""What is told of a committed state: the Events and the figures that follow from its difference."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from buildstate.domain.observed import Observed
from buildstate.domain.phases import BuildPhase
from buildstate.domain.states import BuildState, RequestOutcome, Transition
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
        self.figures.state_changed(state)
        before = observed.state
        for step in _steps(before, state):
            self.figures.transition(step, _seconds_in_phase(before, step))
            self._tell_step(observed, state, step)
        if state.failure is not None and (before is None or before.failure != state.failure):
            self.figures.failed(state.failure.category)
        if (
            state.last_request is not None
            and (before and before.last_request) != state.last_request
        ):
            self._tell_request(observed, state)
        if before is not None and _is_retry(before, state):
            self._tell_retry(observed, state)

    def lost(self, observed: Observed, state: BuildState, result: str) -> None:
        """Tell that `state` was decided but not committed: a conflict, or a refusal."""
        before = observed.state
        if before is not None and before.phase is not state.phase:
            self.figures.transition_lost(before.phase, state.phase, result)

    def _tell_step(self, observed: Observed, state: BuildState, step: Transition) -> None:
        detail = f": {_sentence(state)}" if step.to is BuildPhase.ERROR else ""
        event = events.manifest(
            observed,
            mark=str(step.sequence),
            reason=step.reason,
            message=f"{step.origin} -> {step.to}{detail}",
            is_warning=step.to is BuildPhase.ERROR,
            time=step.time,
        )
        self.outbox.put(event)

    def _tell_retry(self, observed: Observed, state: BuildState) -> None:
        event = events.manifest(
            observed,
            mark=f"{state.sequence}.{state.attempt}",
            reason="Retrying",
            message=f"attempt {state.attempt - 1} of {state.phase} failed; trying again",
            is_warning=True,
            time=state.timestamp,
        )
        self.outbox.put(event)

    def _tell_request(self, observed: Observed, state: BuildState) -> None:
        result = state.last_request
        assert result is not None
        self.figures.answered(result.action, result.outcome)
        event = events.manifest(
            observed,
            mark=f"request.{result.id}",
            reason=f"Request{result.outcome}",
            message=f"{result.action} ({result.id}): {result.message}",
            is_warning=result.outcome is RequestOutcome.REFUSED,
            time=result.time,
        )
        self.outbox.put(event)


def _sentence(state: BuildState) -> str:
    ready = next((one.message for one in state.conditions if one.type == "Ready"), "")
    return " ".join(ready.split())


def _steps(before: BuildState | None, after: BuildState) -> Iterator[Transition]:
    since = before.sequence if before else 0
    return (step for step in after.history if step.sequence > since)


def _is_retry(before: BuildState, after: BuildState) -> bool:
    return before.sequence == after.sequence and after.attempt > before.attempt


def _seconds_in_phase(before: BuildState | None, step: Transition) -> float:
    if before is None or not before.history:
        began = before.start_time if before and before.start_time else step.time
    else:
        began = before.history[-1].time
    return max(0.0, (step.time - began).total_seconds())
