"""The ResourceQuota that is kept in a namespace which is labelled for it.

What the namespace asks for and what is found there give one act, or none. The size is that of the
namespace's annotation, else the one that is set for all.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from buildstate.domain.quantities import parse, parsed

Size = Mapping[str, str]
"""What a ResourceQuota limits: quantities by the name of what is counted."""

MAX_TEXT = 8192
"""How many characters the text of a size may have."""

MAX_NAMES = 64
"""How many things a size may limit."""

MAX_QUANTITY = 32
_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._/]{0,316}")


@dataclass(frozen=True, slots=True)
class BadSize:
    """A text that is no size, and what is wrong with it."""

    message: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What a namespace asks for by its label and its annotation; `text` is None without one."""

    is_managed: bool = False
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundQuota:
    """The ResourceQuota that has our name: what it limits, and whether it has our label.

    `is_plain` says that it counts everything of the namespace: it has no scopes.
    """

    uid: str
    hard: Size
    is_ours: bool = True
    is_plain: bool = True


@dataclass(frozen=True, slots=True)
class SetQuota:
    """Make the quota of that size, or give that size to the one that is there."""

    hard: Size


@dataclass(frozen=True, slots=True)
class RemoveQuota:
    """Remove that very quota."""

    uid: str


@dataclass(frozen=True, slots=True)
class Grievance:
    """Why a namespace does not get what it asks for, and what to do about it."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about one namespace, and what to tell its people."""

    act: SetQuota | RemoveQuota | None = None
    grievance: Grievance | None = None


def size_of(text: str) -> Size | BadSize:
    """Read a size from JSON: an object with a quantity for each name."""
    if len(text) > MAX_TEXT:
        return BadSize(f"it is longer than {MAX_TEXT} characters")
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        return BadSize(f"it is no JSON: {error}")
    if not isinstance(given, dict) or not given:
        return BadSize('it is no object with names and quantities, such as {"requests.cpu": "4"}')
    if len(given) > MAX_NAMES:
        return BadSize(f"it limits more than {MAX_NAMES} things")
    wrong = next(filter(None, (_wrong(*pair) for pair in given.items())), None)
    return BadSize(wrong) if wrong else {name: str(value) for name, value in given.items()}


def _wrong(name: str, value: object) -> str | None:
    if not _NAME.fullmatch(name):
        return f"{name[:64]!r} is no name of a resource"
    # JSON's true is an int to Python; its numbers with a point are not exact.
    if isinstance(value, bool) or not isinstance(value, str | int):
        return f'{name} is {json.dumps(value)[:64]}, which is no quantity; write it as text: "500m"'
    quantity = str(value)
    try:
        is_fine = len(quantity) <= MAX_QUANTITY and parse(quantity) >= 0
    except ValueError:
        is_fine = False
    return None if is_fine else f"{name} is {quantity[:64]!r}, which is no quantity"


def decide(wish: Wish, found: FoundQuota | None, usual: Size) -> Decision:
    """Give the one act that brings a namespace closer to what it asks for, None where it has it.

    `usual` is the size for namespaces that name none. A bad text changes nothing: what is there
    stays, and where nothing is there the usual size is better than no limit.
    """
    if not wish.is_managed:
        return _given_up(found)
    if found is not None and not found.is_ours:
        return Decision(grievance=_TAKEN)
    size = usual if wish.text is None else size_of(wish.text)
    if isinstance(size, BadSize):
        grievance = Grievance("QuotaSizeInvalid", f"{_ANNOTATION} is not used: {size.message}")
        return Decision(_kept(found.hard if found else usual, found), grievance)
    if not size:
        return Decision(_given_up(found).act, _UNSIZED)
    return Decision(_kept(size, found))


def _given_up(found: FoundQuota | None) -> Decision:
    return Decision(RemoveQuota(found.uid) if found is not None and found.is_ours else None)


def _kept(size: Size, found: FoundQuota | None) -> SetQuota | RemoveQuota | None:
    if found is None:
        return SetQuota(size) if size else None
    if not found.is_plain:
        return RemoveQuota(found.uid)  # Scopes cannot be changed: it is made anew when it is gone.
    return None if is_same(size, found.hard) else SetQuota(size)


def is_same(size: Size, other: Size) -> bool:
    """Say whether two sizes limit the same: 1024Mi is 1Gi."""
    return parsed(size) == parsed(other)


_ANNOTATION = "annotation buildstate.dev/quota"
_TAKEN = Grievance(
    "QuotaNameTaken",
    "ResourceQuota buildstate exists and is not the operator's; remove it, or take label "
    "buildstate.dev/quota off the namespace",
)
_UNSIZED = Grievance(
    "QuotaSizeMissing",
    f"no size is set: name one in {_ANNOTATION} of the namespace, or in quota.hard of the chart",
)
