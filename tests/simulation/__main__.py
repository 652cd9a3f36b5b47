"""One run again, with what happened in it: `make simulate ARGS='--seed 12'`."""

import argparse
import sys
from collections.abc import Iterator

from tests.simulation import tales
from tests.simulation.cases import REGRESSIONS, Case, Outcome, told

from buildstate.testing.lines import Side


def main(arguments: list[str]) -> int:
    """Live through one case, print it, and say by the exit code whether anything was wrong."""
    asked = _parser().parse_args(arguments)
    plain = Case.of(asked.seed)
    deaths = tuple(asked.die)
    case = Case(story=asked.story or plain.story, seed=asked.seed, deaths=deaths)
    if asked.keep:
        REGRESSIONS.mkdir(exist_ok=True)
        (REGRESSIONS / f"{asked.keep}.json").write_text(f"{case.text}\n")
    outcome = case.lived()
    sys.stdout.write("\n".join(_lines(case, outcome)) + "\n")
    return 1 if outcome.problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--story", choices=sorted(tales.TALES))
    parser.add_argument("--die", type=_death, action="append", default=[], metavar="WRITE:SIDE")
    parser.add_argument("--keep", metavar="NAME", help="keep it in tests/regressions")
    return parser


def _death(text: str) -> tuple[int, str]:
    number, _, side = text.partition(":")
    return int(number), Side(side).value


def _lines(case: Case, outcome: Outcome) -> Iterator[str]:
    run = outcome.run
    yield f"{case.story}, seed {case.seed}: {run.seconds:.0f} s, {run.lives} lives"
    for one in run.commits:
        changes = ", ".join(f"{it.kind} {it.ref.plural} {it.ref.name}" for it in one.changes)
        asked = f"{one.request.method} {one.request.path}"
        yield f"{one.seconds:9.3f}  {one.who:12} {one.response.code} {changes or asked}"
    yield f"faults: {dict(outcome.faults)}"
    yield told(case, outcome) if outcome.problems else "nothing is wrong"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
