"""What a checkpoint is: its seal, which binds it to one build, and the reference in the status.

The digest of the seal is what a status names. The seal names the digest of the content and that of
the checkpoint before, so whoever trusts the status can trust, byte for byte, what the store gives.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from buildstate.domain import integrity
from buildstate.domain.phases import BuildPhase

FORMAT = "buildstate.dev/checkpoint/v1"

MAX_COUNT = 2**53 - 1
"""The largest number, epoch and sequence: every reader of JSON knows it exactly."""

MAX_NAME = 253
"""The longest name and uid in a seal, in characters."""


class CheckpointKind(StrEnum):
    """Whether a checkpoint stands alone."""

    FULL = "Full"
    DELTA = "Delta"


class CheckpointTrigger(StrEnum):
    """Why a checkpoint was taken."""

    TRANSITION = "Transition"
    INTERVAL = "Interval"
    REQUEST = "Request"
    RESTORE = "Restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRef:
    """What the status holds of one checkpoint; the newest one is the last.

    `number` counts the checkpoints of a build and orders them. `parent` is the digest of the one
    before, empty for the first; a delta needs it to be read. `damage` says what was found wrong
    with it, and is empty as long as nothing was.
    """

    name: str
    number: int
    epoch: int
    sequence: int
    phase: BuildPhase
    kind: CheckpointKind
    trigger: CheckpointTrigger
    digest: str
    parent: str = ""
    time: datetime
    damage: str = ""


class DamageReason(StrEnum):
    """What is wrong with a checkpoint. The values are shown in the status and in metrics."""

    MANIFEST_UNREADABLE = "ManifestUnreadable"
    SEAL_MISMATCH = "SealMismatch"
    PAYLOAD_ALTERED = "PayloadAltered"
    KEY_MISSING = "KeyMissing"
    DECRYPTION_FAILED = "DecryptionFailed"
    CONTENT_ALTERED = "ContentAltered"
    CHAIN_BROKEN = "ChainBroken"
    FOREIGN = "Foreign"
    MISSING = "Missing"
    TOO_LARGE = "TooLarge"
    DOWNGRADED = "Downgraded"
    REPLAYED = "Replayed"


@dataclass(frozen=True, slots=True)
class Damage:
    """Why a checkpoint is not restored; the message says what is wrong and what to do."""

    reason: DamageReason
    message: str

    @property
    def is_lasting(self) -> bool:
        """Say whether the checkpoint itself is at fault; a key that is missing may come back."""
        return self.reason is not DamageReason.KEY_MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What a checkpoint claims to be: everything but its bytes, which `content_digest` stands for.

    `time` is RFC 3339. `parent` is the digest of the seal before, empty for the first.
    """

    format: str
    namespace: str
    namespace_uid: str
    build: str
    build_uid: str
    number: int
    epoch: int
    sequence: int
    phase: str
    kind: str
    trigger: str
    parent: str
    content_digest: str
    time: str

    def document(self) -> dict[str, Any]:
        """Give the seal as it is stored."""
        return {wire: getattr(self, name) for name, wire in SEAL_FIELDS}

    def canonical(self) -> bytes:
        """Give the exact bytes that the digest is over; they are the additional data, too."""
        return integrity.canonical(self.document())

    @property
    def digest(self) -> str:
        """The digest that a status names: `sha256:<hex>` over the canonical bytes."""
        return integrity.digest(self.document())

    @property
    def name(self) -> str:
        """The name of the checkpoint: for people, and never the same for two contents."""
        return name_of(self.number, self.phase, self.digest)

    def reference(self) -> CheckpointRef:
        """Give the reference to this checkpoint that a status holds."""
        return CheckpointRef(
            name=self.name,
            number=self.number,
            epoch=self.epoch,
            sequence=self.sequence,
            phase=BuildPhase(self.phase),
            kind=CheckpointKind(self.kind),
            trigger=CheckpointTrigger(self.trigger),
            digest=self.digest,
            parent=self.parent,
            time=datetime.fromisoformat(self.time),
        )


SEAL_FIELDS: tuple[tuple[str, str], ...] = (
    ("format", "format"),
    ("namespace", "namespace"),
    ("namespace_uid", "namespaceUid"),
    ("build", "build"),
    ("build_uid", "buildUid"),
    ("number", "number"),
    ("epoch", "epoch"),
    ("sequence", "sequence"),
    ("phase", "phase"),
    ("kind", "kind"),
    ("trigger", "trigger"),
    ("parent", "parent"),
    ("content_digest", "contentDigest"),
    ("time", "time"),
)
"""The fields of a seal: our name, and the one in a manifest."""


def parse_seal(document: object) -> Seal | Damage:
    """Give the seal that `document` is, or a damage that names the first field at fault."""
    if not isinstance(document, dict) or document.keys() != {wire for _, wire in SEAL_FIELDS}:
        return _unreadable("the seal does not have the fields of a seal")
    wrong = (wire for wire in document if not _LAWS[wire](document[wire]))
    for wire in wrong:
        return _unreadable(f"the field {wire!r} of the seal is not what it must be")
    if document["kind"] == CheckpointKind.DELTA and not document["parent"]:
        return _unreadable("the seal is that of a delta, but names no parent")
    return Seal(**{name: document[wire] for name, wire in SEAL_FIELDS})


def name_of(number: int, phase: str, digest: str) -> str:
    """Give the name of the checkpoint with that number, phase and digest of its seal."""
    return f"{number}-{phase.lower()}-{digest.removeprefix('sha256:')[:8]}"


def is_name(text: str) -> bool:
    """Say whether a checkpoint can be called so."""
    return re.fullmatch(r"[0-9]{1,16}-[a-z]{1,16}-[0-9a-f]{8}", text) is not None


_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def is_digest(value: object) -> bool:
    """Say whether `value` is `sha256:` and 64 hexadecimal digits in lower case."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _unreadable(message: str) -> Damage:
    return Damage(DamageReason.MANIFEST_UNREADABLE, message)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT


def _is_time(value: object) -> bool:
    pattern = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z"
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_one_of(words: type[StrEnum]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and value in {*words}


_LAWS: dict[str, Callable[[object], bool]] = {
    "format": lambda value: value == FORMAT,
    "namespace": _is_word,
    "namespaceUid": _is_word,
    "build": _is_word,
    "buildUid": _is_word,
    "number": _is_count,
    "epoch": _is_count,
    "sequence": _is_count,
    "phase": _is_one_of(BuildPhase),
    "kind": _is_one_of(CheckpointKind),
    "trigger": _is_one_of(CheckpointTrigger),
    "parent": lambda value: value == "" or is_digest(value),
    "contentDigest": is_digest,
    "time": _is_time,
}
