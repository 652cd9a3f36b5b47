"""From what the API server sends to the domain, and back. The only place that knows both."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from buildstate.api import statuses, v1alpha1
from buildstate.api.fields import rfc3339
from buildstate.domain import checkpoints, integrity, specs, states
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.phases import BuildPhase, BuildStatus
from buildstate.domain.validation import Law, Violation

Document = Mapping[str, Any]

_DOMAIN: Mapping[type[BaseModel], Any] = {
    v1alpha1.EnvVar: specs.EnvVar,
    v1alpha1.WorkResources: specs.WorkResources,
    v1alpha1.MemoryGrowth: specs.MemoryGrowth,
    v1alpha1.ResourcePolicy: specs.ResourcePolicy,
    v1alpha1.PhaseWork: specs.PhaseWork,
    v1alpha1.PhasesWork: specs.PhasesWork,
    v1alpha1.Workspace: specs.Workspace,
    v1alpha1.Artifact: specs.Artifact,
    v1alpha1.CheckpointPolicy: specs.CheckpointPolicy,
    v1alpha1.RecoveryPolicy: specs.RecoveryPolicy,
    v1alpha1.Request: specs.Request,
    v1alpha1.Dependency: specs.Dependency,
    v1alpha1.BuildSpec: specs.BuildSpec,
    statuses.Retry: states.Retry,
    statuses.PhaseRecord: states.PhaseRecord,
    statuses.ArtifactRecord: states.ArtifactRecord,
    statuses.Transition: states.Transition,
    statuses.Failure: states.Failure,
    statuses.RequestResult: states.RequestResult,
    statuses.RecoveryState: states.RecoveryState,
    statuses.CheckpointRef: checkpoints.CheckpointRef,
    statuses.DependencyState: states.DependencyState,
    statuses.Condition: states.Condition,
    statuses.HeldPod: states.HeldPod,
    statuses.HeldVolume: states.HeldVolume,
    statuses.ResourceState: states.ResourceState,
    statuses.BuildStatusModel: states.BuildState,
}

_WIRE_NAMES: Mapping[Any, tuple[tuple[str, str], ...]] = {
    domain: tuple((name, field.alias or name) for name, field in model.model_fields.items())
    for model, domain in _DOMAIN.items()
}

UNWRITTEN: Document = {"phase": BuildPhase.INIT.value}
"""What the API server shows of a build whose status nobody has written yet."""

_PLAIN = frozenset({str, int, bool})
"""Most of a document; asking for them first halves the cost."""


def spec_of(build: Document) -> specs.BuildSpec:
    """Give the intent of a build as it came from the API server.

    Raises ValidationError only for what the CRD refuses, that is for a foreign CRD.
    """
    spec: specs.BuildSpec = _lift(v1alpha1.BuildSpec.model_validate(build.get("spec") or {}))
    return spec


def state_of(build: Document) -> states.BuildState | None:
    """Give the state of a build, or None before the first status write."""
    status = build.get("status")
    if not status or "phase" not in status or status == UNWRITTEN:
        return None
    state: states.BuildState = _lift(statuses.BuildStatusModel.model_validate(status))
    return state


def bare_state(build: Document) -> states.BuildState:
    """Give what little is sure of a state that cannot be read: where it is."""
    metadata, status = build["metadata"], build["status"]
    return states.BuildState(
        id=metadata["uid"],
        timestamp=datetime.fromisoformat(metadata["creationTimestamp"]),
        phase=BuildPhase(status["phase"]),
        status=BuildStatus.PENDING,
        sequence=status.get("sequence", 0),
    )


def document_of(state: states.BuildState) -> dict[str, Any]:
    """Give the status document of `state`, sealed with its digest."""
    document = stored_form(state)
    return {**document, integrity.DIGEST_FIELD: integrity.digest(document)}


def stored_form(state: states.BuildState) -> dict[str, Any]:
    """Give the status document of `state` with the digest that it carries, right or wrong."""
    document: dict[str, Any] = _lower(state)
    return document


def unreadable(error: ValidationError) -> Violation:
    """Say what is wrong with a document that is not even of the right shape."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return Violation(ErrorCategory.STATE_CORRUPTION, place, first["msg"], Law.STATE_UNREADABLE)


def _lower(value: Any) -> Any:
    if type(value) in _PLAIN:
        return value
    names = _WIRE_NAMES.get(type(value))
    if names is not None:
        return {
            wire: _lower(part) for name, wire in names if (part := getattr(value, name)) is not None
        }
    if isinstance(value, tuple):
        return [_lower(part) for part in value]
    return rfc3339(value) if isinstance(value, datetime) else value


def _lift(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _DOMAIN[type(value)](**{name: _lift(field) for name, field in value})
    if isinstance(value, tuple):
        return tuple(map(_lift, value))
    return value
