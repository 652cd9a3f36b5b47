"""Processes that outlive the command that started them, found again by what was recorded."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from clusters import commands

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Process:
    """A process by its number and the time of its start, since numbers are used again."""

    name: str
    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether this very process is still running."""
        return _started(self.pid) == self.started

    def kill(self) -> None:
        """End it at once: clusters are thrown away, so there is nothing for it to save."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)
        wait_until(lambda: not self.alive, f"the end of {self.name}", 30)


def _started(pid: int) -> int | None:
    with contextlib.suppress(ChildProcessError):
        # A child of this very process stays a zombie until it is asked for.
        os.waitpid(pid, os.WNOHANG)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold blanks; the state comes after it, the start is field 22.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


@dataclass(frozen=True)
class Processes:
    """The processes of one cluster; `entry` is the command that enters its namespaces."""

    directory: Path
    entry: tuple[str, ...] = ()

    def start(self, name: str, *argv: str | Path, env: Mapping[str, str] | None = None) -> Process:
        """Start a process in a session of its own, with all it says in its log."""
        command = [*self.entry, *(str(part) for part in argv)]
        log = os.open(self.log(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # Not subprocess.Popen: it would warn about a process that goes on without it.
            pid = os.posix_spawnp(
                command[0],
                command,
                {**os.environ, **(env or {})},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
                setsid=True,
            )
        finally:
            os.close(log)
        return self._record(Process(name, pid, _started(pid) or 0))

    def _record(self, process: Process) -> Process:
        file = self.directory / "processes" / f"{process.name}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(asdict(process)))
        return process

    def log(self, name: str) -> Path:
        """The log of one process."""
        logs = self.directory / "logs"
        logs.mkdir(exist_ok=True)
        return logs / f"{name}.log"

    def recorded(self) -> list[Process]:
        """All that were started, running or not."""
        files = sorted((self.directory / "processes").glob("*.json"))
        return [Process(**json.loads(file.read_text())) for file in files]

    def wait(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait for a condition, but not longer than the processes that are to bring it about."""
        wait_until(lambda: self._checked(condition), what, seconds)

    def _checked(self, condition: Callable[[], bool]) -> bool:
        dead = [process.name for process in self.recorded() if not process.alive]
        if dead:
            said = commands.tail(self.log(dead[0]).read_text(errors="replace"))
            raise RuntimeError(f"{dead[0]} ended; the last lines of its log:\n{said}")
        return condition()


def wait_until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait for a condition, and say what was waited for if it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(POLL_SECONDS)
