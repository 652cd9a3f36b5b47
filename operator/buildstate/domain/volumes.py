"""Why a Pod cannot start because of its volume, by what the cluster says of it.

The cluster is asked only about a Pod that waits: once when no node takes it, and once when it has
waited for some time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from buildstate.domain.allocations import claim_of
from buildstate.domain.observed import Moment, Obstruction, PodView
from buildstate.domain.outcomes import UNSCHEDULABLE
from buildstate.domain.states import BuildState

STUCK_AFTER = timedelta(seconds=30)
"""So long a node may take to attach and mount a volume."""

_PREPARING = frozenset({"ContainerCreating", "PodInitializing"})
_HARMLESS = frozenset({"WaitForFirstConsumer", "WaitForPodScheduled", "ExternalProvisioning"})
_ELSEWHERE = ("Multi-Attach", "volume node affinity conflict", "ReadWriteOncePod")
_MAX_NAMED = 8


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be looked into: the claim of a Pod that waits. The same one is asked once."""

    claim: str
    is_own: bool
    pod: PodView
    has_lasted: bool

    @property
    def is_placed(self) -> bool:
        """Whether a node has taken the Pod, which tells what it does with the volume."""
        return self.pod.waiting != UNSCHEDULABLE

    @property
    def mark(self) -> tuple[object, ...]:
        """What tells this question from another one."""
        return (self.claim, self.pod.uid, self.pod.waiting, self.has_lasted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the cluster says of a claim.

    `storage_class` is None where it has none. `awaits_pod` says that it is bound only once its Pod
    has a node. `classes` are those of the cluster, None where they are not known. `words` are the
    messages of the Events of the claim, or of the Pod where the claim is bound, by their reasons.
    """

    phase: str
    is_going: bool = False
    storage_class: str | None = None
    awaits_pod: bool = False
    classes: tuple[str, ...] | None = None
    words: Mapping[str, str] = field(default_factory=dict)


def question(state: BuildState, moment: Moment) -> Question | None:
    """Give what is to be looked into, or None where the Pod does not wait for a volume."""
    pod, claim = moment.observed.pod(state), claim_of(state, moment.spec)
    if pod is None or claim is None or not pod.is_live or not moment.observed.wants_pod(state):
        return None
    has_lasted = _since(pod) + STUCK_AFTER <= moment.now
    if pod.waiting != UNSCHEDULABLE and not (pod.waiting in _PREPARING and has_lasted):
        return None
    return Question(claim, claim == state.workspace_claim, pod, has_lasted)


def look_times(state: BuildState, moment: Moment) -> tuple[datetime, ...]:
    """Give the time at which a Pod has waited for so long that its volume is looked into."""
    pod, claim = moment.observed.pod(state), claim_of(state, moment.spec)
    waits = pod is not None and pod.waiting in (*_PREPARING, UNSCHEDULABLE)
    return (_since(pod) + STUCK_AFTER,) if pod and claim and waits else ()


def explain(asked: Question, found: Claim | None) -> Obstruction | None:
    """Say why the Pod waits for its volume and what to do, or None where it is not the volume."""
    if found is None or found.is_going:
        return _missing(asked, is_going=found is not None)
    if found.phase == "Lost":
        message = f"the volume of claim {asked.claim} is gone from the cluster; {_anew(asked)}"
        return Obstruction(reason="ClaimLost", message=message)
    if found.phase == "Bound":
        return _elsewhere(asked, found)
    return _unbound(asked, found)


def _missing(asked: Question, *, is_going: bool) -> Obstruction:
    how = "is being deleted" if is_going else "is not there"
    what = f"the workspace {asked.claim} {how}" if asked.is_own else f"claim {asked.claim} {how}"
    message = f"{what}; {_anew(asked)}"
    return Obstruction(reason="ClaimMissing", message=message, is_gone=True)


def _anew(asked: Question) -> str:
    if asked.is_own:
        return "request Abort, then Restart, which begins with a new one"
    return "make it, and the Pod starts"


def _elsewhere(asked: Question, found: Claim) -> Obstruction | None:
    words = (asked.pod.message, *found.words.values())
    said = next((one for one in words if any(part in one for part in _ELSEWHERE)), None)
    if said is None:
        return None
    message = (
        f"claim {asked.claim} is bound to another node, or in use there; the Pod starts when it "
        f"can go there, or when the volume is free: {said}"
    )
    return Obstruction(reason="VolumeOnOtherNode", message=message)


def _unbound(asked: Question, found: Claim) -> Obstruction | None:
    wanted, classes = found.storage_class, found.classes
    if classes is not None and wanted != "" and wanted not in classes:
        return _without_class(asked, wanted, classes)
    if found.awaits_pod:
        return None  # It waits for the Pod, not the Pod for it.
    words = [text for reason, text in found.words.items() if reason not in _HARMLESS]
    if not words and found.words.keys() & {"WaitForFirstConsumer", "WaitForPodScheduled"}:
        return None
    said = f": {words[0]}" if words else ""
    message = f"claim {asked.claim} is not bound to a volume yet{said}"
    return Obstruction(reason="ClaimPending", message=message)


def _without_class(asked: Question, wanted: str | None, classes: tuple[str, ...]) -> Obstruction:
    more = f" and {len(classes) - _MAX_NAMED} more" if len(classes) > _MAX_NAMED else ""
    there = ", ".join(classes[:_MAX_NAMED]) + more
    what = (
        f"StorageClass {wanted} of claim {asked.claim} is not there"
        if wanted
        else f"claim {asked.claim} names no StorageClass, and the cluster has no default one"
    )
    do = "have it made, or abort the build and name another one"
    names = f"there are {there}" if classes else "there is none"
    return Obstruction(reason="StorageClassMissing", message=f"{what} ({names}); {do}")


def _since(pod: PodView) -> datetime:
    return pod.started or pod.created
