"""Objects that builds put into a configured store: measured as they stand, never written.

They are no documents of ours: neither sealed nor encrypted, in a part of the store of their own,
and a namespace reaches only its own half of that.
"""

import asyncio
from pathlib import Path
from typing import Protocol

from buildstate.domain.errors import Conflict, Permanent
from buildstate.domain.findings import Finding, Found, Lack
from buildstate.domain.objects import split
from buildstate.reporters.files import NotMeasured, measure
from buildstate.stores.clouds import CloudStore
from buildstate.stores.contracts import NOT_FOUND
from buildstate.stores.paths import checked
from buildstate.stores.registries import (
    ConfigMapConfig,
    StoreConfig,
    StoresConfig,
    VolumeConfig,
    bucket_of,
)

ROOT = "artifacts"
STORE_UNKNOWN = "StoreUnknown"


class _Shelf(Protocol):
    async def measure(self, namespace: str, key: str) -> Finding: ...


class Objects:
    """The objects in every store that can hold some."""

    def __init__(self, config: StoresConfig) -> None:
        shelves = ((one.name, _shelf(one)) for one in config.stores)
        self._shelves = {name: shelf for name, shelf in shelves if shelf is not None}

    async def measure(self, namespace: str, uri: str) -> Finding:
        """Give what the object at `uri` is, below the part of `namespace`.

        Raises Permanent for a store that is not there or keeps no objects, and what a store raises.
        """
        name, key = split(uri)
        shelf = self._shelves.get(name)
        if shelf is None:
            known = ", ".join(sorted(self._shelves)) or "none"
            message = f"there is no store {name} that holds objects, only: {known}"
            raise Permanent(message, reason=STORE_UNKNOWN)
        checked(f"{ROOT}/{namespace}/{key}")
        return await shelf.measure(namespace, key)


def _shelf(config: StoreConfig) -> _Shelf | None:
    match config:
        case ConfigMapConfig():
            return None
        case VolumeConfig():
            return _Directory(config.name, config.path)
        case _:
            return _Bucket(CloudStore(config.name, bucket_of(config), 2.5 * config.timeout_seconds))


class _Directory:
    def __init__(self, name: str, root: Path) -> None:
        self._name = name
        self._root = root

    async def measure(self, namespace: str, key: str) -> Finding:
        """Measure a file; a link must not lead out of what belongs to the namespace."""
        return await asyncio.to_thread(self._measured, namespace, key)

    def _measured(self, namespace: str, key: str) -> Finding:
        if not self._root.is_dir():
            message = f"store {self._name}: the volume at {self._root} is not there: mount it"
            raise Permanent(message, reason=NOT_FOUND)
        try:
            size, digest = measure(str(self._root / ROOT / namespace), key)
        except NotMeasured as lack:
            return Lack(str(lack))
        return Found(size, digest.hex())


class _Bucket:
    def __init__(self, store: CloudStore) -> None:
        self._store = store

    async def measure(self, namespace: str, key: str) -> Finding:
        """Measure an object part by part, as long as it stays the same."""
        try:
            found = await self._store.measure(f"{ROOT}/{namespace}/{key}")
        except Conflict:
            return Lack.CHANGING
        return Lack.ABSENT if found is None else Found(*found)
