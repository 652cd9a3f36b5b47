"""Other builds at random: what one may wait for, and how that may stand."""

from collections.abc import Mapping

from hypothesis import strategies as st
from tests.worlds import NAME

from buildstate.domain.dependencies import asked
from buildstate.domain.neighbours import Neighbour
from buildstate.domain.phases import WAY, BuildPhase
from buildstate.domain.specs import BuildSpec, Dependency
from buildstate.domain.states import BuildState

NAMES = ("lib", "data")
SHA, OTHER_SHA = "ab" * 32, "cd" * 32

Others = Mapping[str, Neighbour]


def a_neighbour(uid: str, steps: int, digest: str, *, ended: bool, waits: bool) -> Neighbour:
    """Another build that has come so many steps, and perhaps ended there, or waits for ours."""
    reached = frozenset(WAY[: steps + 1])
    has_failed = ended and steps < len(WAY) - 1
    return Neighbour(
        uid=uid,
        phase=BuildPhase.ERROR if has_failed else WAY[steps],
        reached=reached,
        has_ended=ended or steps == len(WAY) - 1,
        words="failed in ERROR: Error" if has_failed else "succeeded in COMPLETE",
        artifacts={"jar": digest} if digest else {},
        waits_for=(Dependency(name=NAME),) if waits and not ended else (),
    )


neighbours = st.builds(
    a_neighbour,
    uid=st.sampled_from("uv"),
    steps=st.integers(0, len(WAY) - 1),
    digest=st.sampled_from(["", SHA, OTHER_SHA]),
    ended=st.booleans(),
    waits=st.booleans(),
)
surroundings = st.fixed_dictionaries(dict.fromkeys(NAMES, st.none() | neighbours)).map(
    lambda found: {name: other for name, other in found.items() if other is not None}
)
DONE: Others = {
    name: a_neighbour("w", len(WAY) - 1, SHA, ended=False, waits=False) for name in NAMES
}
"""All that anybody here waits for."""

_ANY, _THIS = ("jar", None), ("jar", SHA)
_each = st.builds(
    lambda name, phase, before, made: Dependency(
        name=name, phase=phase, before=before, artifact=made[0], sha256=made[1]
    ),
    name=st.sampled_from(NAMES),
    phase=st.sampled_from(WAY),
    before=st.sampled_from(WAY[1:]),
    made=st.sampled_from([(None, None), _ANY, _THIS]),
)
waits = st.just(()) | st.lists(_each, max_size=2, unique_by=lambda one: one.name).map(tuple)


def around(others: Others, spec: BuildSpec, state: BuildState | None) -> Others:
    """As much of them as a build sees."""
    names = asked(spec, state)
    return {name: other for name, other in others.items() if name in names}
