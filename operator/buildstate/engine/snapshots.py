"""What a checkpoint holds, and back: enough to go on, and to make the object again."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from buildstate.api import convert
from buildstate.domain.contents import Document
from buildstate.domain.observed import Damaged, Held, Observed
from buildstate.domain.states import BuildState
from buildstate.stores.chains import Checkpoint

Source = Mapping[str, Any]
"""A build as the API server sent it."""


def content(
    observed: Observed, source: Source, state: BuildState, claims: Mapping[str, str]
) -> Document:
    """Give what a checkpoint of `state` holds; `claims` are the uids of its volumes by name."""
    document = convert.stored_form(state)
    kept = {name: part for name, part in document.items() if name not in ("checkpoints", "digest")}
    return {
        "build": _identity(observed.namespace, observed.name, source),
        "spec": source["spec"],
        "state": kept,
        "dependencies": {one["name"]: one for one in document["dependencies"]},
        "artifacts": document["artifacts"],
        "resources": {
            "allocated": document["resources"]["allocated"],
            "claims": [{"name": name, "uid": uid} for name, uid in claims.items()],
            "pods": [
                {"name": pod.name, "uid": pod.uid, "phase": pod.phase} for pod in observed.live_pods
            ],
        },
    }


def bundle(source: Source) -> Document:
    """Give a build as it stands, in the form in which whole states are kept."""
    metadata = source["metadata"]
    return {
        "build": _identity(metadata["namespace"], metadata["name"], source),
        "spec": source["spec"],
        "state": source["status"],
    }


def _identity(namespace: str, name: str, source: Source) -> Document:
    labels = dict(source["metadata"].get("labels") or {})
    return {"namespace": namespace, "name": name, "labels": labels}


def held(checkpoint: Checkpoint) -> Held | Damaged:
    """Give what a verified checkpoint holds, or why that is nothing that could be restored."""
    document = checkpoint.document
    try:
        state = convert.state_of({"status": document["state"]})
        spec = convert.spec_of({"spec": document["spec"]})
        claims = {one["name"]: one["uid"] for one in document["resources"]["claims"]}
    except (AttributeError, KeyError, TypeError, ValidationError):
        state = None
    if state is None:
        message = "its content is no state of a build"
        return Damaged(name=checkpoint.seal.name, message=message)
    return Held(ref=checkpoint.seal.reference(), state=state, spec=spec, claims=claims)
