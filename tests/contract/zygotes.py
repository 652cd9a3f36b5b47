"""Operators by the dozen: one process has imported everything, and each operator is a fork of it.

A fork is a process of its own that `kill -9` ends like any other; only the seconds of starting
Python and importing are saved.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from bench.processes import ROOT, OperatorProcess
from tests.stores.servers import free_port

from buildstate import __main__ as operator

READY_WITHIN = 30.0


class Zygote:
    """Gives operators; their logs are below the directory that each is given."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._count = count(1)

    async def begin(self, logs: Path, **settings: str) -> OperatorProcess:
        """Start one more, and wait until it is ready."""
        log, port = logs / f"operator-{next(self._count)}.log", free_port()
        environment = {
            "BUILDSTATE_HTTP_PORT": str(port),
            "BUILDSTATE_LOG_LEVEL": "warning",
            **settings,
        }
        begun = OperatorProcess(self._fork(environment, log), port)
        try:
            async with asyncio.timeout(READY_WITHIN):
                while not await asyncio.to_thread(begun.is_ready):  # noqa: ASYNC110
                    await asyncio.sleep(0.03)
        except TimeoutError:
            message = f"the operator is not ready: {log.read_text()[-2000:]}"
            raise AssertionError(message) from None
        return begun

    def end(self, begun: OperatorProcess) -> None:
        """End an operator, if it is still there, and wait until it is gone."""
        with suppress(ProcessLookupError):
            os.kill(begun.pid, signal.SIGTERM)
        limit = time.monotonic() + READY_WITHIN
        while Path(f"/proc/{begun.pid}").exists():
            assert time.monotonic() < limit, f"operator {begun.pid} does not end"
            time.sleep(0.02)

    def _fork(self, environment: dict[str, str], log: Path) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = json.dumps({"environment": environment, "log": str(log)})
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def zygote() -> Iterator[Zygote]:
    """A zygote; what came from it must be ended before it."""
    paths = ":".join(str(path) for path in (ROOT / "operator", ROOT / "e2e", ROOT))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.contract.zygotes"],
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    # It ends when it has nothing more to read.
    with process:
        yield Zygote(process)


def serve() -> None:
    """Fork an operator for each line that is read, and say its number."""
    # Nobody waits for those that are killed.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become(order["environment"], order["log"])
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def become(environment: dict[str, str], log: str) -> None:
    """Be an operator from here on."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(environment)
    sys.argv = ["buildstate", "run"]
    code = 1
    try:
        code = operator.main()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
