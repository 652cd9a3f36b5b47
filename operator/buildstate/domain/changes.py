"""The ways in which a state can change: small pure functions from one state to the next."""

from dataclasses import replace
from datetime import datetime

from buildstate.domain import artifacts, names, workspaces
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import Held, Moment
from buildstate.domain.phases import WORK_PHASES, BuildPhase, BuildStatus
from buildstate.domain.specs import BuildSpec, PhaseWork
from buildstate.domain.states import (
    MAX_HISTORY,
    ArtifactRecord,
    BuildState,
    Failure,
    PhaseRecord,
    RecoveryState,
    ResourceState,
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


def begin_from(held: Held, moment: Moment) -> BuildState:
    """Give the first state of a build that is made again: it goes on where the lost one was.

    One that had failed, cleaned up or not, goes to ERROR again at once, and its policy decides with
    the tries that it had left.
    """
    lost = held.state
    return replace(
        begin(moment),
        sequence=lost.sequence,
        epoch=lost.epoch + 1,
        phases=_restored(held, moment.spec),
        artifacts=_restored_artifacts(held, moment.spec),
        last_request=lost.last_request,
        recovery=replace(lost.recovery, checkpoint=held.ref.name),
        failure=lost.failure,
        start_time=lost.start_time or moment.now,
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
        history=(*state.history, step)[-MAX_HISTORY:],
        completion_time=moment.now if phase is BuildPhase.COMPLETE else None,
    )
    return _begin_work(entered, moment)


def _begin_work(state: BuildState, moment: Moment) -> BuildState:
    if state.record is not None and state.record.result is WorkResult.RESTORED:
        return state
    # CLEANUP may be entered a second time, and its work may be gone by then.
    others = tuple(known for known in state.phases if known.phase is not state.phase)
    left = tuple(known for known in state.artifacts if known.phase is not state.phase)
    fresh = replace(state, phases=others, artifacts=left)
    return attempt(fresh, moment) if moment.spec.work(state.phase) else fresh


def attempt(state: BuildState, moment: Moment) -> BuildState:
    """Commit to the next attempt of the present phase's work."""
    number = state.attempt + 1
    before = state.record if number > 1 else None
    record = PhaseRecord(
        phase=state.phase,
        result=WorkResult.RUNNING,
        attempts=number,
        start_time=before.start_time if before else moment.now,
        attempt_time=moment.now,
        retry=before.retry if before else None,
        memory=before.memory if before else None,
        avoid_nodes=before.avoid_nodes if before else None,
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
        status=BuildStatus.PENDING,
        attempt=0,
        phases=(),
        artifacts=(),
        history=(),
        recovery=replace(state.recovery, checkpoint="", epoch=0),
        checkpoints=(),
        dependencies=(),
        start_time=None,
        workspace_claim=_own_claim(moment),
        resources=ResourceState(),
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
    afresh = replace(recovery, checkpoint="", epoch=state.epoch + 1)
    return _begin_anew(replace(state, phases=(), artifacts=(), recovery=afresh), moment, reason)


def restore(
    state: BuildState, held: Held, moment: Moment, recovery: RecoveryState, reason: str
) -> BuildState:
    """Leave ERROR for INIT: a new run, in which the phases that the checkpoint holds are done."""
    known = replace(
        state,
        phases=_restored(held, moment.spec),
        artifacts=_restored_artifacts(held, moment.spec),
        recovery=replace(
            recovery,
            checkpoint=held.ref.name,
            # Who goes back behind a restart goes on with what was before it.
            epoch=min(state.recovery.epoch, held.ref.epoch),
        ),
        start_time=state.start_time or held.state.start_time,
    )
    return _begin_anew(known, moment, reason)


def _begin_anew(state: BuildState, moment: Moment, reason: str) -> BuildState:
    # What the run before had waited for is asked again.
    fresh = replace(state, failure=None, dependencies=(), epoch=state.epoch + 1)
    return enter(fresh, BuildPhase.INIT, moment, reason)


def _restored(held: Held, spec: BuildSpec) -> tuple[PhaseRecord, ...]:
    records = held_records(held, spec)
    return tuple(replace(record, result=WorkResult.RESTORED) for record in records)


def _restored_artifacts(held: Held, spec: BuildSpec) -> tuple[ArtifactRecord, ...]:
    phases = tuple(record.phase for record in held_records(held, spec))
    return artifacts.of_phases(held.state.artifacts, phases)


def held_records(held: Held, spec: BuildSpec) -> tuple[PhaseRecord, ...]:
    """Give the phases, in their order, that need not be run again under `spec`.

    A phase counts only if its work and its artifacts are the same as they were then, and so is all
    before it. CLEANUP gives back what the run took, so it is held only by a run that was complete.
    """
    if not workspaces.is_same(held.spec.workspace, spec.workspace):
        return ()
    records: list[PhaseRecord] = []
    is_over = held.state.phase is BuildPhase.COMPLETE
    for phase in WORK_PHASES if is_over else WORK_PHASES[:-1]:
        record = held.state.record_of(phase)
        is_held = record is not None and record.result.is_done
        if spec.work(phase) is None and held.spec.work(phase) is None:
            continue
        if not is_held or not _is_same(held.spec, spec, phase):
            break
        records += [record] if record else []
    return tuple(records)


def _is_same(old: BuildSpec, new: BuildSpec, phase: BuildPhase) -> bool:
    """Say whether two works do the same; how long and how often they may try does not matter."""
    before, after = old.work(phase), new.work(phase)
    if before is None or after is None:
        return before is after
    return _deed(before) == _deed(after) and artifacts.are_same(old, new, phase)


def _deed(work: PhaseWork) -> tuple[object, ...]:
    return (work.image, work.command, work.args, work.env, work.working_dir)
