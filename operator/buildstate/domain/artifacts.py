"""What the phases must leave behind, and whether what was found is that."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from buildstate.domain import findings
from buildstate.domain.findings import Finding, Lack
from buildstate.domain.observed import Moment, PodView
from buildstate.domain.outcomes import Outcome
from buildstate.domain.phases import WORK_PHASES, BuildPhase
from buildstate.domain.specs import Artifact, BuildSpec
from buildstate.domain.states import ArtifactRecord, BuildState

ROOT = "/workspace"


@dataclass(frozen=True, slots=True)
class Wish:
    """One file that must be at a path below the workspace, and the digest that it must have.

    `origin` says who knows the digest, for whoever reads that it is another one. Of an object
    the path is its URI.
    """

    name: str
    phase: BuildPhase
    path: str
    sha256: str | None
    origin: str
    is_object: bool = False

    @property
    def place(self) -> str:
        """Where it must be, for people."""
        return repr(self.path if self.is_object else f"{ROOT}/{self.path}")


def declared(spec: BuildSpec, phase: BuildPhase) -> tuple[Wish, ...]:
    """Give the files that the work of `phase` must leave in the workspace, in a fixed order."""
    return tuple(
        Wish(one.name, phase, below_root(one.path), one.sha256, "was declared")
        for one in spec.artifacts
        if one.phase is phase and one.path is not None
    )


def objects(spec: BuildSpec, phase: BuildPhase) -> tuple[Wish, ...]:
    """Give the objects that must be in a store once the work of `phase` has succeeded."""
    return tuple(
        Wish(one.name, phase, one.uri, one.sha256, "was declared", is_object=True)
        for one in spec.artifacts
        if one.phase is phase and one.uri is not None
    )


def earlier(spec: BuildSpec, state: BuildState) -> tuple[Wish, ...]:
    """Give the files of earlier phases that must be as they were before the present one works.

    Without a workspace they went with their Pod. What cleans up after a failure asks for none.
    """
    if spec.workspace is None or state.failure is not None:
        return ()
    return _as_recorded(one for one in state.artifacts if _is_before(one.phase, state.phase))


def recorded(state: BuildState) -> tuple[Wish, ...]:
    """Give every file that a phase has left behind, as it was then."""
    return _as_recorded(state.artifacts)


def _as_recorded(records: Iterable[ArtifactRecord]) -> tuple[Wish, ...]:
    # A file that a later phase has left anew is held to the later one.
    latest = {below_root(record.path): record for record in records if record.path is not None}
    return tuple(
        Wish(record.name, record.phase, path, record.sha256, "was recorded")
        for path, record in latest.items()
    )


def below_root(path: str) -> str:
    """Give `path` as it is below the workspace, whichever way it was written."""
    names = path.removeprefix(f"{ROOT}/").split("/")
    return "/".join(name for name in names if name not in ("", "."))


def _is_before(one: BuildPhase, other: BuildPhase) -> bool:
    return other in WORK_PHASES and WORK_PHASES.index(one) < WORK_PHASES.index(other)


def hold(outcome: Outcome, pod: PodView, state: BuildState, moment: Moment) -> Outcome:
    """Give how the attempt ended, with what it was asked to leave behind taken into account."""
    spec = moment.spec
    wishes = declared(spec, state.phase)
    if outcome.succeeded:
        return _measured(outcome, pod, state, moment) if spec.artifacts else outcome
    if outcome.is_disruption:
        return outcome
    said = ((pod.verification, earlier(spec, state)), (pod.report, wishes))
    refusals = (_refusal(findings.parse(text, len(asked)), asked) for text, asked in said)
    return next((refusal for refusal in refusals if refusal is not None), outcome)


def _measured(outcome: Outcome, pod: PodView, state: BuildState, moment: Moment) -> Outcome:
    files, things = declared(moment.spec, state.phase), objects(moment.spec, state.phase)
    reported = findings.parse(pod.report, len(files)) if files else ()
    if reported is None:
        return _unreported(pod.report)
    given = moment.observed.objects
    found = (*reported, *(given.found if given and things else ()))
    wishes = (*files, *things)
    records = (_record(wish, one, moment) for wish, one in zip(wishes, found, strict=True))
    return _refusal(found, wishes) or replace(outcome, artifacts=tuple(filter(None, records)))


def _record(wish: Wish, found: Finding, moment: Moment) -> ArtifactRecord | None:
    if isinstance(found, Lack):
        return None
    return ArtifactRecord(
        name=wish.name,
        phase=wish.phase,
        path=None if wish.is_object else wish.path,
        uri=wish.path if wish.is_object else None,
        size=found.size,
        sha256=found.sha256,
        time=moment.now,
    )


def compare(report: str, wishes: tuple[Wish, ...]) -> Outcome | None:
    """Give what a report means for the files that were asked for; None where it is no report."""
    found = findings.parse(report, len(wishes))
    return None if found is None else _refusal(found, wishes) or Outcome(succeeded=True)


def _unreported(report: str) -> Outcome:
    return Outcome(
        succeeded=False,
        reason="ArtifactUnreported",
        message=f"the report on the artifacts cannot be read: {report!r}",
    )


def _refusal(found: tuple[Finding, ...] | None, wishes: tuple[Wish, ...]) -> Outcome | None:
    """Give the failure that the first artifact is which is not as it must be; None if all are."""
    pairs = zip(found or (), wishes, strict=bool(found))
    faults = [fault for one, wish in pairs if (fault := _fault(one, wish)) is not None]
    if not faults:
        return None
    message = "; ".join(fault.message for fault in faults)
    return replace(faults[0], message=message)


def _fault(found: Finding, wish: Wish) -> Outcome | None:
    what = f"artifact {wish.name} of {wish.phase}"
    if isinstance(found, Lack):
        return Outcome(
            succeeded=False,
            reason="ArtifactMissing",
            message=f"{what} is missing: {wish.place} {found.words}",
        )
    if wish.sha256 in (None, found.sha256):
        return None
    return Outcome(
        succeeded=False,
        reason="ArtifactMismatch",
        message=(
            f"{what} is another one: {wish.place} has sha256 {found.sha256}, "
            f"and {wish.sha256} {wish.origin}"
        ),
    )


def kept(state: BuildState, fresh: tuple[ArtifactRecord, ...]) -> BuildState:
    """Give `state` with the artifacts of the present phase in the place of any of before."""
    others = tuple(one for one in state.artifacts if one.phase is not state.phase)
    return replace(state, artifacts=(*others, *fresh)) if fresh or state.artifacts else state


def of_phases(
    records: tuple[ArtifactRecord, ...], phases: tuple[BuildPhase, ...]
) -> tuple[ArtifactRecord, ...]:
    """Give the artifacts that those phases left behind."""
    return tuple(record for record in records if record.phase in phases)


def are_same(before: BuildSpec, after: BuildSpec, phase: BuildPhase) -> bool:
    """Say whether the same artifacts are declared of `phase`."""
    return _of(before, phase) == _of(after, phase)


def _of(spec: BuildSpec, phase: BuildPhase) -> tuple[Artifact, ...]:
    return tuple(one for one in spec.artifacts if one.phase is phase)
