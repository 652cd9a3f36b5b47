"""The gate before work: no build goes on without the promise of what is left of it.

A promise is for the whole of what is left and is kept until the end, so that builds that are half
done never wait for each other. It is written down with the edge that it is for.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from buildstate.domain import changes, dependencies, growths, quotas
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.needs import Demand, PodNeed, claim_need, pod_need
from buildstate.domain.observed import Moment, Observed
from buildstate.domain.phases import BuildPhase
from buildstate.domain.quotas import Never
from buildstate.domain.specs import BuildSpec
from buildstate.domain.states import MAX_TEXT, BuildState, Failure, WorkResult
from buildstate.domain.terms import Amounts, Terms, amounts, largest, said
from buildstate.domain.transitions import path

QUOTA_EXCEEDED = "QuotaExceeded"

_SAID = re.compile(r"waits in line: .*?; place (\d+) of \d+ at [0-9:]+Z")


def demand(
    state: BuildState | None, observed: Observed, entering: BuildPhase | None = None
) -> Demand:
    """Give what is left of the build on the way to its target.

    `entering` is the phase by which it would leave ERROR.
    """
    terms = observed.terms
    phases = _left(state, observed.spec, entering) if terms else ()
    if not terms or not phases:
        return Demand()
    return Demand(
        pods=tuple(_pod_needs(phases, None if entering else state, observed.spec, terms)),
        number=len(observed.pods) + len(phases) - _is_made(state, observed),
        claim=claim_need(observed.spec.workspace),
    )


def _pod_needs(
    phases: tuple[BuildPhase, ...], state: BuildState | None, spec: BuildSpec, terms: Terms
) -> Iterator[PodNeed]:
    for phase in phases:
        work, record = spec.work(phase), state.record_of(phase) if state else None
        if work is not None:
            has_deadline = work.timeout_seconds is not None
            resources = growths.needed(work, record)
            yield pod_need(phase, resources, terms, has_deadline=has_deadline)


def _is_made(state: BuildState | None, observed: Observed) -> bool:
    at_work = state is not None and observed.wants_pod(state)
    return at_work and state is not None and observed.pod(state) is not None


def _left(
    state: BuildState | None, spec: BuildSpec, entering: BuildPhase | None
) -> tuple[BuildPhase, ...]:
    """Give the phases whose work is still to be done on the way to the target."""
    if entering is not None:
        ahead = (entering, *(path(entering, spec.phase) or ()))
    elif state is None:
        ahead = path(BuildPhase.INIT, spec.phase) or ()
    else:
        ahead = (*_present(state), *(path(state.phase, spec.phase) or ()))
    return tuple(
        phase
        for phase in ahead
        if spec.work(phase) and (entering is not None or not _is_restored(phase, state))
    )


def _present(state: BuildState) -> tuple[BuildPhase, ...]:
    record = state.record
    return () if record is None or record.result.is_done else (state.phase,)


def _is_restored(phase: BuildPhase, state: BuildState | None) -> bool:
    record = state.record_of(phase) if state else None
    return record is not None and record.result is WorkResult.RESTORED


def promise_of(wanted: Demand, terms: Terms) -> Amounts:
    """Give what has to be promised for a demand, by the keys of the namespace's quotas."""
    return largest(wanted.against(quota) for quota in terms.quotas)


def covers(promise: Amounts, wanted: Demand, terms: Terms) -> bool:
    """Say whether a promise is enough for a demand."""
    needed = promise_of(wanted, terms)
    return all(promise.get(name, 0) >= value for name, value in needed.items())


def is_open(state: BuildState, moment: Moment, entering: BuildPhase | None = None) -> bool:
    """Say whether the build may take the next edge, as far as quotas go."""
    observed = moment.observed
    # Where nothing follows, nothing is needed.
    if not observed.terms or moment.spec.suspend:
        return True
    wanted = demand(state, observed, entering)
    granted = observed.allotment.promise if observed.allotment else None
    held = amounts(state.resources.promised) if granted is None else granted
    return covers(held, wanted, observed.terms)


def obstacle(state: BuildState, moment: Moment, entering: BuildPhase | None = None) -> Never | None:
    """Give why what is left of the build can never be had, or None."""
    terms = moment.observed.terms
    wanted = demand(state, moment.observed, entering)
    return quotas.never(wanted, terms) if wanted and terms else None


def is_at_gate(state: BuildState, moment: Moment) -> bool:
    """Say whether the build is about to begin or go on with work; ERROR is not asked here."""
    if state.is_archived or moment.spec.suspend or state.phase is BuildPhase.ERROR:
        return False
    record, refusal = state.record, moment.observed.refusal
    if record is not None and record.result is WorkResult.RUNNING:
        # The quota may have been made smaller since.
        return refusal is not None and refusal.reason == QUOTA_EXCEEDED
    if record is not None and record.result is WorkResult.FAILED:
        return not moment.observed.live_pods
    return True


def refuse(state: BuildState, moment: Moment) -> BuildState:
    """End a build that needs what its namespace can never give."""
    never = obstacle(state, moment) if is_at_gate(state, moment) else None
    if never is None:
        return state
    return changes.fail(state, failure(state, never), moment)


def failure(state: BuildState, never: Never) -> Failure:
    """Give the failure of a build that needs what its namespace can never give."""
    before = state.failure
    earlier = f"; it had failed with {before.reason}" if before else ""
    return Failure(
        category=ErrorCategory.RESOURCE_ALLOCATION_FAILURE,
        phase=before.phase if before else state.phase,
        reason=never.reason,
        message=f"{never.message}{earlier}"[:MAX_TEXT],
    )


def settle(state: BuildState, moment: Moment) -> BuildState:
    """Give a decided state with the promise that goes with it.

    It is taken with an edge, becomes less with each, and is given up where the build rests.
    """
    promised = _promised(state, moment)
    if promised == state.resources.promised:
        return state
    return replace(state, resources=replace(state.resources, promised=promised))


def _promised(state: BuildState, moment: Moment) -> Mapping[str, str]:
    observed, known = moment.observed, state.resources.promised
    if _rests(state, moment):
        return {}
    if not observed.terms:
        return {} if _has_moved(state, observed) else known
    wanted = demand(state, observed)
    granted = observed.allotment.promise if observed.allotment else None
    is_enough = covers(amounts(known) if granted is None else granted, wanted, observed.terms)
    if is_enough and _has_moved(state, observed):
        return _texts(promise_of(wanted, observed.terms))
    # Who waits for more does not keep what it has from others.
    return known if is_enough or observed.wants_pod(state) else {}


def _has_moved(state: BuildState, observed: Observed) -> bool:
    before = observed.state
    if before is None:
        return True
    return (before.sequence, before.attempt) != (state.sequence, state.attempt)


def _rests(state: BuildState, moment: Moment) -> bool:
    if state.phase in (BuildPhase.COMPLETE, BuildPhase.ERROR) or state.is_archived:
        return True
    if moment.observed.wants_pod(state):
        return False
    if moment.spec.suspend or waits_for_another(state, moment):
        return True
    return not _left(state, moment.spec, None)


def waits_for_another(state: BuildState, moment: Moment) -> bool:
    """Say whether another build is in the way of the next edge: it may need the same quota."""
    if state.record is not None and not state.record.result.is_done:
        return False
    way = path(state.phase, moment.target)
    return dependencies.hold(state, moment, way[0]) is not None if way else False


def _texts(promise: Amounts) -> dict[str, str]:
    return {name: said(value) for name, value in sorted(promise.items())}


def waiting(state: BuildState, moment: Moment) -> str:
    """Say what the build waits for and where in the line it stands; empty where it does not wait.

    What was said stays until the place is half of it, or every admission would be a write for each
    one who waits.
    """
    allotment = moment.observed.allotment
    if allotment is None or allotment.promise is not None:
        return ""
    known = _SAID.search(_message(state))
    if known is not None and allotment.place * 2 > int(known[1]):
        return known[0]
    lack = allotment.lack or "others are before it"
    place = f"place {allotment.place} of {allotment.waiting}"
    return f"waits in line: {lack}; {place} at {moment.now:%H:%M:%SZ}"


def said_place(state: BuildState) -> int | None:
    """Give the place in line that people were told last, or None."""
    known = _SAID.search(_message(state))
    return int(known[1]) if known else None


def _message(state: BuildState) -> str:
    ready = state.condition("Ready")
    return ready.message if ready and ready.reason == QUOTA_EXCEEDED else ""
