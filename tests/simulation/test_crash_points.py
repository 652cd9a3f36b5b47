"""At every write of every story an operator dies: before it, after sending it, answered."""

import pytest
from tests.simulation import tales
from tests.simulation.cases import points, told

from buildstate.testing.stories import Story

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("story", tales.ALL, ids=tales.TALES)
def test_wherever_an_operator_dies_the_next_one_comes_to_the_same_end(story: Story) -> None:
    failed = []
    for case in points(story):
        outcome = case.lived()
        assert outcome.run.lives == 2
        failed += [told(case, outcome)] if outcome.problems else []
    assert not failed, f"{len(failed)} failed:\n\n" + "\n\n".join(failed[:5])
