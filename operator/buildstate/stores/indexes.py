"""active/index.json: which builds a store has, in one document, for whoever wants to look quickly.

    {"builds": {"namespace/uid": {"name", "phase", "status", "sequence", "time", "labels"}}}

It is never the truth, it may be late, and it can be made anew from what it is about. Many changes
are one write; it is written by compare-and-swap, so nobody's changes are lost.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from buildstate.domain import integrity
from buildstate.domain.errors import BuildStateError, Conflict
from buildstate.stores.bundles import StateSummary
from buildstate.stores.contracts import Blob, Documents

logger = logging.getLogger(__name__)

PATH = "active/index.json"

Builds = dict[str, Any]

_TRIES = 8


class Index:
    """The index of one store; `scan` gives every active build of it, when there is no index yet."""

    def __init__(
        self, documents: Documents, scan: Callable[[], Awaitable[Mapping[str, StateSummary]]]
    ) -> None:
        self._documents = documents
        self._scan = scan
        self._pending: dict[str, StateSummary | None] = {}
        self._writing = asyncio.Lock()

    def note(self, namespace: str, uid: str, state: StateSummary | None) -> None:
        """Remember what is to be written of one build, None: that it is there no more."""
        self._pending[f"{namespace}/{uid}"] = state

    async def read(self) -> Mapping[str, Any] | None:
        """Give the builds of the index, or None where there is none that can be read."""
        return _builds(await self._documents.read(PATH))

    async def flush(self) -> bool:
        """Write all that was noted, in one write; say whether there was anything to write."""
        async with self._writing:
            pending = dict(self._pending)
            if not pending:
                return False
            await self._write(lambda builds: _changed(builds, pending))
            for key, state in pending.items():
                # What was noted meanwhile is for the next time.
                if self._pending.get(key, state) is state:
                    self._pending.pop(key, None)
            return True

    async def rebuild(self) -> int:
        """Make the index anew from what the store has, and count the builds."""
        async with self._writing:
            found = {key: _entry(state) for key, state in (await self._scan()).items()}
            await self._write(lambda _builds: found)
            return len(found)

    async def run(
        self, seconds: float = 1.0, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        """Write what was noted every so many seconds, for ever; failures are logged."""
        while True:
            await sleep(seconds)
            try:
                await self.flush()
            except BuildStateError as error:
                logger.warning("the index waits: %s", error)

    async def _write(self, change: Callable[[Builds], Builds]) -> None:
        for _ in range(_TRIES):
            blob = await self._documents.read(PATH)
            builds = _builds(blob)
            if builds is None:
                builds = {key: _entry(state) for key, state in (await self._scan()).items()}
            data = integrity.canonical({"builds": change(builds)})
            if blob is not None and blob.data == data:
                return None
            try:
                return await self._documents.swap(PATH, data, blob.version if blob else None)
            except Conflict:
                continue
        message = f"{PATH} is written by others again and again"
        raise Conflict(message)


def _changed(builds: Builds, changes: Mapping[str, StateSummary | None]) -> Builds:
    changed = dict(builds)
    for key, state in changes.items():
        if state is None:
            changed.pop(key, None)
        elif _sequence(changed.get(key)) <= state.sequence:
            changed[key] = _entry(state)
    return changed


def _sequence(entry: object) -> int:
    sequence = entry.get("sequence") if isinstance(entry, Mapping) else None
    return sequence if isinstance(sequence, int) else -1


def _entry(state: StateSummary) -> dict[str, Any]:
    return {
        "name": state.name,
        "phase": state.phase,
        "status": state.status,
        "sequence": state.sequence,
        "time": state.time.isoformat(),
        "labels": dict(state.labels),
    }


def _builds(blob: Blob | None) -> Builds | None:
    try:
        document = json.loads(blob.data) if blob else None
    except (ValueError, RecursionError):
        return None
    builds = document.get("builds") if isinstance(document, dict) else None
    return builds if isinstance(builds, dict) else None
