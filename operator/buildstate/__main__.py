"""The command line of the operator: `python -m buildstate run`."""

import argparse
import asyncio
import gc
import os
import sys

from buildstate import __version__
from buildstate.kube.connections import NoCluster
from buildstate.settings import BadSettings, settings_of
from buildstate.stores.registries import BadStores
from buildstate.telemetry import logs
from buildstate.wiring import run


def main() -> int:
    """Run what was asked for; give the exit code (0 ended well, 2 bad usage)."""
    parser = argparse.ArgumentParser(
        prog="buildstate",
        description="Keeps the state of builds true.",
        epilog="Settings are environment variables that begin with BUILDSTATE_.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("run", help="run the operator until it is told to stop")
    parser.parse_args()
    try:
        settings = settings_of(os.environ)
    except BadSettings as error:
        sys.stderr.write(f"buildstate: bad setting: {error}\n")
        return 2
    logs.configure(settings.log_level)
    _calm_collector()
    try:
        asyncio.run(run(settings))
    except (NoCluster, BadStores) as error:
        sys.stderr.write(f"buildstate: {error}\n")
        return 2
    return 0


def _calm_collector() -> None:
    """Let the collector of cycles run seldom: what the cache holds has no cycles to be found."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


if __name__ == "__main__":
    sys.exit(main())
