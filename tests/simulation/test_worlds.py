"""Every story comes to its end where nothing goes wrong; the same seed is the same run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.simulation import tales
from tests.simulation.cases import Case, points, told

from buildstate.testing.stories import Story, phase_of
from buildstate.testing.worlds import Run, lived

ROOT = Path(__file__).parents[2]


def trace(run: Run) -> list[str]:
    """Everything that was written, by whom and when."""
    return [
        f"{one.seconds:.6f} {one.who} {one.request.method} {one.request.path} {one.response.code}"
        for one in run.commits
    ]


@pytest.mark.parametrize("story", tales.ALL, ids=tales.TALES)
def test_a_story_comes_to_its_end(story: Story) -> None:
    run = lived(story, 1)
    assert () == run.problems
    assert dict(story.ends) == {name: phase_of(run.cluster, name) for name in story.ends}


@pytest.mark.parametrize("case", list(points(tales.RETRYING)), ids=str)
def test_a_story_goes_on_wherever_an_operator_dies(case: Case) -> None:
    outcome = case.lived()
    assert 2 == outcome.run.lives
    assert not outcome.problems, told(case, outcome)


@pytest.mark.parametrize("seed", range(26))
def test_a_story_comes_to_the_same_end_in_a_storm(seed: int) -> None:
    case = Case.of(seed)
    outcome = case.lived()
    assert outcome.faults
    assert not outcome.problems, told(case, outcome)


def test_the_same_seed_is_the_same_run_to_the_last_write() -> None:
    assert trace(lived(tales.CROWD, 7)) == trace(lived(tales.CROWD, 7))


def test_another_seed_is_another_run() -> None:
    assert trace(lived(tales.CROWD, 7)) != trace(lived(tales.CROWD, 8))


def test_the_same_seed_is_the_same_run_in_another_process() -> None:
    code = (
        "from tests.simulation import tales; from tests.simulation.test_worlds import trace;"
        "from buildstate.testing.worlds import lived;"
        "print('\\n'.join(trace(lived(tales.CROWD, 7))))"
    )
    paths = f"{ROOT / 'operator'}:{ROOT}"
    for salt in ("1", "2"):
        environment = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": salt}
        process = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert trace(lived(tales.CROWD, 7)) == process.stdout.splitlines()
