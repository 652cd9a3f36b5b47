"""The whole history of a build, in documents of a few transitions each.

The status keeps the newest transitions only. Each document is named for the first and the last
sequence in it, is written once, and carries a digest.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from buildstate.domain import integrity
from buildstate.domain.errors import AlreadyExists
from buildstate.stores.contracts import Documents

Entry = Mapping[str, Any]

_NAME = re.compile(r"history/(\d{12})-(\d{12})\.json$")


@dataclass(frozen=True, slots=True)
class History:
    """What a store has of a history: transitions by sequence and by path, and what is damaged."""

    entries: Mapping[int, Entry]
    paths: Mapping[str, Sequence[Entry]]
    damaged: tuple[str, ...] = ()


async def append(documents: Documents, home: str, entries: Sequence[Entry]) -> None:
    """Store transitions that follow each other; what stands under that name is replaced."""
    if not entries:
        return
    first, last = entries[0]["sequence"], entries[-1]["sequence"]
    body = {"entries": list(entries)}
    data = integrity.canonical({**body, integrity.DIGEST_FIELD: integrity.digest(body)})
    await keep(documents, f"{home}history/{first:012d}-{last:012d}.json", data)


async def keep(documents: Documents, path: str, data: bytes) -> None:
    """Write a document once; the same again costs a read, and something else gives way."""
    try:
        await documents.create(path, data)
    except AlreadyExists:
        blob = await documents.read(path)
        if blob is None or blob.data != data:
            await documents.write(path, data)


async def read(documents: Documents, home: str) -> History:
    """Give all that is stored of the history below `home`."""
    found: dict[str, Sequence[Entry]] = {}
    damaged = []
    for path in await documents.list(f"{home}history/"):
        blob = await documents.read(path)
        entries = _entries(blob.data) if blob else None
        if entries is None:
            damaged.append(path)
        else:
            found[path] = entries
    merged = {entry["sequence"]: entry for entries in found.values() for entry in entries}
    return History(merged, found, tuple(damaged))


async def mend(documents: Documents, home: str, ring: Sequence[Entry]) -> bool:
    """Bring what is stored into line with the newest transitions; say whether it was not."""
    history = await read(documents, home)
    known = {entry["sequence"]: entry for entry in ring}
    contrary = [path for path, entries in history.paths.items() if _contradicts(entries, known)]
    doubtful = [path for path in (*contrary, *history.damaged) if _is_within(path, known)]
    missing = [one for one in ring if history.entries.get(one["sequence"]) != one]
    if not doubtful and not missing:
        return False
    # All of it, so that nothing is missing where a document goes.
    await append(documents, home, ring)
    for path in doubtful:
        if not _covers(path, ring):
            await documents.remove(path)
    return True


def gaps(history: History, ring: Sequence[Entry]) -> str:
    """Say what is missing or does not fit; empty where the history is whole."""
    merged = {**history.entries, **{entry["sequence"]: entry for entry in ring}}
    ordered = [merged[sequence] for sequence in sorted(merged)]
    broken = [
        f"{after['sequence']} does not follow {before['sequence']}"
        for before, after in pairwise(ordered)
        if after["sequence"] != before["sequence"] + 1 or after.get("from") != before.get("to")
    ]
    if ordered and ordered[0]["sequence"] > 1:
        broken.insert(0, f"it begins with {ordered[0]['sequence']}")
    return "; ".join([*broken, *(f"{path} is damaged" for path in history.damaged)])


def _entries(data: bytes) -> Sequence[Entry] | None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not integrity.verify(document):
        return None
    entries = document.get("entries")
    whole = isinstance(entries, list) and all(
        isinstance(entry, dict) and isinstance(entry.get("sequence"), int) for entry in entries
    )
    return entries if whole else None


def _contradicts(entries: Sequence[Entry], known: Mapping[int, Entry]) -> bool:
    return any(known.get(entry["sequence"], entry) != entry for entry in entries)


def _is_within(path: str, known: Mapping[int, Entry]) -> bool:
    found = _NAME.search(path)
    return found is not None and int(found[1]) in known and int(found[2]) in known


def _covers(path: str, ring: Sequence[Entry]) -> bool:
    found = _NAME.search(path)
    ends = (ring[0]["sequence"], ring[-1]["sequence"]) if ring else None
    return found is not None and (int(found[1]), int(found[2])) == ends
