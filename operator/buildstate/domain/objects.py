"""Artifacts that are objects in a configured store: when they are measured, and by which name."""

from buildstate.domain import artifacts
from buildstate.domain.observed import Moment, PodPhase
from buildstate.domain.states import BuildState

SCHEME = "store://"


def split(uri: str) -> tuple[str, str]:
    """Give the name of the store and the key in it."""
    name, _, key = uri.removeprefix(SCHEME).partition("/")
    return name, key


def due(moment: Moment) -> tuple[str, ...]:
    """Give the objects that have to be measured now, in a fixed order: their work has succeeded."""
    state, observed = moment.observed.state, moment.observed
    if not moment.spec.artifacts or state is None or not observed.wants_pod(state):
        return ()
    pod = observed.pod(state) or observed.departed_pod(state)
    if pod is None or pod.phase is not PodPhase.SUCCEEDED:
        return ()
    return tuple(wish.path for wish in artifacts.objects(moment.spec, state.phase))


def are_awaited(state: BuildState, moment: Moment) -> bool:
    """Say whether objects of the present phase are not measured yet."""
    given = moment.observed.objects
    is_known = given is not None and given.trouble is None
    return bool(artifacts.objects(moment.spec, state.phase)) and not is_known
