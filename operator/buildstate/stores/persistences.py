"""The specification's StatePersistence: states mirrored into a store, to rebuild a cluster from.

The truth of a living build is its status in the cluster; what is here follows it. A state is
written in an order in which a crash between any two steps loses nothing: what it adds to the
history and the state that it replaces first, then the state itself. The index comes when it may.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buildstate.domain.errors import Conflict
from buildstate.stores import archives, histories, paths
from buildstate.stores.archives import CURRENT
from buildstate.stores.bundles import (
    INVALID,
    NOT_THERE,
    STALE,
    UNREADABLE,
    Bundle,
    StateDamage,
    StateFilter,
    StateSummary,
    archived,
    opened,
    sealed,
    summary_of,
    wrong,
)
from buildstate.stores.contracts import Area, Blob, Place, Store
from buildstate.stores.indexes import Index
from buildstate.stores.keyrings import KeyUnusable

AT_ONCE = 16
"""How many states are read at the same time for a listing."""


BACKUPS = 32
"""How many states before the present one are kept of a build; there may be twice as many."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A state is in the store; `is_news` says whether it was not there before."""

    is_news: bool = True


@dataclass(frozen=True, slots=True)
class Loaded:
    """A state as it stands in the store.

    `repaired` says what was put right to give it, None where nothing was wrong. `gaps` says what
    is missing or damaged of the history, and cannot be put right; it is empty where that is whole.
    """

    document: Bundle
    area: Area = Area.ACTIVE
    repaired: str | None = None
    gaps: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The states that fit, by namespace and name, and what could not be read."""

    states: tuple[StateSummary, ...]
    damaged: tuple[StateDamage, ...]


@dataclass(frozen=True, slots=True)
class Archived:
    """A build is put away; `moved` counts checkpoints and documents, 0 if it was away already."""

    moved: int


class StatePersistence:
    """Saves, loads, lists and archives the states of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.index = Index(store, self._scan)

    async def save_state(self, bundle: Bundle) -> Saved | StateDamage:
        """Mirror a committed state: {"build": ..., "spec": ..., "state": ...}.

        A state that breaks a law, or is older than what is stored, changes nothing. Raises
        `Conflict` where somebody else writes the same state.
        """
        namespace, uid = _whose(bundle)
        try:
            broken = wrong(bundle, namespace, uid)
            data = b"" if broken else sealed(bundle)
        except ValueError as error:
            broken = StateDamage(INVALID, str(error), namespace, uid)
        return broken or await self._save(bundle, data, namespace, uid)

    async def load_state(self, namespace: str, uid: str) -> Loaded | StateDamage:
        """Give the state of a build, active or archived, after it was checked.

        What is torn, damaged or lost is put right from the newest backup that verifies, and what
        a crash left out of the history is added.
        """
        for area in Area:
            path = _current(area, namespace, uid)
            blob = await self._store.read(path)
            if blob is not None:
                found = opened(blob, namespace, uid)
                if isinstance(found, StateDamage):
                    return await self._repair(area, namespace, uid, found, blob)
                return await self._with_history(area, namespace, uid, found, None)
        missing = StateDamage(NOT_THERE, "it is missing", namespace, uid)
        return await self._repair(Area.ACTIVE, namespace, uid, missing, None)

    async def list_states(self, chosen: StateFilter | None = None) -> Listing:
        """Give the states that fit, as they are stored: the index is not asked."""
        wanted = chosen or StateFilter()
        places = await self._store.places(wanted.area, wanted.namespace)
        gate = asyncio.Semaphore(AT_ONCE)
        found = await asyncio.gather(*(self._summary(place, gate) for place in places))
        states = [one for one in found if isinstance(one, StateSummary) and wanted.takes(one)]
        damaged = [one for one in found if isinstance(one, StateDamage)]
        ordered = sorted(states, key=lambda one: (one.namespace, one.name, one.uid))
        return Listing(tuple(ordered), tuple(damaged))

    async def archive_state(
        self, namespace: str, uid: str, build: str = ""
    ) -> Archived | StateDamage:
        """Move all of a build from active to archived, and mark its state Archived.

        Who asks has made sure that the build has ended. It may be asked again at any time.
        """
        place = Place(namespace, uid, build)
        moved = await archives.archive(self._store, place)
        if isinstance(moved, StateDamage) and moved.reason != NOT_THERE:
            loaded = await self.load_state(namespace, uid)
            if isinstance(loaded, StateDamage):
                return loaded
            moved = await archives.archive(self._store, place)
        if isinstance(moved, StateDamage):
            return moved
        self.index.note(namespace, uid, None)
        return Archived(moved)

    async def erase_state(self, namespace: str, uid: str) -> int:
        """Remove all that the store has of a build, and count what was removed."""
        count = await archives.erase(self._store, Place(namespace, uid))
        self.index.note(namespace, uid, None)
        return count

    async def history(self, namespace: str, uid: str) -> Sequence[Mapping[str, Any]]:
        """Give every transition that is stored of a build, in order, from the first."""
        found: dict[int, Mapping[str, Any]] = {}
        for area in reversed(Area):
            stored = await histories.read(self._store, paths.home(area, namespace, uid))
            found |= stored.entries
        return [found[sequence] for sequence in sorted(found)]

    async def rebuild_index(self) -> int:
        """Make the index anew from the states, and count the builds in it."""
        return await self.index.rebuild()

    async def flush_index(self) -> bool:
        """Write what the index has to learn, in one write; say whether there was anything."""
        return await self.index.flush()

    async def _save(
        self, bundle: Bundle, data: bytes, namespace: str, uid: str
    ) -> Saved | StateDamage:
        state = bundle["state"]
        area = Area.ARCHIVED if state["status"] == "Archived" else Area.ACTIVE
        path = _current(area, namespace, uid)
        blob = await self._store.read(path)
        known = opened(blob, namespace, uid) if blob else None
        before = None if isinstance(known, StateDamage) else known
        if before and before["state"]["sequence"] > state["sequence"]:
            message = f"the store has sequence {before['state']['sequence']} of it already"
            return StateDamage(STALE, message, namespace, uid)
        self.index.note(namespace, uid, None if area is Area.ARCHIVED else summary_of(bundle))
        if blob is not None and blob.data == data:
            return Saved(is_news=False)
        last = before["state"]["sequence"] if before else -1
        news = [entry for entry in state["history"] if entry["sequence"] > last]
        await histories.append(self._store, paths.home(area, namespace, uid), news)
        if before and blob and before["state"]["phase"] != state["phase"]:
            await histories.keep(self._store, _backup(namespace, uid, last), blob.data)
            if last // BACKUPS != state["sequence"] // BACKUPS:
                await self._thin(namespace, uid)
        await self._store.swap(path, data, blob.version if blob else None)
        return Saved()

    async def _thin(self, namespace: str, uid: str) -> None:
        # A list is asked for now and then only.
        for path in (await self._store.list(_backups(namespace, uid)))[:-BACKUPS]:
            await self._store.remove(path)

    async def _repair(
        self, area: Area, namespace: str, uid: str, damage: StateDamage, blob: Blob | None
    ) -> Loaded | StateDamage:
        path = _current(area, namespace, uid)
        for backup in reversed(await self._store.list(_backups(namespace, uid))):
            kept = await self._store.read(backup)
            found = opened(kept, namespace, uid) if kept else None
            if found is None or isinstance(found, StateDamage):
                continue
            document = archived(found) if area is Area.ARCHIVED else found
            try:
                await self._store.swap(path, sealed(document), blob.version if blob else None)
            except Conflict:
                return await self.load_state(namespace, uid)  # Somebody has just written it.
            repaired = f"{path}: {damage.message}; {backup} was put in its place"
            return await self._with_history(area, namespace, uid, document, repaired)
        message = f"{path}: {damage.message}, and there is no backup: {_ADVICE[damage.reason]}"
        return StateDamage(damage.reason, message, namespace, uid)

    async def _with_history(
        self, area: Area, namespace: str, uid: str, document: Bundle, repaired: str | None
    ) -> Loaded:
        home, ring = paths.home(area, namespace, uid), document["state"]["history"]
        words = [repaired] if repaired else []
        if await histories.mend(self._store, home, ring):
            words.append("the history was completed from the state")
        gaps = histories.gaps(await histories.read(self._store, home), ring)
        return Loaded(document, area, "; ".join(words) or None, gaps)

    async def _summary(
        self, place: Place, gate: asyncio.Semaphore
    ) -> StateSummary | StateDamage | None:
        path = _current(place.area, place.namespace, place.uid)
        try:
            async with gate:
                blob = await self._store.read(path)
        except KeyUnusable as error:
            # A key that is missing hides some builds, and not all of them.
            return StateDamage(error.reason, str(error), place.namespace, place.uid)
        found = opened(blob, place.namespace, place.uid) if blob else None
        if found is None or isinstance(found, StateDamage):
            return found
        return summary_of(found, place.area)

    async def _scan(self) -> Mapping[str, StateSummary]:
        listing = await self.list_states()
        return {f"{state.namespace}/{state.uid}": state for state in listing.states}


_ADVICE = {
    NOT_THERE: "restore the build from a checkpoint",
    UNREADABLE: "restore the build from a checkpoint",
    INVALID: "restore the build from a checkpoint, and find out who writes to the store",
}


def _whose(bundle: Bundle) -> tuple[str, str]:
    build, state = bundle.get("build"), bundle.get("state")
    namespace = build.get("namespace") if isinstance(build, Mapping) else None
    uid = state.get("id") if isinstance(state, Mapping) else None
    return str(namespace or ""), str(uid or "")


def _current(area: Area, namespace: str, uid: str) -> str:
    return f"{paths.home(area, namespace, uid)}{CURRENT}"


def _backups(namespace: str, uid: str) -> str:
    return f"backups/{namespace}/{uid}/"


def _backup(namespace: str, uid: str, sequence: int) -> str:
    return f"{_backups(namespace, uid)}{sequence:012d}.json"
