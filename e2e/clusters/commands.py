"""Other programs run to their end, with their last words in the error when they fail."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

TAIL_LINES = 20


class CommandFailed(RuntimeError):
    """A program that ended with another exit code than 0."""


def tail(text: str) -> str:
    """The last lines of a text, where programs say why they failed."""
    return "\n".join(text.rstrip().splitlines()[-TAIL_LINES:])


def run(*argv: str | Path, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """What the program wrote to its standard output."""
    done = subprocess.run(
        [str(part) for part in argv],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        env=None if env is None else {**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CommandFailed(_complaint(argv, done.returncode, done.stderr or done.stdout))
    return done.stdout


def run_logged(*argv: str | Path, log: Path, env: Mapping[str, str] | None = None) -> None:
    """Run a long program with all it writes in a file, which the error names and quotes."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        done = subprocess.run(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=None if env is None else {**os.environ, **env},
            check=False,
        )
    if done.returncode != 0:
        said = log.read_text(errors="replace")
        raise CommandFailed(f"{_complaint(argv, done.returncode, said)}\nThe whole log: {log}")


def answers(*argv: str | Path) -> bool:
    """Whether the program is there and ends well."""
    try:
        run(*argv)
    except (CommandFailed, OSError):
        return False
    return True


def _complaint(argv: tuple[str | Path, ...], code: int, said: str) -> str:
    # The first words name the command well enough; whole command lines hide the reason.
    shown = " ".join(str(part) for part in argv[:6])
    return f"`{shown}` ended with exit code {code}:\n{tail(said)}"
