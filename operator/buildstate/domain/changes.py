"""The ways in which a state can change: small pure functions from one state to the next."""

from dataclasses import replace
from datetime import datetime

from buildstate.domain import names
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import Moment
from buildstate.domain.phases import BuildPhase, BuildStatus
from buildstate.domain.states import (
    MAX_HISTORY,
    BuildState,
    Failure,
    PhaseRecord,
    RecoveryState,
    Transition,
    WorkResult,
)
from buildstate.domain.transitions import decide


def begin(moment: Moment) -> BuildState:
    """Give the first state of a new build."""
    return BuildState(
        id=moment.observed.uid,
        timestamp=moment.now,
        phase=BuildPhase.INIT,
        status=BuildStatus.PENDING,
        start_time=moment.now,
    )


def enter(state: BuildState, phase: BuildPhase, moment: Moment, reason: str) -> BuildState:
    """Take one edge, and with it the intent of the first attempt where the phase has work.

    Raises ValueError for an edge that is not in the table: the plan never asks for one.
    """
    verdict = decide(state.phase, phase)
    if not verdict.accepted:
        raise ValueError(verdict.message)
    step = Transition(
        sequence=state.sequence + 1,
        origin=state.phase,
        to=phase,
        reason=reason,
        time=moment.now,
    )
    entered = replace(
        state,
        phase=phase,
        sequence=step.sequence,
        attempt=0,
        # CLEANUP may be entered a second time, and its work may be gone by then.
        phases=tuple(known for known in state.phases if known.phase is not phase),
        history=(*state.history, step)[-MAX_HISTORY:],
        completion_time=moment.now if phase is BuildPhase.COMPLETE else None,
    )
    return attempt(entered, moment) if moment.spec.work(phase) else entered


def attempt(state: BuildState, moment: Moment) -> BuildState:
    """Commit to the next attempt of the present phase's work."""
    number = state.attempt + 1
    record = PhaseRecord(
        phase=state.phase,
        result=WorkResult.RUNNING,
        attempts=number,
        start_time=state.record.start_time if state.record and number > 1 else moment.now,
        attempt_time=moment.now,
    )
    return replace(state.with_record(record), attempt=number, workspace_claim=_own_claim(moment))


def distrust(state: BuildState, moment: Moment) -> BuildState:
    """Keep of a state that breaks a law where it stands and which acts it has seen.

    What would be run, mounted or deleted because of it is not believed.
    """
    return replace(
        state,
        id=moment.observed.uid,
        timestamp=moment.now,
        attempt=0,
        phases=(),
        history=(),
        start_time=None,
        workspace_claim=_own_claim(moment),
    )


def _own_claim(moment: Moment) -> str | None:
    workspace = moment.spec.workspace
    if workspace is None or workspace.size is None:
        return None
    return names.claim_name(moment.observed.name, moment.observed.uid)


def finish(state: BuildState, result: WorkResult, now: datetime) -> BuildState:
    """Write down how the work of the present phase ended."""
    if state.record is None:
        return state
    return state.with_record(replace(state.record, result=result, completion_time=now))


def fail(state: BuildState, failure: Failure, moment: Moment) -> BuildState:
    """Go to ERROR, or stay there, because of `failure`."""
    failed = replace(state, failure=failure)
    if not decide(state.phase, BuildPhase.ERROR).accepted:
        return failed
    if failed.record and failed.record.result is WorkResult.RUNNING:
        failed = finish(failed, WorkResult.FAILED, moment.now)
    return enter(failed, BuildPhase.ERROR, moment, failure.category)


def abort(state: BuildState, moment: Moment, message: str) -> BuildState:
    """Go to ERROR, or stay there, because somebody asked for it."""
    failure = Failure(
        category=ErrorCategory.ABORTED,
        phase=state.phase,
        reason=ErrorCategory.ABORTED,
        message=message,
        attempt=state.attempt,
        pod=moment.observed.pod_name(state) if state.attempt else "",
    )
    return fail(state, failure, moment)


def restart(state: BuildState, moment: Moment, recovery: RecoveryState, reason: str) -> BuildState:
    """Leave ERROR for INIT: a new run, which holds nothing of the one before but its history."""
    fresh = replace(state, phases=(), failure=None, recovery=recovery)
    return enter(fresh, BuildPhase.INIT, moment, reason)
