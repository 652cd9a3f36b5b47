"""How a build leaves ERROR by itself, as its policy says."""

from dataclasses import replace
from datetime import datetime, timedelta

from buildstate.domain import changes
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import Moment
from buildstate.domain.phases import BuildPhase
from buildstate.domain.specs import OnExhausted, RecoveryStrategy
from buildstate.domain.states import BuildState


def leave_error(state: BuildState, moment: Moment) -> BuildState:
    """Take the way out of ERROR that was asked for or that the policy gives, if it is time."""
    if state.phase is not BuildPhase.ERROR:
        return state
    if moment.spec.suspend or moment.observed.is_held(state):
        return state
    if asks_cleanup(state, moment):
        return changes.enter(state, BuildPhase.CLEANUP, moment, "CleanupAsked")
    return _follow_policy(state, moment) if is_recovering(state, moment) else state


def _follow_policy(state: BuildState, moment: Moment) -> BuildState:
    if not _may_restart(state, moment):
        exhausted = replace(state, recovery=replace(state.recovery, exhausted=True))
        return changes.enter(exhausted, BuildPhase.CLEANUP, moment, "RecoveryExhausted")
    if moment.now < recovery_time(state, moment):
        return state
    counted = replace(state.recovery, attempts=state.recovery.attempts + 1)
    return changes.restart(state, moment, counted, "RecoveryRestart")


def asks_cleanup(state: BuildState, moment: Moment) -> bool:
    """Say whether CLEANUP was asked for since the build is in ERROR: that is an explicit act."""
    newly = moment.target is BuildPhase.CLEANUP and state.target is not BuildPhase.CLEANUP
    return newly and state.phase is BuildPhase.ERROR


def is_recovering(state: BuildState, moment: Moment) -> bool:
    """Say whether the policy will still lead this build out of ERROR by itself."""
    policy = moment.spec.recovery
    if policy.strategy is RecoveryStrategy.NONE or moment.target is BuildPhase.ERROR:
        return False
    if state.failure is not None and state.failure.category is ErrorCategory.ABORTED:
        return False
    cleans_up = policy.on_exhausted is OnExhausted.CLEANUP and not state.recovery.exhausted
    return _may_restart(state, moment) or cleans_up


def recovery_time(state: BuildState, moment: Moment) -> datetime:
    """Give the earliest time of the next automatic restart."""
    since = state.history[-1].time if state.history else state.timestamp
    return since + timedelta(seconds=moment.spec.recovery.backoff_seconds)


def _may_restart(state: BuildState, moment: Moment) -> bool:
    spent = state.recovery.exhausted or state.recovery.attempts >= moment.spec.recovery.limit
    return not spent
