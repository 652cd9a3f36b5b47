"""What a build has to ask the line of its namespace for before it goes on."""

from buildstate.domain import allotments, captures, quotas, recoveries, requests
from buildstate.domain.needs import Demand
from buildstate.domain.observed import Moment
from buildstate.domain.phases import BuildPhase
from buildstate.domain.states import BuildState


def wanted(moment: Moment) -> Demand | None:
    """Give what the build has to be promised before it goes on, or None."""
    observed, state = moment.observed, moment.observed.state
    if not observed.terms or observed.deleting or observed.violations:
        return None
    if state is None:
        entering = None
        is_due = not moment.spec.suspend
    else:
        entering = _way_out(state, moment)
        is_due = entering is not None or _is_ready(state, moment)
    if not is_due or (state and allotments.is_open(state, moment, entering)):
        return None
    needed = allotments.demand(state, observed, entering)
    if not allotments.promise_of(needed, observed.terms):
        return None
    return None if quotas.never(needed, observed.terms) else needed


def _is_ready(state: BuildState, moment: Moment) -> bool:
    if not allotments.is_at_gate(state, moment):
        return False
    return not captures.is_withheld(moment) and not allotments.waits_for_another(state, moment)


def _way_out(state: BuildState, moment: Moment) -> BuildPhase | None:
    """Give the phase for which the build is about to leave ERROR, or None."""
    if state.phase is not BuildPhase.ERROR or moment.spec.suspend:
        return None
    if recoveries.is_kept(state, moment):
        return None
    return requests.way_out(state, moment) or recoveries.way_out(state, moment)
