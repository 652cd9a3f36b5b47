"""The command line: `python -m buildstate run` is the operator, the other verbs look after it."""

import asyncio
import gc
import os
import sys
from typing import NoReturn

import uvloop

from buildstate.cli import commands
from buildstate.settings import Settings
from buildstate.telemetry import logs
from buildstate.wiring import run


def main() -> NoReturn:
    """Do what was asked for, and leave with the exit code."""
    code = commands.main(sys.argv[1:], os.environ, _operate)
    sys.stdout.flush()
    sys.stderr.flush()
    # The threads of obstore may still be at work, and abort the process when Python is taken down
    # around them.
    os._exit(code)


def _operate(settings: Settings) -> int:
    logs.configure(settings.log_level)
    _calm_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings))
    return 0


def _calm_collector() -> None:
    """Let the collector of cycles run seldom: what the cache holds has no cycles to be found."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


if __name__ == "__main__":
    main()
