"""Rotation of keys: data keys are wrapped anew, and what they encrypt stays as it is.

A rotation may be stopped at any time and asked for again, and builds go on saving meanwhile.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from buildstate.domain import contents
from buildstate.domain.checkpoints import Damage, DamageReason, is_name
from buildstate.domain.errors import Conflict
from buildstate.stores import documents, paths
from buildstate.stores.chains import Skipped
from buildstate.stores.ciphers import Entropy
from buildstate.stores.contracts import Area, Place, Record, Store
from buildstate.stores.documents import Sealed
from buildstate.stores.envelopes import Manifest, inspect, unwrap, wrap
from buildstate.stores.keyrings import Key, Keyring, KeyUnusable
from buildstate.stores.sealings import unsealed

UNENCRYPTED = ""
"""Stands for the key of checkpoints and documents that have none."""

MAX_ROUNDS = 5
"""How often all is looked at, where something under another key is found each time."""

MAX_TRIES = 5
"""How often something is looked at again that somebody else replaces at the same time."""


class Outcome(StrEnum):
    """What became of one checkpoint or document in a rotation.

    `Sealed` was plain and is encrypted now, `Unencrypted` is plain and stays so, `Gone` is not
    there any more or only half there.
    """

    REWRAPPED = "Rewrapped"
    SEALED = "Sealed"
    CURRENT = "Current"
    UNENCRYPTED = "Unencrypted"
    GONE = "Gone"
    DAMAGED = "Damaged"


_CHANGED = (Outcome.REWRAPPED, Outcome.SEALED)


@dataclass(frozen=True, slots=True)
class Step:
    """One checkpoint or document that a rotation has seen: the `done`th of the `known` so far.

    The name of a document is its path; one of no build, such as the index, has an empty place.
    """

    place: Place
    name: str
    outcome: Outcome | Damage
    done: int
    known: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a rotation has done: how much had which outcome, and what is damaged.

    `left` counts what is under another key than the active one, by the name of that key,
    `UNENCRYPTED` for none. `is_settled` says that the last look at all of it found nothing to do;
    otherwise others go on saving under another key, and it must be asked again.
    """

    counts: dict[Outcome, int]
    damaged: tuple[tuple[Place, Skipped], ...]
    left: dict[str, int] = field(default_factory=dict)
    is_settled: bool = True

    @property
    def is_complete(self) -> bool:
        """Say whether all that is encrypted has the active key now."""
        return self.is_settled and not self.damaged and not self.left.keys() - {UNENCRYPTED}


def rewrap(record: Record, keyring: Keyring, entropy: Entropy) -> bytes | Damage | None:
    """Give the manifest with the data key under the active key, None where nothing is to be done.

    That is where it is under that key already, and where it is not encrypted. The payload is not
    looked at. Raises `KeyUnusable` where no key is active, or the active one cannot be used.
    """
    manifest, active = inspect(record), _active(keyring)
    if isinstance(manifest, Damage):
        return manifest
    if manifest.key is None or manifest.key.name == active.name:
        return None
    data_key = unwrap(manifest, keyring)
    if not isinstance(data_key, bytes):
        return data_key
    wrapped = wrap(manifest.seal, data_key, active, entropy)
    return Manifest(manifest.seal, manifest.size, manifest.digest, wrapped).encode()


def rewrap_document(
    path: str, data: bytes, keyring: Keyring, entropy: Entropy, *, seal_plain: bool = False
) -> bytes | Damage | None:
    """Give the same for the bytes of a document; with `seal_plain` a plain one is encrypted.

    Who seals what is plain vouches for it: nobody can tell whether we have written it.
    """
    sealed, active = documents.parse(path, data), _active(keyring)
    if isinstance(sealed, Damage):
        return sealed
    if sealed is None:
        return _seal_plain(path, data, active, entropy) if seal_plain else None
    if sealed.key.name == active.name:
        return None
    data_key = documents.unwrap(path, sealed.key, keyring)
    if isinstance(data_key, Damage):
        return data_key
    return Sealed(documents.wrap(path, data_key, active, entropy), sealed.body).encode()


async def rewrap_all(
    store: Store,
    keyring: Keyring,
    told: Callable[[Step], None],
    entropy: Entropy,
    *,
    seal_plain: bool = False,
) -> Report:
    """Rewrap what is in the store, in all of its areas, and tell of each checkpoint and document.

    It is done when a look at all of it has found nothing under another key, however late that was
    saved. Errors of the store end it; asked again, it goes on with what is left.
    """
    rotation = _Rotation(unsealed(store), keyring, told, entropy, seal_plain=seal_plain)
    for _ in range(MAX_ROUNDS):
        if not await rotation.go_round():
            return rotation.report()
    left = Counter(await keys_in_use(store))
    del left[_active(keyring).name]
    return rotation.report(dict(left), is_settled=False)


async def keys_in_use(store: Store) -> dict[str, int]:
    """Count checkpoints and documents by the name of their key, `UNENCRYPTED` for those without.

    What cannot be read counts for none: no key would open it.
    """
    counts: Counter[str] = Counter()
    bare = unsealed(store)
    async for thing in _found(bare):
        data = await thing.read(bare)
        key = None if data is None else thing.key_of(data)
        if key is not None:
            counts[key] += 1
    return dict(counts)


@dataclass(frozen=True, slots=True)
class _Thing:
    """A checkpoint, of which the manifest is looked at, or a document, whose name is its path."""

    place: Place
    name: str
    is_document: bool = False

    async def read(self, store: Store) -> tuple[bytes, str] | None:
        """Give its bytes, and the version of a document."""
        if self.is_document:
            blob = await store.read(self.name)
            return (blob.data, blob.version) if blob else None
        manifest = await store.manifest(self.place, self.name)
        return None if manifest is None else (manifest, "")

    async def replace(self, store: Store, before: tuple[bytes, str], data: bytes) -> None:
        """Put `data` in the place of what `read` gave; raises Conflict where that is gone."""
        if self.is_document:
            await store.swap(self.name, data, before[1])
        else:
            await store.replace_manifest(self.place, Record(self.name, before[0], b""), data)

    def key_of(self, data: tuple[bytes, str]) -> str | None:
        """Name the key of what `read` gave, None where that cannot be told."""
        found: Sealed | Manifest | Damage | None
        if self.is_document:
            found = documents.parse(self.name, data[0])
        else:
            found = inspect(Record(self.name, data[0], b""))
        if isinstance(found, Damage):
            return None
        return UNENCRYPTED if found is None or found.key is None else found.key.name


class _Rotation:
    """One rotation: what it has seen, and what became of that."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        told: Callable[[Step], None],
        entropy: Entropy,
        *,
        seal_plain: bool,
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._told = told
        self._entropy = entropy
        self._seal_plain = seal_plain
        self._outcomes: dict[_Thing, Outcome | Damage] = {}
        self._left: Counter[str] = Counter()

    async def go_round(self) -> bool:
        """Look at all that is there; say whether it must be looked at again."""
        self._left = Counter()
        things = [thing async for thing in _found(self._store)]
        known = len(self._outcomes.keys() | set(things))
        news = [await self._look(thing, known) for thing in things]
        return any(news)

    def report(self, left: dict[str, int] | None = None, *, is_settled: bool = True) -> Report:
        """Say what was done, and what is left."""
        outcomes = self._outcomes.items()
        counts = Counter(
            Outcome.DAMAGED if isinstance(one, Damage) else one for one in self._outcomes.values()
        )
        damaged = [
            (thing.place, Skipped(thing.name, one))
            for thing, one in outcomes
            if isinstance(one, Damage)
        ]
        return Report(
            dict(counts), tuple(damaged), dict(self._left) if left is None else left, is_settled
        )

    async def _look(self, thing: _Thing, known: int) -> bool:
        outcome = await self._renew(thing)
        before = self._outcomes.get(thing)
        if outcome in (Outcome.CURRENT, Outcome.GONE) and before in _CHANGED:
            return False
        if outcome != before:
            self._outcomes[thing] = outcome
            self._told(Step(thing.place, thing.name, outcome, len(self._outcomes), known))
        # Half a checkpoint may be one that is just being saved.
        return outcome in _CHANGED or (outcome is Outcome.GONE and before is None)

    async def _renew(self, thing: _Thing) -> Outcome | Damage:
        for _ in range(MAX_TRIES):
            before = await thing.read(self._store)
            if before is None:
                return Outcome.GONE
            data = self._renewed(thing, before[0])
            if not isinstance(data, bytes):
                return self._unchanged(thing.key_of(before), data)
            try:
                await thing.replace(self._store, before, data)
            except Conflict:
                continue
            is_plain = thing.key_of(before) == UNENCRYPTED
            return Outcome.SEALED if is_plain else Outcome.REWRAPPED
        message = f"{thing.name} changed {MAX_TRIES} times meanwhile: ask again"
        raise Conflict(message)

    def _renewed(self, thing: _Thing, data: bytes) -> bytes | Damage | None:
        if thing.is_document:
            return rewrap_document(
                thing.name, data, self._keyring, self._entropy, seal_plain=self._seal_plain
            )
        return rewrap(Record(thing.name, data, b""), self._keyring, self._entropy)

    def _unchanged(self, key: str | None, damage: Damage | None) -> Outcome | Damage:
        active = _active(self._keyring).name
        if key is not None and key != active:
            self._left[key] += 1
        if damage is not None:
            return damage
        return Outcome.UNENCRYPTED if key == UNENCRYPTED else Outcome.CURRENT


async def _found(store: Store) -> AsyncIterator[_Thing]:
    """Give each checkpoint and each document of a store."""
    for place in [place for area in Area for place in await store.places(area)]:
        for name in await store.names(place):
            if is_name(name):
                yield _Thing(place, name)
    for root in paths.ROOTS:
        for path in await store.list(root):
            if not paths.is_of_checkpoint(path):
                yield _Thing(paths.owner_of(path), path, is_document=True)


def _seal_plain(path: str, data: bytes, active: Key, entropy: Entropy) -> bytes | Damage:
    if contents.decode(data) is None:
        message = f"{path} is neither encrypted nor a document of ours: nothing can be done with it"
        return Damage(DamageReason.CONTENT_ALTERED, message)
    return documents.seal(path, data, active, entropy)


def _active(keyring: Keyring) -> Key:
    active = keyring.active
    if active is None:
        raise KeyUnusable("no key is active under which data keys could be wrapped: name one")
    return active
