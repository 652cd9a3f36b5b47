"""Verified loading: what a checkpoint holds, once every claim about it was checked.

A status anchors the digest of each seal, so what is read by reference is exactly what was saved or
is refused. What is discovered in a store alone is as good as the keyring: see
`docs/reference/checkpoint-format.md`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from buildstate.domain import contents
from buildstate.domain.checkpoints import (
    CheckpointKind,
    CheckpointRef,
    Damage,
    DamageReason,
    Seal,
    name_of,
)
from buildstate.domain.contents import Document
from buildstate.domain.deltas import Misfit, patch
from buildstate.stores.contracts import Checkpoints, Place, Record
from buildstate.stores.envelopes import MAX_CONTENT, Manifest, inspect, unpack
from buildstate.stores.keyrings import Keyring


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Whose checkpoints they must be, and what they must be like.

    `namespace_uid` is None where the namespace itself is gone and nobody knows it any more.
    """

    namespace: str
    namespace_uid: str | None
    build_uid: str
    must_be_encrypted: bool = False
    limit: int = MAX_CONTENT


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was verified: its seal, the exact bytes of its content, and the object."""

    seal: Seal
    content: bytes
    document: Document


@dataclass(frozen=True, slots=True)
class Skipped:
    """A checkpoint that cannot be restored, by name, and why."""

    name: str
    damage: Damage


@dataclass(frozen=True, slots=True)
class Found:
    """The newest checkpoint that was verified, if any, and the newer ones that were not."""

    checkpoint: Checkpoint | None
    skipped: tuple[Skipped, ...] = ()

    @property
    def waits_for_a_key(self) -> bool:
        """Say whether a newer checkpoint than the one found may be readable again later."""
        return any(not one.damage.is_lasting for one in self.skipped)


Load = Callable[[str], Awaitable[Record | None]]
"""Gives the record of a name, None where there is no complete one."""


class Reader:
    """Reads the checkpoints of one build, each at most once; what it has read it keeps."""

    def __init__(self, load: Load, expected: Expected, keyring: Keyring) -> None:
        self._load = load
        self._expected = expected
        self._keyring = keyring
        self._read: dict[str, Checkpoint | Damage] = {}

    async def read(
        self, ref: CheckpointRef, refs: Mapping[str, CheckpointRef]
    ) -> Checkpoint | Damage:
        """Give the checkpoint of a reference; `refs` has all references, by digest."""
        line = _line(ref, refs)
        if isinstance(line, Damage):
            return line
        below: Checkpoint | None = None
        for one in line:
            if one.digest not in self._read:
                self._read[one.digest] = await self._fetch(one, below)
            found = self._read[one.digest]
            if isinstance(found, Damage):
                return found if one is ref else _broken(ref, one, found)
            below = found
        assert below is not None
        return below

    async def _fetch(self, ref: CheckpointRef, below: Checkpoint | None) -> Checkpoint | Damage:
        if ref.name != name_of(ref.number, ref.phase, ref.digest):
            return Damage(
                DamageReason.SEAL_MISMATCH,
                f"the reference to checkpoint {ref.name!r} does not agree with itself",
            )
        record = await self._load(ref.name)
        if record is None:
            return Damage(
                DamageReason.MISSING,
                f"checkpoint {ref.name} is not in the store, or not complete",
            )
        return _mistaken(record, ref, self._expected) or self._opened(record, below)

    def _opened(self, record: Record, below: Checkpoint | None) -> Checkpoint | Damage:
        expected = self._expected
        opened = unpack(
            record,
            self._keyring,
            must_be_encrypted=expected.must_be_encrypted,
            limit=expected.limit,
        )
        if isinstance(opened, Damage):
            return opened
        seal, plain = opened
        return _restored(seal, plain, below, expected.limit)


async def read_checkpoint(
    store: Checkpoints,
    place: Place,
    refs: Sequence[CheckpointRef],
    name: str,
    expected: Expected,
    keyring: Keyring,
) -> Checkpoint | Damage:
    """Give the checkpoint that `refs` have under `name`, verified against its reference.

    A delta needs the references and records of those that it is made upon, down to a full one.
    """
    ref = next((ref for ref in refs if ref.name == name), None)
    if ref is None:
        return Damage(DamageReason.MISSING, f"the status has no reference to a checkpoint {name!r}")
    return await Reader(partial(store.load, place), expected, keyring).read(ref, by_digest(refs))


async def find_newest(
    store: Checkpoints,
    place: Place,
    refs: Sequence[CheckpointRef],
    expected: Expected,
    keyring: Keyring,
    least_epoch: int = 0,
) -> Found:
    """Give the newest of `refs` that can be verified, and which newer ones could not.

    What is of an older epoch than `least_epoch` is not given, but deltas may stand on it, so `refs`
    should have it. Each record is loaded at most once.
    """
    reader, skipped = Reader(partial(store.load, place), expected, keyring), list[Skipped]()
    choice = [ref for ref in refs if ref.epoch >= least_epoch]
    for ref in sorted(choice, key=lambda ref: ref.number, reverse=True):
        found = await reader.read(ref, by_digest(refs))
        if isinstance(found, Checkpoint):
            return Found(found, tuple(skipped))
        skipped.append(Skipped(ref.name, found))
    return Found(None, tuple(skipped))


def by_digest(refs: Sequence[CheckpointRef]) -> dict[str, CheckpointRef]:
    """Give the references by the digests of their seals."""
    return {ref.digest: ref for ref in refs}


def foreign(seal: Seal, expected: Expected) -> Damage | None:
    """Say whose checkpoint it is, if it is not one of the build that is expected."""
    is_ours = (
        seal.namespace == expected.namespace
        and seal.namespace_uid == (expected.namespace_uid or seal.namespace_uid)
        and seal.build_uid == expected.build_uid
    )
    if is_ours:
        return None
    return Damage(
        DamageReason.FOREIGN,
        f"the checkpoint is that of {seal.namespace}/{seal.build} ({seal.build_uid}), and not one"
        " of this build",
    )


# The line from a full checkpoint up to the one that is asked for.


def _line(ref: CheckpointRef, refs: Mapping[str, CheckpointRef]) -> list[CheckpointRef] | Damage:
    line = [ref]
    while line[-1].kind is CheckpointKind.DELTA:
        below = refs.get(line[-1].parent)
        if below is None or not _is_before(below, line[-1]):
            return Damage(
                DamageReason.CHAIN_BROKEN,
                f"checkpoint {ref.name} needs the one before {line[-1].name}"
                f" ({line[-1].parent or 'none'}), to which there is no reference",
            )
        line.append(below)
    return line[::-1]


def _is_before(one: CheckpointRef, other: CheckpointRef) -> bool:
    return one.number < other.number and one.epoch <= other.epoch and one.sequence <= other.sequence


def _broken(ref: CheckpointRef, at: CheckpointRef, damage: Damage) -> Damage:
    if not damage.is_lasting:
        return damage
    return Damage(
        DamageReason.CHAIN_BROKEN,
        f"checkpoint {ref.name} needs {at.name} ({damage.reason}): {damage.message}",
    )


# What is checked of one record.


def _mistaken(record: Record, ref: CheckpointRef, expected: Expected) -> Damage | None:
    """Say what is wrong with the seal of a record; the payload is not looked at."""
    manifest = inspect(record)
    if isinstance(manifest, Manifest):
        return foreign(manifest.seal, expected) or _unlike(manifest.seal, ref)
    return manifest


def _unlike(seal: Seal, ref: CheckpointRef) -> Damage | None:
    own = seal.reference()
    fields = ("digest", "name", "number", "epoch", "sequence", "phase", "kind", "trigger", "parent")
    differing = [name for name in fields if getattr(own, name) != getattr(ref, name)]
    if not differing:
        return None
    return Damage(
        DamageReason.SEAL_MISMATCH,
        f"checkpoint {ref.name} is not the one that the status refers to: {', '.join(differing)}"
        " differ",
    )


def _restored(
    seal: Seal, plain: bytes, below: Checkpoint | None, limit: int
) -> Checkpoint | Damage:
    """Give the content, of which every byte is what the seal stands for."""
    document = contents.decode(plain)
    if document is not None and seal.kind == CheckpointKind.DELTA:
        document = _patched(below, document)
    # What a delta makes is nested no deeper than the two that it is made of, so it can be encoded.
    content = b"" if document is None else contents.encode(document)
    if document is None or len(content) > limit:
        return Damage(
            DamageReason.CONTENT_ALTERED,
            f"what checkpoint {seal.name} holds is no content, or no delta of the one before",
        )
    if contents.digest(content) != seal.content_digest:
        return Damage(
            DamageReason.CONTENT_ALTERED,
            f"the content of checkpoint {seal.name} is not the one that its seal names",
        )
    return Checkpoint(seal, content, document)


def _patched(below: Checkpoint | None, delta: Document) -> Document | None:
    after = patch(below.document, delta) if below else None
    return None if isinstance(after, Misfit) else after
