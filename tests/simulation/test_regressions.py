"""What was found once, and is mended: each case that was kept."""

import pytest
from tests.simulation.cases import REGRESSIONS, Case, told

KEPT = sorted(REGRESSIONS.glob("*.json"))


@pytest.mark.parametrize("name", [file.stem for file in KEPT])
def test_what_was_mended_stays_so(name: str) -> None:
    case = Case.read(REGRESSIONS / f"{name}.json")
    outcome = case.lived()
    assert not outcome.problems, told(case, outcome)
