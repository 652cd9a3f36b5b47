"""Resources that change while a Pod runs: what is asked of it in place, and what is said of it."""

from collections.abc import Mapping

from buildstate.domain import growths
from buildstate.domain.actions import ResizePod
from buildstate.domain.observed import Observed, PodView
from buildstate.domain.quantities import parse
from buildstate.domain.specs import WorkResources
from buildstate.domain.states import BuildState

RESIZABLE = ("cpu", "memory")
"""What Kubernetes can change of a Pod that runs."""

RESIZE_REFUSED = "ResizeRefused"
RESIZE_INFEASIBLE = "ResizeInfeasible"
RESIZE_DEFERRED = "ResizeDeferred"

RESIZE_REASONS = frozenset({RESIZE_REFUSED, RESIZE_INFEASIBLE, RESIZE_DEFERRED})

_BY_KUBELET: Mapping[str, str] = {"Infeasible": RESIZE_INFEASIBLE, "Deferred": RESIZE_DEFERRED}


def due(state: BuildState, observed: Observed) -> tuple[ResizePod, ...]:
    """Give what to ask of the Pod at work: once for each thing that its author may want."""
    pod = observed.pod(state)
    wanted = _wanted(state, observed, pod)
    if pod is None or wanted is None or _is_given(wanted, pod.given):
        return ()
    asked = observed.resize
    is_answered = asked is not None and (asked.uid, asked.wanted) == (pod.uid, wanted)
    return () if is_answered else (ResizePod(pod.name, pod.uid, wanted),)


def trouble(state: BuildState, observed: Observed) -> tuple[str, str] | None:
    """Give why the Pod at work does not have what is wanted: a reason and words; None if it has."""
    pod, answer = observed.pod(state), observed.resize
    wanted = _wanted(state, observed, pod)
    if pod is None or wanted is None:
        return None
    if _is_given(wanted, pod.given):
        reason = _BY_KUBELET.get(pod.resize)
        return (reason, pod.resize_message) if reason else None
    if answer is None or not answer.refusal or (answer.uid, answer.wanted) != (pod.uid, wanted):
        return None
    return RESIZE_REFUSED, answer.refusal


def _wanted(state: BuildState, observed: Observed, pod: PodView | None) -> WorkResources | None:
    """Give what the Pod should have of what can be changed; None where nothing can be asked."""
    work = observed.spec.work(state.phase)
    if pod is None or work is None or pod.given is None or not pod.is_live or pod.deleting:
        return None
    needed = growths.needed(work, state.record)
    return WorkResources(requests=_part(needed.requests), limits=_part(needed.limits))


def _part(quantities: Mapping[str, str]) -> Mapping[str, str]:
    return {name: quantities[name] for name in RESIZABLE if name in quantities}


def _is_given(wanted: WorkResources, given: WorkResources | None) -> bool:
    # What nobody asked for was put there by a LimitRange, and is its own affair.
    return given is None or (
        _covers(wanted.requests, given.requests) and _covers(wanted.limits, given.limits)
    )


def _covers(wanted: Mapping[str, str], given: Mapping[str, str]) -> bool:
    return all(_is_same(quantity, given.get(name)) for name, quantity in wanted.items())


def _is_same(wanted: str, given: str | None) -> bool:
    if given is None or wanted == given:
        return wanted == given
    try:
        return parse(wanted) == parse(given)
    except ValueError:
        return True  # Nobody can say that they differ.
