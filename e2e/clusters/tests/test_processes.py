"""Only the very processes that were started are ever ended."""

import os
from pathlib import Path

import pytest

from clusters.processes import Process, Processes


def test_a_process_is_found_again_and_ended(tmp_path: Path) -> None:
    Processes(tmp_path).start("sleeper", "sleep", "60")
    (found,) = Processes(tmp_path).recorded()
    assert found.alive
    found.kill()
    assert not found.alive


def test_a_number_that_was_used_again_is_left_alone() -> None:
    stranger = Process("etcd", os.getpid(), started=1)
    assert not stranger.alive
    stranger.kill()


def test_waiting_ends_with_the_process_that_is_waited_for(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("etcd", "sh", "-c", "echo no space left; exit 1")
    with pytest.raises(RuntimeError, match=r"(?s)etcd ended.*no space left"):
        processes.wait(lambda: False, "nothing", 20)
