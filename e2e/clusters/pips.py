"""This machine's way to Python packages, lent to the steps of an image's build only."""

import configparser
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
BUNDLE_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
CONFIGURATIONS = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
# Where Debian's pip and the official images' pip both look.
TARGET = "/etc/pip.conf"


@contextmanager
def mounts() -> Iterator[list[tuple[str, str]]]:
    """What to mount where, so that nothing of it stays in the image."""
    settings = _settings()
    with tempfile.TemporaryDirectory() as temporary:
        bundle = next((path for path in _bundles() if Path(path).exists()), None)
        if bundle:
            settings["cert"] = BUNDLE
        file = Path(temporary, "pip.conf")
        file.write_text("".join(["[global]\n", *(f"{k} = {v}\n" for k, v in settings.items())]))
        directories = [(path, path) for path in _directories(settings)]
        yield [(str(file), TARGET), *([(bundle, BUNDLE)] if bundle else []), *directories]


def _bundles() -> list[str]:
    named = [os.environ[name] for name in BUNDLE_VARIABLES if name in os.environ]
    return [*named, BUNDLE]


def _settings() -> dict[str, str]:
    parser = configparser.RawConfigParser()
    own = os.environ.get("PIP_CONFIG_FILE")
    parser.read([Path(file).expanduser() for file in (*CONFIGURATIONS, *([own] if own else []))])
    settings = dict(parser["global"]) if "global" in parser else {}
    named = {name[4:]: value for name, value in os.environ.items() if name.startswith("PIP_")}
    named.pop("CONFIG_FILE", None)
    settings.update({name.lower().replace("_", "-"): value for name, value in named.items()})
    return settings


def _directories(settings: dict[str, str]) -> list[str]:
    places = settings.get("find-links", "").split()
    return [place for place in places if Path(place).is_dir()]
