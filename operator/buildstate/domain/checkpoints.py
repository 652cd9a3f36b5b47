"""What a checkpoint is: its seal, which binds it to one build, and the reference in the status.

The digest of the seal is what a status names. The seal names the digest of the content and that of
the checkpoint before, so whoever trusts the status can trust, byte for byte, what the store gives.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from buildstate.domain import integrity
from buildstate.domain.phases import BuildPhase

FORMAT = "buildstate.dev/checkpoint/v1"


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
    parent: str
    time: datetime
    damage: str = ""


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
        return f"{self.number}-{self.phase.lower()}-{self.digest.removeprefix('sha256:')[:8]}"


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
