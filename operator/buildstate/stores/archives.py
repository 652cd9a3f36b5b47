"""Putting a build away: all of it is copied, compared, and only then removed where it was.

Whatever is interrupted is done again from the start: what was copied is found to be equal. The
moment in which the build has moved is that in which its active state is removed: before it all of
it can be read where it was, after it all of it where it is, and the rest is cleaning up.
"""

from buildstate.domain.errors import AlreadyExists, Transient
from buildstate.stores import paths
from buildstate.stores.bundles import (
    NOT_THERE,
    UNREADABLE,
    Bundle,
    StateDamage,
    archived,
    opened,
    sealed,
)
from buildstate.stores.contracts import Area, Place, Record, Store

CURRENT = "current_state.json"


async def archive(store: Store, active: Place) -> int | StateDamage:
    """Move what the store has of a build, and count the checkpoints and documents that were moved.

    None are moved where all are moved already; where there never were any, it is damage.
    """
    target = Place(active.namespace, active.uid, active.build, Area.ARCHIVED)
    home = paths.home(Area.ACTIVE, active.namespace, active.uid)
    current = await _current(store, home, active)
    if isinstance(current, StateDamage):
        return current
    names = await store.names(active)
    documents = [path for path in await store.list(home) if _is_plain(path, home)]
    for name in names:
        await _copy_checkpoint(store, active, target, name)
    for path in documents:
        damage = await _copy(store, path, active)
        if damage:
            return damage
    if current is not None:
        await _put_away(store, _moved(f"{home}{CURRENT}"), current, active)
    await store.remove(f"{home}{CURRENT}")
    for name in names:
        await store.delete(active, name)
    for path in documents:
        await store.remove(path)
    count = len(names) + len(documents) + (current is not None)
    return count if count or await _is_away(store, target) else _missing(active)


async def erase(store: Store, place: Place) -> int:
    """Remove all that the store has of a build, archived or not, and count what was removed."""
    count = 0
    for area in Area:
        at = Place(place.namespace, place.uid, place.build, area)
        for name in await store.names(at):
            await store.delete(at, name)
            count += 1
    prefixes = [f"{root}{place.namespace}/{place.uid}/" for root in paths.ROOTS]
    for prefix in prefixes:
        for path in await store.list(prefix):
            await store.remove(path)
            count += 1
    return count


async def _current(store: Store, home: str, place: Place) -> Bundle | StateDamage | None:
    blob = await store.read(f"{home}{CURRENT}")
    return opened(blob, place.namespace, place.uid) if blob else None


async def _is_away(store: Store, target: Place) -> bool:
    prefix = paths.home(Area.ARCHIVED, target.namespace, target.uid)
    return bool(await store.list(prefix) or await store.names(target))


def _missing(place: Place) -> StateDamage:
    message = f"the store has nothing of build {place.namespace}/{place.uid}"
    return StateDamage(NOT_THERE, message, place.namespace, place.uid)


def _is_plain(path: str, home: str) -> bool:
    rest = path.removeprefix(home)
    return rest != CURRENT and not rest.startswith("checkpoints/")


def _moved(path: str) -> str:
    return f"{Area.ARCHIVED}/{path.removeprefix(f'{Area.ACTIVE}/')}"


async def _put_away(store: Store, path: str, current: Bundle, place: Place) -> None:
    blob = await store.read(path)
    known = opened(blob, place.namespace, place.uid) if blob else None
    if isinstance(known, StateDamage) or (
        known is None or known["state"]["sequence"] <= current["state"]["sequence"]
    ):
        await _place(store, path, sealed(archived(current)))


async def _copy(store: Store, path: str, active: Place) -> StateDamage | None:
    blob = await store.read(path)
    if blob is not None and blob.damage:
        return StateDamage(UNREADABLE, blob.damage, active.namespace, active.uid)
    if blob is not None:
        await _place(store, _moved(path), blob.data)
    return None


async def _place(store: Store, path: str, data: bytes) -> None:
    await store.write(path, data)
    found = await store.read(path)
    if found is None or found.data != data:
        raise _differs(store, path)


async def _copy_checkpoint(store: Store, active: Place, target: Place, name: str) -> None:
    record = await store.load(active, name)
    if record is None:
        return  # Half a checkpoint is nothing to keep.
    try:
        await store.save(target, record)
    except AlreadyExists:
        await _replace(store, target, record)
    if await store.load(target, name) != record:
        raise _differs(store, name)


async def _replace(store: Store, target: Place, record: Record) -> None:
    known = await store.load(target, record.name)
    if known is not None and known.payload == record.payload:
        # Its data key was wrapped anew since it was copied.
        await store.replace_manifest(target, known, record.manifest)
    else:
        await store.delete(target, record.name)
        await store.save(target, record)


def _differs(store: Store, what: str) -> Transient:
    message = f"store {store.name}: what was copied of {what} is not what was read: try again"
    return Transient(message)
