"""How a build leaves ERROR by itself, as its policy says."""

from dataclasses import replace
from datetime import datetime, timedelta

from buildstate.domain import (
    allotments,
    captures,
    changes,
    dependencies,
    pauses,
    quotas,
    workspaces,
)
from buildstate.domain.checkpoints import CheckpointRef
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import Moment, Recoverable
from buildstate.domain.phases import BuildPhase
from buildstate.domain.specs import Action, OnExhausted, RecoveryStrategy
from buildstate.domain.states import MAX_TEXT, BuildState, Failure, RecoveryState


def leave_error(state: BuildState, moment: Moment) -> BuildState:
    """Take the way out of ERROR that was asked for or that the policy gives, if it is time."""
    if state.phase is not BuildPhase.ERROR or state.is_archived:
        return state
    entering = way_out(state, moment)
    if moment.spec.suspend or entering is None or is_kept(state, moment):
        return state
    refused = _refuse(state, moment, entering)
    if refused is not state or is_kept(state, moment, entering):
        return refused
    if asks_cleanup(state, moment):
        return changes.enter(state, BuildPhase.CLEANUP, moment, "CleanupAsked")
    return state if _asks_restore(moment) else _follow_policy(state, moment)


def way_out(state: BuildState, moment: Moment) -> BuildPhase | None:
    """Give the phase for which the policy, or the phase asked for, leads out of ERROR now."""
    if asks_cleanup(state, moment):
        return BuildPhase.CLEANUP
    if not is_recovering(state, moment):
        return None
    if not may_recover(state, moment):
        return BuildPhase.CLEANUP
    if moment.now < recovery_time(state, moment) or dependencies.keeps_in_error(state, moment):
        return None
    return BuildPhase.INIT


def is_kept(state: BuildState, moment: Moment, entering: BuildPhase | None = None) -> bool:
    """Say whether something must be over before the build may leave ERROR, by whatever way.

    For `entering` a phase, the quotas of the namespace have to have room, too.
    """
    if is_held(state, moment) or captures.is_withheld(moment):
        return True
    return entering is not None and not allotments.is_open(state, moment, entering)


def _refuse(state: BuildState, moment: Moment, entering: BuildPhase) -> BuildState:
    """Let a build fail once for what its namespace can never give; that is not tried again."""
    never, failure = allotments.obstacle(state, moment, entering), state.failure
    if never is None or (failure is not None and failure.reason in quotas.HOPELESS):
        return state
    return changes.fail(state, allotments.failure(state, never), moment)


def is_held(state: BuildState, moment: Moment) -> bool:
    """Say whether something of before must be gone before the build may leave ERROR."""
    return is_releasing(state, moment) or bool(moment.observed.live_pods)


def is_releasing(state: BuildState, moment: Moment) -> bool:
    """Say whether the build still has to give back a workspace of its own."""
    is_over = not is_recovering(state, moment)
    return workspaces.gives_back(state, moment.spec, is_over=is_over)


def _asks_restore(moment: Moment) -> bool:
    """Say whether a Restore is asked for that waits, or was refused only now.

    What a person asks for goes before the policy, and what was read was read for it.
    """
    request, before = moment.spec.request, moment.observed.state
    if request is None or request.action is not Action.RESTORE:
        return False
    known = before.last_request if before else None
    return known is None or known.id != request.id


def _follow_policy(state: BuildState, moment: Moment) -> BuildState:
    if not may_recover(state, moment):
        exhausted = replace(state, recovery=replace(state.recovery, exhausted=True))
        return changes.enter(exhausted, BuildPhase.CLEANUP, moment, "RecoveryExhausted")
    counted = replace(state.recovery, attempts=state.recovery.attempts + 1)
    if moment.spec.recovery.strategy is RecoveryStrategy.RESUME:
        return _resume(state, moment, counted)
    return changes.restart(state, moment, counted, "RecoveryRestart")


def _resume(state: BuildState, moment: Moment, counted: RecoveryState) -> BuildState:
    given = moment.observed.recoverable
    if given is None or given.trouble is not None:
        return state
    known = learn(state, given)
    if given.found is not None and not given.obstacle:
        return changes.restore(known, given.found, moment, counted, "RecoveryResume")
    if given.obstacle or given.damaged:
        return changes.fail(known, recovery_failure(state, given), moment)
    # Nothing was ever stored in this epoch: there is nothing to go on from, and nothing to lose.
    return changes.restart(known, moment, counted, "RecoveryRestart")


def learn(state: BuildState, given: Recoverable) -> BuildState:
    """Write down what was found out about the checkpoints when they were read."""
    found = {damaged.name: damaged.message for damaged in given.damaged}
    return replace(state, checkpoints=tuple(_marked(ref, found) for ref in given.refs))


def _marked(ref: CheckpointRef, found: dict[str, str]) -> CheckpointRef:
    return replace(ref, damage=found[ref.name][:MAX_TEXT]) if ref.name in found else ref


def recovery_failure(state: BuildState, given: Recoverable) -> Failure:
    """Give why nothing was restored of what was to become of `state`."""
    before = state.failure
    earlier = f"; it had failed with {before.reason}" if before else ""
    return Failure(
        category=ErrorCategory.RECOVERY_FAILURE,
        phase=before.phase if before else state.phase,
        reason=ErrorCategory.RECOVERY_FAILURE,
        message=f"{explain(given)}; request Restart to begin anew{earlier}"[:MAX_TEXT],
    )


def explain(given: Recoverable) -> str:
    """Say why nothing can be restored."""
    if given.obstacle:
        return given.obstacle
    if not given.damaged:
        return "there is no checkpoint"
    names = ", ".join(f"{one.name} ({one.message})" for one in given.damaged[:4])
    more = f" and {len(given.damaged) - 4} more" if len(given.damaged) > 4 else ""
    return f"no checkpoint verifies: {names}{more}"


def asks_cleanup(state: BuildState, moment: Moment) -> bool:
    """Say whether CLEANUP was asked for since the build is in ERROR: that is an explicit act."""
    newly = moment.target is BuildPhase.CLEANUP and state.target is not BuildPhase.CLEANUP
    return newly and state.phase is BuildPhase.ERROR


def is_recovering(state: BuildState, moment: Moment) -> bool:
    """Say whether the policy will still lead this build out of ERROR by itself."""
    policy = moment.spec.recovery
    if state.phase is not BuildPhase.ERROR or moment.target is BuildPhase.ERROR:
        return False
    if policy.strategy is RecoveryStrategy.NONE:
        return False
    if state.is_archived or _failed_by(state) is ErrorCategory.ABORTED:
        return False
    cleans_up = policy.on_exhausted is OnExhausted.CLEANUP and not state.recovery.exhausted
    return may_recover(state, moment) or cleans_up


def recovery_time(state: BuildState, moment: Moment) -> datetime:
    """Give the earliest time of the next automatic recovery."""
    since = state.history[-1].time if state.history else state.timestamp
    pause = timedelta(seconds=moment.spec.recovery.backoff_seconds)
    return pauses.end_of(since, pause, moment.now)


def resumes_now(state: BuildState, moment: Moment) -> bool:
    """Say whether the policy restores a checkpoint at this moment."""
    if moment.spec.recovery.strategy is not RecoveryStrategy.RESUME:
        return False
    if moment.spec.suspend or way_out(state, moment) is not BuildPhase.INIT:
        return False
    return not is_kept(state, moment, BuildPhase.INIT)


def may_recover(state: BuildState, moment: Moment) -> bool:
    """Say whether the policy has another recovery left; if not, it has only its clean-up."""
    # Whoever could not be restored will not be by trying once more.
    if _failed_by(state) is ErrorCategory.RECOVERY_FAILURE:
        return False
    if state.failure is not None and state.failure.reason in quotas.HOPELESS:
        return False
    spent = state.recovery.exhausted or state.recovery.attempts >= moment.spec.recovery.limit
    return not spent


def _failed_by(state: BuildState) -> ErrorCategory | None:
    return state.failure.category if state.failure else None
