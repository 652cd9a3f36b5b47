"""Debian packages that a node of our own needs, installed where they are missing."""

import os
import shutil
import time
from pathlib import Path

from clusters import commands, places, steps
from clusters.providers import Unsupported

ATTEMPTS = 3
PAUSE_SECONDS = 5.0
# What each package is known by once it is there.
CONTROL_PLANE = {"openssl": "openssl"}
NODE = {
    "runc": "runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "busybox-static": "busybox",
    "iptables": "iptables",
    "nftables": "nft",
    "conntrack": "conntrack",
    "socat": "socat",
    "iproute2": "ip",
    "mount": "mount",
    "util-linux": "nsenter",
    **CONTROL_PLANE,
}


def missing(wanted: dict[str, str]) -> list[str]:
    """The packages whose program or file is not on this machine."""
    return [package for package, sign in wanted.items() if not _present(sign)]


def _present(sign: str) -> bool:
    return Path(sign).exists() if sign.startswith("/") else shutil.which(sign) is not None


def ensure(wanted: dict[str, str]) -> None:
    """Install what is missing, or say what cannot be installed and how a person does it."""
    if not missing(wanted):
        return
    with places.locked(places.cache("locks", ".packages")):
        lacking = missing(wanted)
        if lacking:
            _check_installable(lacking)
            with steps.step(f"Installing {' '.join(lacking)}", "the first time only, about 20 s"):
                _install(lacking)


def _check_installable(lacking: list[str]) -> None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        return
    command = f"apt-get install {' '.join(lacking)}"
    if shutil.which("apt-get"):
        raise Unsupported([f"the packages {', '.join(lacking)}: run `sudo {command}`"])
    raise Unsupported([f"{', '.join(lacking)}: install them (on Debian: `{command}`)"])


def _install(lacking: list[str]) -> None:
    log = places.cache("logs", "apt.log")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    install = ("apt-get", "install", "-y", "--no-install-recommends", *lacking)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            commands.run_logged("apt-get", "update", log=log, env=quiet)
            commands.run_logged(*install, log=log, env=quiet)
        except commands.CommandFailed:
            # Mirrors fail for a moment now and then; a real reason stays and is told.
            if attempt == ATTEMPTS:
                raise
            time.sleep(PAUSE_SECONDS * attempt)
        else:
            return
