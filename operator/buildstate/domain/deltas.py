"""Deltas: what turns one document into the next, exactly, and small where little has changed.

A delta is a document: `{"format": FORMAT, "edit": EDIT}`. An edit is an object of one member:

    {"set": VALUE}                      the value is VALUE now
    {"object": {KEY: EDIT or null}}     these members change; null removes one
    {"list": [STEP, ...]}               walks through the elements, from the first to the last

A step keeps the next N elements (N), drops them (-N), inserts elements ([VALUE, ...]) or edits the
next one (EDIT). Each element is kept, dropped or edited exactly once, so a delta cannot give more
than what it holds and was made against: no small delta makes a large document.
"""

import json
from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

FORMAT = "buildstate.dev/delta/v1"

MAX_LEVELS = 64
"""How deep an edit goes; what lies deeper is replaced as a whole."""

Document = dict[str, Any]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a delta was refused: it is malformed, or it was made against another document."""

    message: str


def diff(before: Document, after: Document) -> Document:
    """Give the delta with which `patch` makes `after` of `before`.

    Both consist of dicts with strings as keys, lists, strings, integers, booleans and None, as
    `contents.encode` takes them.
    """
    return {"format": FORMAT, "edit": _edit(before, after, MAX_LEVELS)}


def patch(before: Document, delta: object) -> Document | Misfit:
    """Give what `delta` makes of `before`, in time and size linear to both; changes neither.

    Any `delta` is answered, with a `Misfit` where it does not fit. The values that it sets are not
    looked at.
    """
    if not isinstance(delta, dict) or delta.keys() != {"format", "edit"}:
        return Misfit("a delta is an object of `format` and `edit`")
    if delta["format"] != FORMAT:
        return Misfit(f"the format of the delta is not {FORMAT}")
    try:
        after = _apply(before, delta["edit"], MAX_LEVELS)
    except _Refused as refusal:
        return Misfit(str(refusal))
    return after if isinstance(after, dict) else Misfit("the delta gives no object")


# Making.


def _edit(before: Any, after: Any, levels: int) -> Document:
    whole = {"set": after}
    if not levels or type(before) is not type(after):
        return whole
    if isinstance(after, dict):
        return _shorter({"object": _members(before, after, levels - 1)}, whole)
    if isinstance(after, list):
        return _shorter({"list": _steps(before, after, levels - 1)}, whole)
    return whole


def _shorter(edit: Document, whole: Document) -> Document:
    return edit if len(_text(edit)) <= len(_text(whole)) else whole


def _text(value: Any) -> str:
    # Python holds 1 and True for equal; their texts differ.
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _members(before: Document, after: Document, levels: int) -> Document:
    gone = {key: None for key in before if key not in after}
    new = {key: {"set": value} for key, value in after.items() if key not in before}
    changed = {
        key: _edit(before[key], value, levels)
        for key, value in after.items()
        if key in before and _text(before[key]) != _text(value)
    }
    return {**gone, **new, **changed}


def _steps(before: list[Any], after: list[Any], levels: int) -> list[Any]:
    old, new = [_text(value) for value in before], [_text(value) for value in after]
    script = _Script()
    left = right = 0
    for one, other in _anchors(old, new):
        _bridge(script, before[left:one], after[right:other], levels)
        script.walk(1)
        left, right = one + 1, other + 1
    _bridge(script, before[left:], after[right:], levels)
    return script.steps


def _bridge(script: "_Script", before: list[Any], after: list[Any], levels: int) -> None:
    """Lead over what lies between two anchors: in step, and what ends alike is kept."""
    kept = _suffix([_text(value) for value in before], [_text(value) for value in after])
    old, new = before[: len(before) - kept], after[: len(after) - kept]
    for one, other in zip(old, new, strict=False):
        if _text(one) == _text(other):
            script.walk(1)
        else:
            script.edit(_edit(one, other, levels))
    script.walk(-max(0, len(old) - len(new)))
    script.insert(new[len(old) :])
    script.walk(kept)


def _suffix(old: list[str], new: list[str]) -> int:
    count = 0
    while count < min(len(old), len(new)) and old[-1 - count] == new[-1 - count]:
        count += 1
    return count


def _anchors(old: list[str], new: list[str]) -> list[Pair]:
    """Pair the elements that stand once on each side: the most of them that keep their order."""
    once = {text for text, count in Counter(old).items() if count == 1}
    once &= {text for text, count in Counter(new).items() if count == 1}
    places = {text: place for place, text in enumerate(new) if text in once}
    return _rising([(place, places[text]) for place, text in enumerate(old) if text in once])


def _rising(pairs: list[Pair]) -> list[Pair]:
    """Give the longest run of `pairs` whose second members rise; no two of them are equal."""
    lowest: list[int] = []
    before: dict[Pair, Pair | None] = {}
    heads: list[Pair] = []
    for pair in pairs:
        at = bisect_left(lowest, pair[1])
        before[pair] = heads[at - 1] if at else None
        lowest[at : at + 1] = [pair[1]]
        heads[at : at + 1] = [pair]
    return _traced(heads[-1] if heads else None, before)[::-1]


def _traced(pair: Pair | None, before: dict[Pair, Pair | None]) -> list[Pair]:
    found = []
    while pair:
        found.append(pair)
        pair = before[pair]
    return found


class _Script:
    """The steps through a list; what can be one step is one."""

    def __init__(self) -> None:
        self.steps: list[Any] = []

    def walk(self, count: int) -> None:
        last = self.steps[-1] if self.steps else None
        if count and isinstance(last, int) and (last > 0) == (count > 0):
            self.steps[-1] += count
        elif count:
            self.steps.append(count)

    def edit(self, edit: Document) -> None:
        self.steps.append(edit)

    def insert(self, values: list[Any]) -> None:
        if values:
            self.steps.append(values)


# Applying.


class _Refused(Exception):
    """Leads out of the depth of an edit; never leaves this module."""


_NOTHING = object()


def _apply(before: Any, edit: Any, levels: int) -> Any:
    if not isinstance(edit, dict) or len(edit) != 1:
        raise _Refused("an edit is an object of one member")
    if "set" in edit:
        return edit["set"]
    if levels and "object" in edit:
        return _apply_object(before, edit["object"], levels - 1)
    if levels and "list" in edit:
        return _apply_list(before, edit["list"], levels - 1)
    raise _Refused("an edit is unknown, or too deep")


def _apply_object(before: Any, members: Any, levels: int) -> Document:
    if not isinstance(before, dict) or not isinstance(members, dict):
        raise _Refused("members of something else than an object are edited")
    after = dict(before)
    for key, edit in members.items():
        if edit is not None:
            after[key] = _apply(before.get(key, _NOTHING), edit, levels)
        elif after.pop(key, _NOTHING) is _NOTHING:
            raise _Refused("a member is removed that is not there")
    return after


def _apply_list(before: Any, steps: Any, levels: int) -> list[Any]:
    if not isinstance(before, list) or not isinstance(steps, list):
        raise _Refused("elements of something else than a list are edited")
    rest = deque(before)
    after = [value for step in steps for value in _step(rest, step, levels)]
    if rest:
        raise _Refused("a list has more elements than the delta knows")
    return after


def _step(rest: deque[Any], step: Any, levels: int) -> list[Any]:
    if isinstance(step, list):
        return step
    is_edit = isinstance(step, dict)
    count = 1 if is_edit else step if type(step) is int else 0
    if not 0 < abs(count) <= len(rest):
        raise _Refused("a step through a list is unknown, or leads beyond its end")
    taken = [rest.popleft() for _ in range(abs(count))]
    if is_edit:
        return [_apply(taken[0], step, levels)]
    return taken if count > 0 else []
