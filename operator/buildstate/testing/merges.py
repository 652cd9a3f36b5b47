"""JSON merge patches (RFC 7386)."""

from typing import Any

from buildstate.testing.requests import Document


def merged(document: Document, patch: Document) -> Document:
    """Give `document` with `patch` merged into it; null removes."""
    given: Any = _merged(document, patch)
    return dict(given)


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    known = target if isinstance(target, dict) else {}
    kept = {name: value for name, value in known.items() if name not in patch}
    given = {
        name: _merged(known.get(name), value) for name, value in patch.items() if value is not None
    }
    return {**kept, **given}
