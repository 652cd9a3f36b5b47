"""The volume that the phases share: which one it is, and when it is given back."""

from dataclasses import replace

from buildstate.domain.errors import ErrorCategory
from buildstate.domain.phases import BuildPhase
from buildstate.domain.specs import BuildSpec, ReleasePolicy, Workspace
from buildstate.domain.states import BuildState


def gives_back(state: BuildState, spec: BuildSpec, *, is_over: bool) -> bool:
    """Say whether a build that stands so gives back the workspace of its own that it holds.

    `is_over` says that nothing leads out of ERROR by itself.
    """
    category = state.failure.category if state.failure else None
    # Nothing is deleted because of a state that is not believed.
    is_believed = category is not ErrorCategory.STATE_CORRUPTION
    if state.workspace_claim is None or state.is_archived or not is_believed:
        return False
    policy = spec.workspace.release if spec.workspace else ReleasePolicy.NEVER
    if state.phase is BuildPhase.COMPLETE:
        is_success = policy is ReleasePolicy.ON_SUCCESS and state.failure is None
        return is_success or policy is ReleasePolicy.ON_END
    if state.phase is not BuildPhase.ERROR:
        return False
    return category is ErrorCategory.ABORTED or (policy is ReleasePolicy.ON_END and is_over)


def is_same(before: Workspace | None, after: Workspace | None) -> bool:
    """Say whether two intents mean the same volume; when it is given back does not matter."""
    return _volume(before) == _volume(after)


def _volume(workspace: Workspace | None) -> Workspace | None:
    return replace(workspace, release=ReleasePolicy.NEVER) if workspace else None
