"""Looking at the artifacts again when somebody asks: by a Pod of its own, while no work runs.

The request that is not answered yet is the intent of that Pod, and its id is in the Pod's name: so
it is made once, whoever crashes when.
"""

from datetime import datetime, timedelta

from buildstate.domain import artifacts, names
from buildstate.domain.artifacts import Wish
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import Moment, Observed, PodPhase, PodView
from buildstate.domain.outcomes import START_GRACE, UNSCHEDULABLE, UNSTARTABLE, Outcome
from buildstate.domain.recoveries import is_releasing
from buildstate.domain.specs import Action, Request
from buildstate.domain.states import BuildState
from buildstate.domain.transitions import Verdict

MAX_SECONDS = 3600
"""How long a verification may take once a node has taken its Pod."""

_GONE = Verdict(
    accepted=False,
    reason="ArtifactMissing",
    message="refused: what the phases left behind has gone with the workspace",
)


def wishes(observed: Observed, state: BuildState) -> tuple[Wish, ...]:
    """Give the files that must be as they were recorded."""
    return artifacts.recorded(state) if _is_shared(observed, state) else ()


def judge(state: BuildState, moment: Moment) -> Verdict | None:
    """Say whether state and artifacts are as they were; None while that is being looked at."""
    hindrance = _hindrance(state)
    if hindrance is not None or is_releasing(state, moment):
        return hindrance
    asked = wishes(moment.observed, state)
    if not asked:
        return _GONE if state.artifacts and moment.spec.workspace else _fine(0)
    outcome = _outcome(state, moment)
    if outcome is None or outcome.succeeded:
        return _fine(len(asked)) if outcome else None
    message = f"refused: {outcome.message}".rstrip(": ")
    return Verdict(accepted=False, reason=outcome.reason, message=message)


def due(state: BuildState, moment: Moment) -> str | None:
    """Name the Pod that looks at the artifacts, or None where none should."""
    return None if is_releasing(state, moment) else _asked(state, moment.observed)


def awaited(state: BuildState, observed: Observed) -> str:
    """Name the Pod that is to be made: what the API server says of it is not said of others."""
    return _asked(state, observed) or observed.pod_name(state)


def _asked(state: BuildState, observed: Observed) -> str | None:
    name = _pod_name(state, observed)
    is_possible = _hindrance(state) is None and not state.is_archived
    return name if is_possible and wishes(observed, state) else None


def limit(state: BuildState, moment: Moment) -> datetime | None:
    """Give when its Pod has waited for too long; None where it need not wait."""
    name = due(state, moment)
    pod = _pod(name, moment.observed) if name else None
    return _patience(pod, moment) if pod is not None else None


def pod_name(observed: Observed) -> str | None:
    """Name the Pod of the latest request to look, answered or not; None where there is none."""
    request = observed.spec.request
    if request is None or request.action is not Action.VERIFY:
        return None
    return names.verifier_name(observed.name, observed.uid, request.id)


def _pod_name(state: BuildState, observed: Observed) -> str | None:
    request = observed.spec.request
    return None if request is None or _is_answered(state, request) else pod_name(observed)


def _is_answered(state: BuildState, request: Request) -> bool:
    return state.last_request is not None and state.last_request.id == request.id


def _is_shared(observed: Observed, state: BuildState) -> bool:
    workspace = observed.spec.workspace
    return workspace is not None and bool(workspace.claim_name or state.workspace_claim)


def _fine(count: int) -> Verdict:
    what = {0: "no artifact is kept to look at", 1: "the artifact is as it was recorded"}
    says = what.get(count, f"{count} artifacts are as they were recorded")
    return Verdict(accepted=True, message=f"done: the state is valid, and {says}")


def _hindrance(state: BuildState) -> Verdict | None:
    """Give why nothing is looked at, where it stands."""
    failure, record = state.failure, state.record
    if failure is not None and failure.category is ErrorCategory.STATE_CORRUPTION:
        return Verdict(
            accepted=False, reason=failure.category, message=f"refused: {failure.message}"
        )
    if record is not None and not record.result.is_done:
        return Verdict(
            accepted=False,
            reason="WorkRunning",
            message=f"refused: {state.phase} is at work; ask again when it has ended",
        )
    return None


def _outcome(state: BuildState, moment: Moment) -> Outcome | None:
    observed = moment.observed
    name = due(state, moment)
    if name is None:
        return None
    if observed.refusal is not None:
        return Outcome(
            succeeded=False, reason=observed.refusal.reason, message=observed.refusal.message
        )
    pod = _pod(name, observed)
    if pod is None:
        return None
    if not pod.is_live:
        return _ended(pod, wishes(observed, state))
    patience = _patience(pod, moment)
    if patience is None or moment.now < patience:
        return None
    return Outcome(succeeded=False, reason=pod.waiting, message=pod.message)


def _pod(name: str, observed: Observed) -> PodView | None:
    return next((pod for pod in observed.pods if pod.name == name), None)


def _ended(pod: PodView, asked: tuple[Wish, ...]) -> Outcome:
    found = artifacts.compare(pod.verification, asked)
    if found is not None and (pod.phase is PodPhase.SUCCEEDED or not found.succeeded):
        return found
    return Outcome(
        succeeded=False,
        reason=pod.reason or "Error",
        message=f"what was found cannot be read: {pod.message or pod.verification!r}",
    )


def _patience(pod: PodView, moment: Moment) -> datetime | None:
    if pod.waiting in UNSTARTABLE:
        return (pod.started or pod.created) + START_GRACE
    if pod.waiting == UNSCHEDULABLE:
        seconds = moment.spec.resources.schedule_timeout_seconds
        return pod.created + timedelta(seconds=seconds)
    return None
