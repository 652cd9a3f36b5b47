"""Who owns what: every object that we make points at its build, and goes with it."""

from collections.abc import Mapping
from typing import Any

from buildstate.api.v1alpha1 import API_VERSION, GROUP, KIND
from buildstate.domain.observed import Observed


def owner_reference(observed: Observed) -> dict[str, Any]:
    """Give the reference to the build that controls what we make for it."""
    return reference_to(observed.name, observed.uid)


def reference_to(name: str, uid: str) -> dict[str, Any]:
    """Give the reference to the build of that name and uid as the controller of something."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def owner_of(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Give the reference of the build that controls an object, or None where none does."""
    references = document["metadata"].get("ownerReferences") or ()
    return next(
        (
            reference
            for reference in references
            if reference.get("controller")
            and reference["kind"] == KIND
            and reference["apiVersion"].startswith(f"{GROUP}/")
        ),
        None,
    )
