"""What a build asks for, what it holds, and what it gave back: counted from what really exists.

It is written down whenever a state is written anyway. It has a write of its own only where the
status says something else than what has been there for some time: most Pods end before that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from buildstate.domain import growths
from buildstate.domain.observed import Moment, Observed, PodView
from buildstate.domain.quantities import added, highest, parse, texts
from buildstate.domain.specs import BuildSpec
from buildstate.domain.states import MAX_HELD, BuildState, HeldPod, HeldVolume, ResourceState

RIPE_AFTER = timedelta(seconds=5)
"""A Pod that has lived so long is written down by itself."""

Amount = Mapping[str, Fraction]


class Held(NamedTuple):
    """What a build holds, as it is written down."""

    allocated: Mapping[str, str]
    pods: tuple[HeldPod, ...]
    volumes: tuple[HeldVolume, ...]


def counted(state: BuildState, moment: Moment) -> ResourceState:
    """Give what the build asks for, holds and gave back at this moment."""
    known, observed = state.resources, moment.observed
    held = _measured(state, moment, observed.live_pods)
    gone = texts(_given_back(known, held, observed))
    return replace(
        known,
        asked=texts(asked(state, moment)),
        allocated=held.allocated,
        released=gone or known.released,
        pods=held.pods,
        volumes=held.volumes,
    )


def is_behind(state: BuildState, moment: Moment) -> bool:
    """Say whether what the status says to be held is not what has been held for some time."""
    known, live = state.resources, moment.observed.live_pods
    ripe = [pod for pod in live if _is_known(pod, known) or pod.created + RIPE_AFTER <= moment.now]
    if not ripe and not known.pods:
        return False
    return _measured(state, moment, ripe) != (known.allocated, known.pods, known.volumes)


def due_times(state: BuildState, moment: Moment) -> tuple[datetime, ...]:
    """Give the times at which a Pod has to be written down that is not yet."""
    unknown = (pod for pod in moment.observed.live_pods if not _is_known(pod, state.resources))
    return tuple(pod.created + RIPE_AFTER for pod in unknown)


def asked(state: BuildState, moment: Moment) -> dict[str, Fraction]:
    """Give what the Pod that `state` is the intent of and the build's own workspace ask for."""
    work, workspace = moment.spec.work(state.phase), moment.spec.workspace
    storage = workspace.size if workspace and state.workspace_claim else None
    need: Amount = {}
    if work is not None and moment.observed.wants_pod(state):
        # A limit without a request is a request, too.
        resources = growths.needed(work, state.record)
        need = {**_known({**resources.limits, **resources.requests}), **_ONE_POD}
    return added(need, _known({"storage": storage}) if storage else {})


def held_by(pods: Iterable[PodView], storage: Iterable[str] = ()) -> dict[str, Fraction]:
    """Give the sum of what these Pods and volumes of that size hold."""
    needs = [{**_known(pod.requests), **_ONE_POD} for pod in pods]
    return added(*needs, *(_known({"storage": size}) for size in storage))


def claim_of(state: BuildState, spec: BuildSpec) -> str | None:
    """Name the claim that the build works on, its own or the one that it was given."""
    return state.workspace_claim or (spec.workspace.claim_name if spec.workspace else None)


_ONE_POD: Amount = {"pods": Fraction(1)}


def _measured(state: BuildState, moment: Moment, pods: Iterable[PodView]) -> Held:
    live = sorted(pods, key=lambda pod: (pod.created, pod.name))
    volumes = _volumes(state, moment)
    # A claim of somebody else is not the build's to hold.
    own = [volume.size for volume in volumes if volume.name == state.workspace_claim]
    named = tuple(HeldPod(name=pod.name, uid=pod.uid) for pod in live[:MAX_HELD])
    return Held(texts(held_by(live, own)), named, volumes)


def _volumes(state: BuildState, moment: Moment) -> tuple[HeldVolume, ...]:
    name, obstruction = claim_of(state, moment.spec), moment.observed.obstruction
    if obstruction is not None and obstruction.is_gone:
        return ()
    seen = (*moment.observed.volumes, *state.resources.volumes)
    return tuple(volume for volume in seen if volume.name == name)[:1]


def _is_known(pod: PodView, known: ResourceState) -> bool:
    return any(pod.uid == held.uid for held in known.pods)


def _given_back(known: ResourceState, held: Held, observed: Observed) -> Amount:
    """What is held no more; of a Pod that ended too soon to be written down, what it held."""
    before, now = _known(known.allocated), _known(held.allocated)
    less = {name: value - now.get(name, 0) for name, value in before.items()}
    ended = observed.pod(observed.state) if observed.state else None
    over = held_by([ended]) if ended is not None and not ended.is_live else {}
    return highest({name: value for name, value in less.items() if value > 0}, over)


def _known(quantities: Mapping[str, str]) -> dict[str, Fraction]:
    """Give the values of quantities; those that nothing can be counted with are left out."""
    return {name: value for name, one in quantities.items() if (value := _value(one)) is not None}


def _value(quantity: str) -> Fraction | None:
    try:
        return parse(quantity)
    except ValueError:
        return None
