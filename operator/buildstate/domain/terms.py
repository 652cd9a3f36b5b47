"""What a namespace lets its Pods and claims have: its ResourceQuotas and its LimitRanges.

An amount is a whole number of billionths: Kubernetes knows nothing finer, and a line of builds is
gone through often.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from buildstate.domain import quantities

ONE = 10**9
"""The amount of one Pod, one core or one byte."""

MOST = (2**63 - 1) * ONE
"""What is larger, or cannot be read, counts as this, as the API server does."""

Amounts = Mapping[str, int]
"""Amounts by the name of what is counted: a resource, or a key of a ResourceQuota."""

NOTHING: Amounts = {}


@lru_cache(maxsize=4096)
def amount(quantity: str) -> int:
    """Give a quantity in billionths; what is finer is rounded up."""
    try:
        return min(MOST, -(-quantities.parse(quantity) * ONE // 1))
    except ValueError:
        return MOST


def amounts(given: Mapping[str, str] | None) -> dict[str, int]:
    """Give quantities in billionths."""
    return {name: amount(str(quantity)) for name, quantity in (given or {}).items()}


def said(value: int) -> str:
    """Give an amount as a quantity."""
    return quantities.text(Fraction(value, ONE))


class Kind(StrEnum):
    """What a bound of a LimitRange is about."""

    CONTAINER = "Container"
    POD = "Pod"
    CLAIM = "PersistentVolumeClaim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which Pods a quota counts: one requirement of its scopes."""

    name: str
    operator: str = "Exists"
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """One ResourceQuota: what may be had, what is had, and by whom."""

    name: str
    hard: Amounts
    used: Amounts = field(default_factory=dict)
    scopes: tuple[Scope, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """One item of a LimitRange, by resource."""

    name: str
    kind: Kind
    default: Amounts = field(default_factory=dict)
    default_request: Amounts = field(default_factory=dict)
    least: Amounts = field(default_factory=dict)
    most: Amounts = field(default_factory=dict)
    ratio: Amounts = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """All that one namespace says about what may be had in it."""

    quotas: tuple[Quota, ...] = ()
    bounds: tuple[Bounds, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.quotas or self.bounds)

    def of(self, kind: Kind) -> tuple[Bounds, ...]:
        """Give the bounds of that kind."""
        return tuple(one for one in self.bounds if one.kind is kind)


def largest(several: Iterable[Amounts]) -> dict[str, int]:
    """Give the largest amount of each name."""
    found: dict[str, int] = {}
    for one in several:
        for name, value in one.items():
            found[name] = max(value, found.get(name, 0))
    return found
