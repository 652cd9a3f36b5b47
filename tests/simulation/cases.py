"""One run that can be had again: by its seed, or by its story and the writes where it dies."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.simulation import tales

from buildstate.testing.endings import differences
from buildstate.testing.lines import Side
from buildstate.testing.oracles import problems
from buildstate.testing.stories import Story
from buildstate.testing.weathers import deadly, stormy
from buildstate.testing.worlds import Run, lived

REGRESSIONS = Path(__file__).parents[1] / "regressions"
CALM_SEED = 1
"""The seed of the undisturbed run, and of those that die at chosen writes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a case came to: the faults by kind, and what is wrong with it."""

    run: Run
    faults: Counter[str]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A story under a seed. Without `deaths` the seed decides what goes wrong."""

    story: str
    seed: int = CALM_SEED
    deaths: tuple[tuple[int, str], ...] = field(default=())

    @staticmethod
    def of(seed: int) -> "Case":
        """The case that a seed stands for."""
        return Case(story=tales.ALL[seed % len(tales.ALL)].name, seed=seed)

    @staticmethod
    def read(file: Path) -> "Case":
        """The case that was kept in a file."""
        kept: dict[str, Any] = json.loads(file.read_text())
        deaths = tuple((int(number), str(side)) for number, side in kept["deaths"])
        return Case(story=kept["story"], seed=kept["seed"], deaths=deaths)

    @property
    def text(self) -> str:
        """The case as it is kept in a file."""
        return json.dumps({"story": self.story, "seed": self.seed, "deaths": self.deaths})

    def __str__(self) -> str:
        deaths = "".join(f" dies at {number} {side}" for number, side in self.deaths)
        return f"{self.story} {self.seed}{deaths}"

    @property
    def command(self) -> str:
        """What reproduces it."""
        dying = "".join(f" --die {number}:{side}" for number, side in self.deaths)
        story = f" --story {self.story}" if self != Case.of(self.seed) else ""
        return f"make simulate ARGS='--seed {self.seed}{story}{dying}'"

    def lived(self) -> Outcome:
        """Let it happen."""
        story = tales.TALES[self.story]
        if self.deaths:
            deaths = {number: Side(side) for number, side in self.deaths}
            run = lived(story, self.seed, deadly(deaths))
            faults = Counter({"death": run.lives - 1})
        else:
            weather, storm = stormy(self.seed)
            run, faults = lived(story, self.seed, weather), storm.counts
        wrong = [*problems(run), *differences(run, undisturbed(self.story), faults.total())]
        return Outcome(run, faults, tuple(wrong))


@cache
def undisturbed(story: str) -> Run:
    """The run of a story in which nothing goes wrong."""
    return lived(tales.TALES[story], CALM_SEED)


def points(story: Story) -> Iterator[Case]:
    """Every write of a story where an operator may die, on each side of it."""
    for call in undisturbed(story.name).calls:
        # What is broken answers before anybody could die at it.
        for side in Side if call.place != story.broken else ():
            yield Case(story=story.name, deaths=((call.number, side.value),))


def told(case: Case, outcome: Outcome) -> str:
    """What is said of a case that failed."""
    return "\n".join(
        [
            *outcome.problems[:10],
            f"Reproduce it: {case.command}",
            f"Keep it: {case.command[:-1]} --keep NAME'",
        ]
    )
