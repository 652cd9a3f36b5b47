"""Rotation of keys: data keys are wrapped anew, and payloads stay as they are.

A rotation may be stopped at any time and asked for again, and builds go on saving meanwhile.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum

from buildstate.domain.checkpoints import Damage, is_name
from buildstate.domain.errors import Conflict
from buildstate.stores.chains import Skipped
from buildstate.stores.ciphers import Entropy
from buildstate.stores.contracts import Area, Checkpoints, Place, Record
from buildstate.stores.envelopes import Manifest, inspect, unwrap, wrap
from buildstate.stores.keyrings import Keyring, KeyUnusable

UNENCRYPTED = ""
"""Stands for the key of checkpoints that have none."""

MAX_ROUNDS = 5
"""How often it is looked for what came while we were at work."""

MAX_TRIES = 5
"""How often a manifest is looked at again that somebody else replaces at the same time."""


class Outcome(StrEnum):
    """What became of one checkpoint in a rotation."""

    REWRAPPED = "Rewrapped"
    CURRENT = "Current"
    UNENCRYPTED = "Unencrypted"
    GONE = "Gone"
    DAMAGED = "Damaged"


@dataclass(frozen=True, slots=True)
class Step:
    """One checkpoint that a rotation has seen: the `done`th of the `known` so far."""

    place: Place
    name: str
    outcome: Outcome | Damage
    done: int
    known: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a rotation has done: how many checkpoints had which outcome, and which are damaged."""

    counts: dict[Outcome, int]
    damaged: tuple[tuple[Place, Skipped], ...]

    @property
    def is_complete(self) -> bool:
        """Say whether every checkpoint that is encrypted has the active key now."""
        return not self.damaged


def rewrap(record: Record, keyring: Keyring, entropy: Entropy) -> bytes | Damage | None:
    """Give the manifest with the data key under the active key, None where nothing is to be done.

    That is where it is under that key already, and where it is not encrypted. Raises `KeyUnusable`
    where no key is active, or the active one cannot be used.
    """
    manifest, active = inspect(record), keyring.active
    if active is None:
        raise KeyUnusable("no key is active under which data keys could be wrapped: name one")
    if isinstance(manifest, Damage):
        return manifest
    if manifest.key is None or manifest.key.name == active.name:
        return None
    data_key = unwrap(manifest, keyring)
    if not isinstance(data_key, bytes):
        return data_key
    wrapped = wrap(manifest.seal, data_key, active, entropy)
    return Manifest(manifest.seal, manifest.size, manifest.digest, wrapped).encode()


async def rewrap_all(
    store: Checkpoints,
    keyring: Keyring,
    told: Callable[[Step], None],
    entropy: Entropy,
) -> Report:
    """Rewrap what is in the store, in both of its areas, and tell of each checkpoint.

    What is saved meanwhile is looked at, too. Errors of the store end it; asked again, it goes on
    with what is left.
    """
    counts: Counter[Outcome] = Counter()
    damaged: list[tuple[Place, Skipped]] = []
    async for place, name, done, known in _all(store):
        outcome = await _renew(store, place, name, keyring, entropy)
        if isinstance(outcome, Damage):
            damaged.append((place, Skipped(name, outcome)))
        counts[Outcome.DAMAGED if isinstance(outcome, Damage) else outcome] += 1
        told(Step(place, name, outcome, done, known))
    return Report(dict(counts), tuple(damaged))


async def keys_in_use(store: Checkpoints) -> dict[str, int]:
    """Count the checkpoints by the name of their key, `UNENCRYPTED` for those without.

    Manifests that cannot be read count for none: no key would open them.
    """
    counts: Counter[str] = Counter()
    async for place, name, _, _ in _all(store):
        record = await store.load(place, name)
        manifest = inspect(record) if record else None
        if isinstance(manifest, Manifest):
            counts[manifest.key.name if manifest.key else UNENCRYPTED] += 1
    return dict(counts)


async def _renew(
    store: Checkpoints, place: Place, name: str, keyring: Keyring, entropy: Entropy
) -> Outcome | Damage:
    for _ in range(MAX_TRIES):
        record = await store.load(place, name)
        if record is None:
            return Outcome.GONE
        manifest = rewrap(record, keyring, entropy)
        if isinstance(manifest, Damage):
            return manifest
        if manifest is None:
            return _outcome(record)
        try:
            await store.replace_manifest(place, record, manifest)
        except Conflict:
            continue
        return Outcome.REWRAPPED
    message = f"the manifest of checkpoint {name} changed {MAX_TRIES} times meanwhile: ask again"
    raise Conflict(message)


def _outcome(record: Record) -> Outcome:
    manifest = inspect(record)
    is_encrypted = isinstance(manifest, Manifest) and manifest.key is not None
    return Outcome.CURRENT if is_encrypted else Outcome.UNENCRYPTED


async def _all(store: Checkpoints) -> AsyncIterator[tuple[Place, str, int, int]]:
    """Give each checkpoint once, also what comes meanwhile; count them, and those known so far."""
    seen: set[tuple[Place, str]] = set()
    done = 0
    for _ in range(MAX_ROUNDS):
        new = [one for one in await _found(store) if one not in seen]
        if not new:
            return
        seen.update(new)
        for place, name in new:
            done += 1
            yield place, name, done, len(seen)


async def _found(store: Checkpoints) -> list[tuple[Place, str]]:
    places = [place for area in Area for place in await store.places(area)]
    return [(place, name) for place in places for name in await store.names(place) if is_name(name)]
