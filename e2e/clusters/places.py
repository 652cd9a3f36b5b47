"""Directories outside the repository, and locks on what several commands share."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONFIGS = HERE / "configs"
TOOLS = HERE.parent / "tools"
IMAGES = HERE.parent / "images"


def cache(*parts: str) -> Path:
    """A path below the cache: whatever is there can be deleted and is made again."""
    return _base("XDG_CACHE_HOME", ".cache").joinpath("buildstate", *parts)


def state(*parts: str) -> Path:
    """A path below the state of running clusters."""
    return _base("XDG_STATE_HOME", ".local/state").joinpath("buildstate", "clusters", *parts)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that no other command holds; it ends with this process at the latest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _base(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default)
