"""Quotas for the worlds in which the laws of the plan are tried."""

from dataclasses import dataclass, replace
from datetime import datetime

from hypothesis import strategies as st

from buildstate.domain import admissions, allotments
from buildstate.domain.lines import Allotment
from buildstate.domain.observed import Moment, Observed
from buildstate.domain.states import BuildState
from buildstate.domain.terms import Bounds, Kind, Quota, Terms, amounts


def a_namespace(usual: str | None = None, **hard: str) -> Terms:
    """A namespace with a quota, and a memory limit for whoever names none."""
    named = amounts({name.replace("_", ".").replace("..", "/"): one for name, one in hard.items()})
    default = amounts({"memory": usual} if usual else {})
    bounds = Bounds(name="usual", kind=Kind.CONTAINER, default=default, default_request=default)
    return Terms(quotas=(Quota(name="q", hard=named),), bounds=(bounds,))


TERMS = (
    None,
    a_namespace("50Mi", requests_memory="1Gi", pods="2"),
    a_namespace("50Mi", requests_memory="80Mi"),
    a_namespace(limits_memory="4Gi"),
    a_namespace(count__pods="6", persistentvolumeclaims="1"),
    replace(a_namespace("50Mi"), quotas=()),
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """What a namespace says about quota, and whether its line has room just now."""

    terms: Terms | None = None
    has_room: bool = True
    place: int = 1

    def informed(self, seen: Observed, now: datetime) -> Observed:
        """The picture with the terms and, where the build asks, with the answer."""
        known = replace(seen, terms=self.terms)
        wanted = admissions.wanted(Moment(observed=known, now=now))
        if wanted is None or self.terms is None:
            return known
        promise = allotments.promise_of(wanted, self.terms) if self.has_room else None
        answer = Allotment(promise=promise, lack="memory", place=self.place, waiting=9)
        return replace(known, allotment=answer)

    def hold(self, seen: Observed, state: BuildState) -> None:
        """Nothing is begun without a promise, and nothing is kept from others for nothing."""
        before, promised = seen.state, amounts(state.resources.promised)
        known = (before.sequence, before.attempt) if before else None
        is_begun = seen.wants_pod(state) and known != (state.sequence, state.attempt)
        if is_begun and self.terms is not None:
            needed = allotments.demand(state, seen)
            assert allotments.covers(promised, needed, self.terms), "work without a promise"
        if state.phase in ("ERROR", "COMPLETE"):
            assert promised == {}, "a promise after the end"
        if seen.spec.suspend and not seen.wants_pod(state):
            assert promised == {}, "a promise for what is suspended"


lines = st.builds(
    Line, terms=st.sampled_from(TERMS), has_room=st.booleans(), place=st.integers(1, 9)
)
