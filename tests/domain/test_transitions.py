from itertools import pairwise, product
from pathlib import Path

import pytest

from buildstate.domain.phases import BuildPhase
from buildstate.domain.transitions import (
    VALID_TRANSITIONS,
    Verdict,
    decide,
    diagram,
    path,
    requestable,
)

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "transitions.md"

SPECIFIED = frozenset(
    {
        "INIT=>SETUP",
        "INIT=>ERROR",
        "SETUP=>BUILD",
        "SETUP=>ERROR",
        "BUILD=>TEST",
        "BUILD=>ERROR",
        "TEST=>CLEANUP",
        "TEST=>ERROR",
        "CLEANUP=>COMPLETE",
        "CLEANUP=>ERROR",
        "ERROR=>INIT",
        "ERROR=>CLEANUP",
    }
)
"""The edges of the specification, written down a second time: the table must not drift."""

PAIRS = [
    pytest.param(origin, to, id=f"{origin}=>{to}") for origin, to in product(BuildPhase, BuildPhase)
]


@pytest.mark.parametrize(("origin", "to"), PAIRS)
def test_exactly_the_edges_of_the_specification_are_accepted(
    origin: BuildPhase, to: BuildPhase
) -> None:
    assert (f"{origin}=>{to}" in SPECIFIED) == decide(origin, to).accepted


@pytest.mark.parametrize(("origin", "to"), PAIRS)
def test_the_verdict_is_the_table(origin: BuildPhase, to: BuildPhase) -> None:
    assert (to in VALID_TRANSITIONS[origin]) == decide(origin, to).accepted


def test_every_phase_has_a_row() -> None:
    assert list(BuildPhase) == list(VALID_TRANSITIONS)


def test_a_refusal_says_what_is_allowed() -> None:
    expected = Verdict(
        accepted=False,
        reason="TransitionViolation",
        message="BUILD -> COMPLETE is not a valid transition; allowed: TEST, ERROR",
    )
    assert expected == decide(BuildPhase.BUILD, BuildPhase.COMPLETE)


def test_a_refusal_in_the_last_phase_says_that_it_is_final() -> None:
    assert decide(BuildPhase.COMPLETE, BuildPhase.INIT).message.endswith(
        "allowed: none, it is final"
    )


@pytest.mark.parametrize(("origin", "target"), PAIRS)
def test_a_path_is_made_of_edges_and_ends_at_its_target(
    origin: BuildPhase, target: BuildPhase
) -> None:
    way = path(origin, target)
    steps = (origin, *(way or ()))
    assert all(decide(a, b).accepted for a, b in pairwise(steps))
    assert way is None or target is steps[-1]


@pytest.mark.parametrize(("origin", "target"), PAIRS)
def test_a_path_never_goes_through_error(origin: BuildPhase, target: BuildPhase) -> None:
    assert BuildPhase.ERROR not in (path(origin, target) or ())[:-1]


def test_the_way_forward_visits_every_phase_in_order() -> None:
    expected = ("SETUP", "BUILD", "TEST", "CLEANUP", "COMPLETE")
    assert expected == path(BuildPhase.INIT, BuildPhase.COMPLETE)


def test_the_way_to_where_one_is_has_no_steps() -> None:
    assert [()] * 7 == [path(phase, phase) for phase in BuildPhase]


def test_from_error_only_its_own_neighbours_are_reached() -> None:
    reached = [phase for phase in BuildPhase if path(BuildPhase.ERROR, phase)]
    assert ["INIT", "CLEANUP"] == reached


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        ("INIT", "INIT SETUP BUILD TEST CLEANUP COMPLETE ERROR"),
        ("SETUP", "SETUP BUILD TEST CLEANUP COMPLETE ERROR"),
        ("BUILD", "BUILD TEST CLEANUP COMPLETE ERROR"),
        ("TEST", "TEST CLEANUP COMPLETE ERROR"),
        ("CLEANUP", "CLEANUP COMPLETE ERROR"),
        ("COMPLETE", "COMPLETE"),
        ("ERROR", "INIT SETUP BUILD TEST CLEANUP COMPLETE ERROR"),
    ],
)
def test_what_may_be_asked_for_is_what_lies_ahead(current: str, expected: str) -> None:
    assert tuple(expected.split()) == requestable(BuildPhase(current))


def test_the_picture_in_the_documentation_is_the_table() -> None:
    _, _, rest = PAGE.read_text().partition("```mermaid\n")
    block, fence, _ = rest.partition("```")
    assert "```" == fence
    assert block == diagram()
