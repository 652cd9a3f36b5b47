"""What is read of a ResourceQuota and of a LimitRange."""

from collections.abc import Mapping
from typing import Any

from buildstate.domain.terms import Bounds, Kind, Quota, Scope, amounts

_KINDS = frozenset(Kind)


def quota(document: Mapping[str, Any]) -> Quota:
    """Give one ResourceQuota.

    What it allows is read of its spec: its status may still say what it allowed before.
    """
    spec, status = document.get("spec") or {}, document.get("status") or {}
    selector = spec.get("scopeSelector") or {}
    return Quota(
        name=document["metadata"]["name"],
        hard=amounts(spec.get("hard")),
        used=amounts(status.get("used")),
        scopes=(
            *(Scope(name=name) for name in spec.get("scopes") or ()),
            *(_scope(one) for one in selector.get("matchExpressions") or ()),
        ),
    )


def _scope(expression: Mapping[str, Any]) -> Scope:
    return Scope(
        name=expression["scopeName"],
        operator=expression["operator"],
        values=tuple(expression.get("values") or ()),
    )


def bounds(document: Mapping[str, Any]) -> tuple[Bounds, ...]:
    """Give the items of one LimitRange; kinds that are not known are left out."""
    items = (document.get("spec") or {}).get("limits") or ()
    name = document["metadata"]["name"]
    return tuple(_bounds(name, item) for item in items if item["type"] in _KINDS)


def _bounds(name: str, item: Mapping[str, Any]) -> Bounds:
    return Bounds(
        name=name,
        kind=Kind(item["type"]),
        default=amounts(item.get("default")),
        default_request=amounts(item.get("defaultRequest")),
        least=amounts(item.get("min")),
        most=amounts(item.get("max")),
        ratio=amounts(item.get("maxLimitRequestRatio")),
    )
