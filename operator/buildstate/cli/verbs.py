"""What a verb is: its words, its options, and what it does."""

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from buildstate.cli.sessions import Session

DONE = 0
INCOMPLETE = 1
MISUSED = 2
"""The exit codes: all is well, something is not, and nothing was tried."""

Do = Callable[[Session, Namespace], Awaitable[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One verb of the command line; `do` gives the exit code."""

    name: str
    summary: str
    description: str
    examples: str
    options: Callable[[ArgumentParser], None]
    do: Do
    needs_cluster: bool = False


def store_option(parser: ArgumentParser) -> None:
    """Add the choice of a store."""
    parser.add_argument("--store", metavar="NAME", help="only this store; without it, every store")
