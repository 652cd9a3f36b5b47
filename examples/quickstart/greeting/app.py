"""The command: python greeting.pyz NAME."""

import sys

from greeting import greet


def main() -> None:
    """Greet who is named on the command line."""
    sys.stdout.write(greet(" ".join(sys.argv[1:])) + "\n")
