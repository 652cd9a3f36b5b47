"""The operator as a process of its own, and what it uses of the machine."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[1]
_TICKS = os.sysconf("SC_CLK_TCK")
READY_WITHIN = 60.0


@dataclass(frozen=True)
class OperatorProcess:
    """A running operator."""

    pid: int
    port: int

    def cpu_seconds(self) -> float:
        """Give the CPU time used so far, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory_mib(self) -> float:
        """Give the resident memory in MiB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def requests(self) -> dict[tuple[str, str], float]:
        """Give the requests to the API server so far, by verb and resource."""
        totals: dict[tuple[str, str], float] = {}
        for family in text_string_to_metric_families(self._page("metrics")):
            for sample in family.samples:
                if sample.name == "buildstate_api_requests_total":
                    key = (sample.labels["verb"], sample.labels["resource"])
                    totals[key] = totals.get(key, 0) + sample.value
        return totals

    def is_ready(self) -> bool:
        """Say whether its watches are open."""
        try:
            return self._page("readyz") == "ok\n"
        except (urllib.error.URLError, ConnectionError):
            return False

    def _page(self, name: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{name}", timeout=10) as page:
            return str(page.read().decode())


@contextmanager
def running(
    kubeconfig: Path,
    log: Path,
    settings: Mapping[str, str] | None = None,
) -> Iterator[OperatorProcess]:
    """Run the operator until the block ends; raises TimeoutError when it does not get ready."""
    port = _free_port()
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "PYTHONPATH": str(ROOT / "operator"),
        "BUILDSTATE_HTTP_PORT": str(port),
        "BUILDSTATE_LOG_LEVEL": "warning",
        **(settings or {}),
    }
    with log.open("wb") as sink:
        child = subprocess.Popen(
            [sys.executable, "-m", "buildstate", "run"],
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        operator = OperatorProcess(child.pid, port)
        _wait_until_ready(operator, log)
        yield operator
    finally:
        child.terminate()
        child.wait(timeout=30)


def _wait_until_ready(operator: OperatorProcess, log: Path) -> None:
    limit = time.monotonic() + READY_WITHIN
    while not operator.is_ready():
        if time.monotonic() > limit:
            message = f"the operator is not ready after {READY_WITHIN:.0f} s; see {log}"
            raise TimeoutError(message)
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
