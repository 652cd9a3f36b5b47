"""Attempts that ended for no fault of their own: whose fault it was, and where not to go again."""

from collections.abc import Mapping

from buildstate.domain.observed import PodPhase, PodView
from buildstate.domain.states import MAX_AVOIDED

EVICTED = "Evicted"
PREEMPTED = "Preempted"
NODE_LOST = "NodeLost"
POD_DELETED = "PodDeleted"

DISRUPTIONS = frozenset({EVICTED, PREEMPTED, NODE_LOST, POD_DELETED})

MAX_DISRUPTIONS = 5
"""So many disrupted attempts of a phase do not count for its backoff limit."""

_BY_CONDITION: Mapping[str, str] = {
    "PreemptionByScheduler": PREEMPTED,
    "DeletionByTaintManager": NODE_LOST,
    "DeletionByPodGC": NODE_LOST,
}
_BY_REASON: Mapping[str, str] = {
    "Evicted": EVICTED,
    "Preempting": PREEMPTED,
    "NodeLost": NODE_LOST,
    "NodeShutdown": EVICTED,
    "Shutdown": EVICTED,
    "Terminated": EVICTED,
}
_OWN_FAULTS = frozenset({"OOMKilled", "DeadlineExceeded"})


def cause(pod: PodView) -> str:
    """Give by what a Pod that has failed or is gone was disrupted; empty where by nothing."""
    if pod.reason in _OWN_FAULTS:
        return ""
    if pod.disruption:
        return _BY_CONDITION.get(pod.disruption, EVICTED)
    known = _BY_REASON.get(pod.reason, "")
    return known or (POD_DELETED if pod.deleting or pod.is_live else "")


def is_lost(pod: PodView) -> bool:
    """Say whether nobody knows if the Pod still runs, since its node does not answer."""
    if not pod.is_live:
        return False
    leaves = pod.deleting and _BY_CONDITION.get(pod.disruption) is NODE_LOST
    return leaves or pod.phase is PodPhase.UNKNOWN


def avoided(node: str, known: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Give the nodes to stay away from, the latest first, with `node` among them."""
    others = tuple(one for one in known or () if one != node)
    return (node, *others)[:MAX_AVOIDED] if node else known
