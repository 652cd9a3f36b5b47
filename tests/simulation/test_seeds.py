"""Storms by the thousand: deaths, lost answers, late writes, lost events, jumps of the clock."""

from collections import Counter

import pytest
from tests.simulation.cases import Case, told

pytestmark = pytest.mark.simulation

SEEDS = 2000
AT_ONCE = 100


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_whatever_goes_wrong_the_same_end_is_reached(first: int) -> None:
    failed, faults = [], Counter[str]()
    for seed in range(first, first + AT_ONCE):
        case = Case.of(seed)
        outcome = case.lived()
        faults += outcome.faults
        failed += [told(case, outcome)] if outcome.problems else []
    assert not failed, f"{len(failed)} failed:\n\n" + "\n\n".join(failed[:5])
    # A storm in which nothing goes wrong shows nothing.
    assert min(faults.values()) > 0
    assert len(faults) >= 13
