import json
import time
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildstate.domain import contents
from buildstate.domain.deltas import FORMAT, MAX_LEVELS, Misfit, diff, patch

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
keys = st.sampled_from(["", "a", "b", "set", "object", "list", "a.b/~0", "format", "\x00"]) | texts
# Few values, so that documents have much in common; 0, False and None, 1 and True are among them.
scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.integers() | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=15,
)
documents = st.dictionaries(keys, values, max_size=4)


def size(document: Any) -> int:
    """The bytes of a document."""
    return len(contents.encode(document))


def edit(change: Any) -> dict[str, Any]:
    """A delta of that edit."""
    return {"format": FORMAT, "edit": change}


def at(member: Any) -> dict[str, Any]:
    """A delta that edits the member `a`."""
    return edit({"object": {"a": member}})


# What does not fit is refused.


@pytest.mark.parametrize(
    "delta",
    [
        None,
        [],
        "x",
        {},
        edit(None),
        edit({}),
        edit([]),
        edit({"set": {}, "list": []}),
        edit({"unknown": {}}),
        edit({"set": [1]}),
        edit({"list": [1]}),
        edit({"object": []}),
        {**edit({"set": {}}), "more": 1},
        {"format": "buildstate.dev/delta/v2", "edit": {"set": {}}},
        edit({"object": {"gone": None}}),
        edit({"object": {"gone": {"object": {}}}}),
        edit({"object": {"gone": {"list": []}}}),
        at({"object": {}}),
        at({"list": {}}),
        at({"list": []}),
        at({"list": [2]}),
        at({"list": [4]}),
        at({"list": [3, 1]}),
        at({"list": [-4]}),
        at({"list": [0, 3]}),
        at({"list": [True, 2]}),
        at({"list": [3.0]}),
        at({"list": ["3"]}),
        at({"list": [None]}),
        at({"list": [3, {"set": 1}]}),
        at({"list": [{"list": []}, 2]}),
        at({"list": [10**400]}),
    ],
    ids=repr,
)
def test_a_delta_that_does_not_fit_is_refused(delta: Any) -> None:
    assert isinstance(patch({"a": [1, 2, 3]}, delta), Misfit)


@given(documents, values | st.floats() | st.builds(edit, values))
def test_any_delta_is_answered(before: dict[str, Any], delta: Any) -> None:
    assert isinstance(patch(before, delta), Misfit | dict)


@given(documents, documents, documents, st.data())
def test_a_delta_of_other_documents_or_an_altered_one_is_answered(
    before: dict[str, Any], after: dict[str, Any], foreign: dict[str, Any], data: st.DataObject
) -> None:
    delta = diff(before, after)
    assert isinstance(patch(foreign, delta), Misfit | dict)
    altered = deepcopy(delta)
    place: Any = altered
    while isinstance(place, dict | list) and place:
        indices = list(place) if isinstance(place, dict) else list(range(len(place)))
        index = data.draw(st.sampled_from(indices))
        if data.draw(st.booleans()):
            place[index] = data.draw(values)
            break
        place = place[index]
    assert isinstance(patch(before, altered), Misfit | dict)


def test_no_delta_leads_into_the_depth_without_end() -> None:
    change: Any = {"set": 1}
    for _ in range(100_000):
        change = {"object": {"a": change}}
    assert isinstance(patch({}, edit(change)), Misfit)
    while change:  # freed from the outside: the depth is too much for Python's own way
        change = change.pop("object", {}).pop("a", None)


def test_no_small_delta_makes_a_large_document() -> None:
    before = {"a": list(range(100))}
    assert isinstance(patch(before, at({"list": [100, 100]})), Misfit)
    assert isinstance(patch(before, at({"list": [100, -100, 100]})), Misfit)


# What fits is exact.


@given(documents, documents)
def test_the_delta_of_two_documents_makes_one_of_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    held = deepcopy(before), deepcopy(after)
    delta = json.loads(contents.encode(diff(before, after)))
    again = patch(before, delta)
    assert isinstance(again, dict)
    assert contents.encode(after) == contents.encode(again)
    assert held == (before, after)


@given(st.lists(scalars | st.dictionaries(keys, scalars, max_size=3), max_size=30), st.data())
def test_lists_that_were_worked_on_come_back_exactly(
    before: list[Any], data: st.DataObject
) -> None:
    after = list(before)
    for _ in range(data.draw(st.integers(0, 5))):
        place = data.draw(st.integers(0, len(after)))
        after[place : place + data.draw(st.integers(0, 3))] = data.draw(
            st.lists(st.sampled_from([*before, 7]) if before else scalars, max_size=3)
        )
    again = patch({"a": before}, diff({"a": before}, {"a": after}))
    assert isinstance(again, dict)
    assert contents.encode({"a": after}) == contents.encode(again)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1, True),
        (0, False),
        (None, 0),
        ("", None),
        ([], {}),
        ([1], [True]),
        ({"a": 0}, {"a": False}),
    ],
    ids=repr,
)
def test_what_python_takes_for_equal_is_told_apart(before: Any, after: Any) -> None:
    again = patch({"a": before}, diff({"a": before}, {"a": after}))
    assert repr({"a": after}) == repr(again)


def test_null_is_a_value_and_no_removal() -> None:
    assert {"a": None} == patch({"a": 1, "b": None}, diff({"a": 1, "b": None}, {"a": None}))


def test_depths_are_no_obstacle() -> None:
    before, after = deep(1), deep(2)
    again = patch(before, diff(before, after))
    assert again == after
    assert contents.decode(contents.encode(diff(before, after))) is not None


def deep(leaf: Any) -> dict[str, Any]:
    """A document of twice the levels that an edit has."""
    document = {"a": leaf}
    for _ in range(MAX_LEVELS * 2 - 1):
        document = {"a": document, "b": 0}
    return document


def test_the_format_is_as_described() -> None:
    same = {"d": "the same" * 20}
    before = {"a": [{"n": 1}, {"n": 2}, {"n": 3, **same}], "b": 1, "c": same}
    after = {"a": [{"n": 2}, {"n": 3, "end": 9, **same}, {"n": 4}], "c": {"e": "new", **same}}
    assert diff(before, after) == edit(
        {
            "object": {
                "a": {"list": [-1, 1, {"object": {"end": {"set": 9}}}, [{"n": 4}]]},
                "b": None,
                "c": {"object": {"e": {"set": "new"}}},
            }
        }
    )


# What is small stays small.

ENTRY = {
    "origin": "SETUP",
    "to": "BUILD",
    "reason": "PhaseDone",
    "time": "2026-11-03T10:00:00.000Z",
}


def history(first: int, last: int) -> list[Any]:
    """A ring of transitions."""
    return [{**ENTRY, "sequence": number} for number in range(first, last)]


def test_a_scalar_deep_inside_costs_its_path() -> None:
    before: dict[str, Any] = {
        "state": {"history": history(0, 32), "phases": {"build": {"attempt": 1, "x": "y" * 50}}}
    }
    after = deepcopy(before)
    after["state"]["phases"]["build"]["attempt"] = 2
    assert size(diff(before, after)) < 200


def test_a_ring_that_moved_on_costs_what_came() -> None:
    before, after = {"history": history(0, 32)}, {"history": history(1, 33)}
    delta = diff(before, after)
    assert [-1, 31, [after["history"][-1]]] == delta["edit"]["object"]["history"]["list"]


def test_a_ring_that_moved_on_while_an_element_changed_costs_both() -> None:
    before, after = {"history": history(0, 32)}, {"history": history(1, 34)}
    after["history"][30] = {**after["history"][30], "reason": "Timeout"}
    delta = diff(before, after)
    steps = delta["edit"]["object"]["history"]["list"]
    assert [-1, 30, {"object": {"reason": {"set": "Timeout"}}}, after["history"][31:]] == steps


def test_one_changed_element_costs_that_element() -> None:
    before, after = {"a": history(0, 50)}, {"a": history(0, 50)}
    after["a"][17] = {**after["a"][17], "reason": "Timeout"}
    delta = diff(before, after)
    assert [17, {"object": {"reason": {"set": "Timeout"}}}, 32] == delta["edit"]["object"]["a"][
        "list"
    ]


@given(documents, documents)
def test_a_delta_is_never_much_larger_than_what_it_gives(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert size(diff(before, after)) <= size(edit({"set": after}))


def test_large_lists_take_no_long() -> None:
    same, other = [1] * 20_000, list(range(20_000))
    started = time.perf_counter()
    for before, after in [(same, other), (other, same), (same, same[1:]), (other, other[::-1])]:
        assert patch({"a": before}, diff({"a": before}, {"a": after})) == {"a": after}
    assert time.perf_counter() - started < 10
