"""Logs as JSON, one line a record, whatever text a build puts into it."""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

_QUIET = ("kopf.objects", "kopf.activities", "kopf._core", "aiohttp.access", "asyncio")


def configure(level: str) -> None:
    """Send every record of the process to standard output in JSON."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            datefmt="%Y-%m-%dT%H:%M:%S%z",
            json_ensure_ascii=True,
        ),
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
