"""Runs by the ten thousand: pairs of crash points and seeds, for as long as there is time.

`make soak MINUTES=30` goes on where the one before ended; `.soak.json` knows where that was.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tests.simulation import tales
from tests.simulation.cases import Case, told, undisturbed

from buildstate.testing.lines import Side
from buildstate.testing.oracles import ORACLES

STATE = Path(".soak.json")
SEEDS = 100_000
AT_ONCE = 40
"""Runs that one process takes at a time."""

TELL_EVERY = 10.0
MORE_WRITES = 2
"""Writes behind the undisturbed ones where the second death may come: the first costs some."""


@dataclass(slots=True)
class Soak:
    """How far it came: how many seeds and pairs were lived through, and what came of it."""

    seeds: int = 0
    pairs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    @staticmethod
    def read() -> "Soak":
        """Where the one before ended, or the beginning."""
        kept = json.loads(STATE.read_text()) if STATE.exists() else {}
        return Soak(**{**kept, "faults": Counter(kept.get("faults", {}))})

    def write(self) -> None:
        """Keep it for the next one."""
        fresh = STATE.with_suffix(".new")
        kept = {name: getattr(self, name) for name in ("seeds", "pairs", "faults", "violations")}
        fresh.write_text(json.dumps(kept))
        fresh.replace(STATE)

    @property
    def runs(self) -> int:
        """How many there were."""
        return self.seeds + self.pairs

    @property
    def figures(self) -> str:
        """What it came to, in a line."""
        return (
            f"{self.runs:,} runs ({self.pairs:,} pairs of crash points, {self.seeds:,} seeds),"
            f" {self.faults.total():,} faults, {self.runs * (len(ORACLES) + 2):,} checks of laws,"
            f" {len(self.violations)} violations"
        )


def pairs() -> Iterator[Case]:
    """Every two writes of every story where operators die, on each side; short stories first."""
    for story in sorted(tales.ALL, key=lambda story: len(undisturbed(story.name).calls)):
        last = len(undisturbed(story.name).calls) + MORE_WRITES
        for first in range(1, last):
            for second in range(first + 1, last + 1):
                for sides in ((one, other) for one in Side for other in Side):
                    deaths = ((first, sides[0].value), (second, sides[1].value))
                    yield Case(story=story.name, deaths=deaths)


def live(cases: list[Case]) -> tuple[Counter[str], list[str]]:
    """Let cases happen; give the faults, and what is said of those that failed."""
    faults: Counter[str] = Counter()
    failed = []
    for case in cases:
        outcome = case.lived()
        faults += outcome.faults
        failed += [told(case, outcome)] if outcome.problems else []
    return faults, failed


def soak(minutes: float) -> Soak:
    """Go on for so many minutes, or until everything was lived through."""
    state, end, tell = Soak.read(), time.monotonic() + 60 * minutes, 0.0
    ahead = islice(pairs(), state.pairs, None)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        while time.monotonic() < end:
            batches = _batches(state, ahead, os.cpu_count() or 1)
            if not batches:
                break
            for faults, failed in pool.map(live, batches):
                state.faults += faults
                state.violations += failed
            state.pairs += sum(1 for batch in batches for case in batch if case.deaths)
            state.seeds += sum(1 for batch in batches for case in batch if not case.deaths)
            state.write()
            if time.monotonic() > tell:
                sys.stdout.write(f"{state.figures}\n")
                sys.stdout.flush()
                tell = time.monotonic() + TELL_EVERY
    return state


def _batches(state: Soak, ahead: Iterator[Case], processes: int) -> list[list[Case]]:
    given = []
    for number in range(processes):
        first = state.seeds + number * AT_ONCE // 2
        seeds = [Case.of(seed) for seed in range(first, min(SEEDS, first + AT_ONCE // 2))]
        batch = [*seeds, *islice(ahead, AT_ONCE // 2)]
        given += [batch] if batch else []
    return given


def main(arguments: list[str]) -> int:
    """Soak, say what came of it, and by the exit code whether anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.soak")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--afresh", action="store_true", help="forget what was done before")
    asked = parser.parse_args(arguments)
    if asked.afresh:
        STATE.unlink(missing_ok=True)
    state = soak(asked.minutes)
    for violation in state.violations[:20]:
        sys.stdout.write(f"\n{violation}\n")
    kinds = ", ".join(f"{name} {count:,}" for name, count in sorted(state.faults.items()))
    sys.stdout.write(f"\n{state.figures}\nfaults: {kinds}\n")
    return 1 if state.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
