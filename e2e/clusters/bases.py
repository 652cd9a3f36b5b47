"""The base image where the official ones cannot be pulled: Debian with its own Python."""

import hashlib
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clusters import commands, places, steps

SUITE = "bookworm"
PACKAGES = "python3,python3-venv,python-is-python3,ca-certificates"
# What a container never reads; half of the size.
LEFT_OUT = (
    *("./var/cache/apt/*", "./var/lib/apt/lists/*", "./var/log/*", "./usr/share/doc/*"),
    *("./usr/share/locale/*", "./usr/share/man/*", "./usr/share/info/*", "./proc/*", "./dev/*"),
)


def key() -> str:
    """A hash of all that decides what is in the base image."""
    parts = (SUITE, PACKAGES, *LEFT_OUT, platform.machine(), _dockerfile().read_text())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def ref() -> str:
    """The name of the base image."""
    return f"localhost/buildstate-base:{SUITE}-{key()}"


@contextmanager
def context() -> Iterator[Path]:
    """A build context with the root file system in it."""
    archive = places.cache("bases", key(), "root.tar")
    if not archive.exists():
        with steps.step("Making the base image", "the first time only, about 70 s"):
            _bootstrap(archive)
    yield archive.parent


def _dockerfile() -> Path:
    return places.IMAGES / "base" / "Dockerfile"


def _bootstrap(archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".root-") as temporary:
        root, new = Path(temporary, "root"), Path(temporary, "root.tar")
        command = ("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root))
        commands.run_logged(*command, *_mirror(), log=places.cache("logs", "debootstrap.log"))
        left_out = [f"--exclude={pattern}" for pattern in LEFT_OUT]
        commands.run("tar", "-C", root, *left_out, "-cf", new, ".")
        shutil.rmtree(root)
        new.replace(archive)


def _mirror() -> list[str]:
    # The mirror that this machine installs from is one that it reaches.
    wanted = ("Created-By: Packages", "Origin: Debian", f"Codename: {SUITE}")
    found = commands.run("apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted)
    return found.split()[:1]
