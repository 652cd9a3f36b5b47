"""What a store alone can tell of a build whose status is lost or was altered."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from buildstate.domain.checkpoints import CheckpointRef, Damage, DamageReason, is_name
from buildstate.stores.chains import Checkpoint, Expected, Reader, Skipped, by_digest, foreign
from buildstate.stores.contracts import Checkpoints, Place, Record
from buildstate.stores.envelopes import inspect
from buildstate.stores.keyrings import Keyring


@dataclass(frozen=True, slots=True)
class Discovery:
    """The references that a status may hold again, newest last, and what is not among them and why.

    No one but the last is to be restored without being asked for.
    """

    refs: tuple[CheckpointRef, ...]
    skipped: tuple[Skipped, ...]

    @property
    def newest(self) -> CheckpointRef | None:
        """The newest checkpoint that can be trusted, None where there is none."""
        return self.refs[-1] if self.refs else None

    @property
    def waits_for_a_key(self) -> bool:
        """Say whether another checkpoint may be readable again later."""
        return any(not one.damage.is_lasting for one in self.skipped)


async def discover(
    store: Checkpoints, place: Place, expected: Expected, least_epoch: int, keyring: Keyring
) -> Discovery:
    """Give the checkpoints that a place has, each verified down to a full one.

    The newest is the one of the highest epoch, and in it of the highest number, that is not below
    `least_epoch` and the only one of both. What is not older than it, or is one of two of the same
    number and not of its chain, is skipped.
    """
    records, skipped = await _records(store, place)
    refs, strangers = _references(records.values(), expected)

    async def load(name: str) -> Record | None:
        return records[name]

    reader = Reader(load, expected, keyring)
    verified = []
    for ref in sorted(refs.values(), key=lambda ref: ref.number):
        found = await reader.read(ref, refs)
        if isinstance(found, Checkpoint):
            verified.append(ref)
        else:
            skipped.append(Skipped(ref.name, found))
    kept, distrusted = _judge(verified, least_epoch)
    return Discovery(kept, (*skipped, *strangers, *distrusted))


async def _records(store: Checkpoints, place: Place) -> tuple[dict[str, Record], list[Skipped]]:
    """Load what is complete; what is not is none."""
    records, skipped = {}, list[Skipped]()
    for name in await store.names(place):
        if not is_name(name):
            message = f"no checkpoint can be called {name!r}"
            skipped.append(Skipped(name, Damage(DamageReason.SEAL_MISMATCH, message)))
        elif record := await store.load(place, name):
            records[name] = record
    return records, skipped


def _references(
    records: Iterable[Record], expected: Expected
) -> tuple[dict[str, CheckpointRef], list[Skipped]]:
    """Give the references that the seals make, by digest, and the records that make none."""
    refs, skipped = list[CheckpointRef](), list[Skipped]()
    for record in records:
        found = _reference(record, expected)
        if isinstance(found, Damage):
            skipped.append(Skipped(record.name, found))
        else:
            refs.append(found)
    return by_digest(refs), skipped


def _reference(record: Record, expected: Expected) -> CheckpointRef | Damage:
    manifest = inspect(record)
    if isinstance(manifest, Damage):
        return manifest
    strange = foreign(manifest.seal, expected)
    if strange:
        return strange
    if manifest.seal.name != record.name:
        message = f"what is stored as {record.name} is checkpoint {manifest.seal.name}"
        return Damage(DamageReason.SEAL_MISMATCH, message)
    return manifest.seal.reference()


# Which of those that are whole can be trusted to be the present.


def _judge(
    verified: list[CheckpointRef], least_epoch: int
) -> tuple[tuple[CheckpointRef, ...], list[Skipped]]:
    newest = _newest([ref for ref in verified if ref.epoch >= least_epoch])
    chain = _chain(newest, by_digest(verified))
    numbers = Counter(ref.number for ref in verified)
    kept, skipped = list[CheckpointRef](), list[Skipped]()
    for ref in verified:
        damage = None
        if ref.digest not in chain:
            damage = _doubt(ref, newest, least_epoch, is_alone=numbers[ref.number] == 1)
        if damage:
            skipped.append(Skipped(ref.name, damage))
        else:
            kept.append(ref)
    return tuple(kept), skipped


def _newest(refs: list[CheckpointRef]) -> CheckpointRef | None:
    ranks = Counter((ref.epoch, ref.number) for ref in refs)
    alone = [ref for ref in refs if ranks[ref.epoch, ref.number] == 1]
    return max(alone, key=lambda ref: (ref.epoch, ref.number), default=None)


def _chain(newest: CheckpointRef | None, refs: dict[str, CheckpointRef]) -> set[str]:
    """Give the digests of the newest and of all before it, also beyond the full one."""
    chain = set[str]()
    while newest and newest.digest not in chain:
        chain.add(newest.digest)
        newest = refs.get(newest.parent)
    return chain


def _doubt(
    ref: CheckpointRef, newest: CheckpointRef | None, least_epoch: int, *, is_alone: bool
) -> Damage | None:
    """Say why a checkpoint that does not lead to the newest is not trusted, None if it is."""
    if ref.epoch < least_epoch:
        message = f"checkpoint {ref.name} is of epoch {ref.epoch}, but {least_epoch} has begun"
        return Damage(DamageReason.REPLAYED, message)
    if not is_alone:
        message = (
            f"another checkpoint has the number of {ref.name}: one of them was never committed"
        )
        return Damage(DamageReason.CHAIN_BROKEN, message)
    if newest and (ref.number > newest.number or ref.sequence > newest.sequence):
        message = f"checkpoint {ref.name} does not lead to {newest.name}, and is not older"
        return Damage(DamageReason.REPLAYED, message)
    return None
