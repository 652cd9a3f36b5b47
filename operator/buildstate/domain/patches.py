"""The smallest merge patch that turns one document into another (RFC 7386)."""

from collections.abc import Mapping
from typing import Any


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Give the patch that makes `before` equal to `after`; what vanished is set to null."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        known = before.get(name)
        if value != known:
            patch[name] = _value(known, value)
    return patch


def _value(known: object, value: object) -> object:
    if isinstance(known, Mapping) and isinstance(value, Mapping):
        return merge_patch(known, value)
    return value
