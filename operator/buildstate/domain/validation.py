"""The laws that a stored state obeys, as an ordered list of checks.

A check looks at the document as it is stored and returns every violation that it finds. Bad input
never raises: whoever could write the document could write anything.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any

from buildstate.domain import integrity
from buildstate.domain.checkpoints import is_digest, name_of
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.phases import WAY, BuildPhase, BuildStatus
from buildstate.domain.states import MAX_HELD
from buildstate.domain.transitions import VALID_TRANSITIONS

REQUIRED_FIELDS = ("id", "timestamp", "phase", "status", "sequence", "history", "digest")

Document = Mapping[str, Any]


class Law(StrEnum):
    """What a state can break: the words are the reasons that people see."""

    FIELD_MISSING = "FieldMissing"
    ID_FOREIGN = "IdForeign"
    TIME_INVALID = "TimeInvalid"
    WORD_UNKNOWN = "WordUnknown"
    SEQUENCE_INVALID = "SequenceInvalid"
    HISTORY_BROKEN = "HistoryBroken"
    HISTORY_ELSEWHERE = "HistoryElsewhere"
    RESOURCES_UNBALANCED = "ResourcesUnbalanced"
    ARTIFACT_UNFOUNDED = "ArtifactUnfounded"
    DEPENDENCY_UNSATISFIED = "DependencyUnsatisfied"
    CHECKPOINT_INVALID = "CheckpointInvalid"
    DIGEST_MISMATCH = "DigestMismatch"
    STATE_UNREADABLE = "StateUnreadable"


@dataclass(frozen=True, slots=True)
class Violation:
    """One law that a state breaks: which, where, and what is wrong."""

    category: ErrorCategory
    field: str
    message: str
    reason: Law


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Every violation of one state, in the order of the checks; true when there is none."""

    violations: tuple[Violation, ...] = ()

    def __bool__(self) -> bool:
        return not self.violations


Check = Callable[[Document, str], Iterator[Violation]]


def validate(document: Document, uid: str) -> ValidationResult:
    """Hold the stored state of the build with that uid against every check."""
    return _held_against(CHECKS, document, uid)


def validate_unsealed(document: Document, uid: str) -> ValidationResult:
    """Hold a state that is about to be sealed against every check but that of its seal."""
    return _held_against(CHECKS[:-1], document, uid)


def _held_against(checks: Sequence[Check], document: Document, uid: str) -> ValidationResult:
    return ValidationResult(
        tuple(violation for check in checks for violation in check(document, uid)),
    )


def required_fields_are_present(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that no field of the specification's BuildState is missing."""
    for name in REQUIRED_FIELDS:
        if name not in document:
            yield _corrupt(Law.FIELD_MISSING, name, "is missing")


def id_is_the_uid(document: Document, uid: str) -> Iterator[Violation]:
    """Make sure that the state was written for this very object and not copied from another."""
    if document.get("id", uid) != uid:
        yield _corrupt(
            Law.ID_FOREIGN, "id", f"is {document['id']!r}, but this object's uid is {uid!r}"
        )


def timestamp_is_valid(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that the timestamp is a time with a zone."""
    if "timestamp" in document and not _is_time(document["timestamp"]):
        yield _corrupt(
            Law.TIME_INVALID, "timestamp", f"is {document['timestamp']!r}, not an RFC 3339 time"
        )


def words_are_known(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that phase and status are words of the specification."""
    vocabularies: tuple[tuple[str, type[StrEnum]], ...] = (
        ("phase", BuildPhase),
        ("status", BuildStatus),
    )
    for name, words in vocabularies:
        if name in document and document[name] not in list(words):
            yield _corrupt(
                Law.WORD_UNKNOWN, name, f"is {document[name]!r}; it may be {', '.join(words)}"
            )


def sequence_is_a_count(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that the sequence is a whole number that is not negative."""
    sequence = document.get("sequence", 0)
    if not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 0:
        yield _corrupt(Law.SEQUENCE_INVALID, "sequence", f"is {sequence!r}, not a count")


def history_is_a_legal_path(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that every step of the history is an edge, without gap or duplicate."""
    history = _history(document)
    if not isinstance(document.get("history", []), list):
        yield _corrupt(Law.HISTORY_BROKEN, "history", "is not a list")
    for entry in history:
        origin, to = entry.get("from"), entry.get("to")
        if to not in _following(origin):
            yield _breaks(f"{origin} -> {to} is not a valid transition")
    for before, after in pairwise(history):
        if before.get("to") != after.get("from"):
            yield _breaks(f"{after.get('from')} does not follow {before.get('to')}")
        if after.get("sequence") != _plus_one(before.get("sequence")):
            yield _breaks(f"sequence {after.get('sequence')} follows {before.get('sequence')}")


def history_ends_here(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that the history leads to the present phase and sequence."""
    history = _history(document)
    if not history:
        return
    to, sequence = history[-1].get("to"), history[-1].get("sequence")
    if to != document.get("phase", to):
        yield _leads_off(f"the history ends in {to}, but the phase is {document['phase']}")
    if sequence != document.get("sequence", sequence):
        yield _leads_off(f"the history ends at {sequence}, the sequence is {document['sequence']}")


def resources_match_allocation(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that as much is said to be allocated as Pods and volumes are named."""
    resources = _object(document, "resources")
    pods, allocated = _entries(resources, "pods"), _object(resources, "allocated")
    counted = allocated.get("pods", "0")
    if counted != str(len(pods)) and len(pods) < MAX_HELD:
        message = f"is {counted} of Pods, and {len(pods)} are named"
        yield _corrupt(Law.RESOURCES_UNBALANCED, "resources.allocated", message)
    own = document.get("workspaceClaim")
    volumes = [volume.get("name") for volume in _entries(resources, "volumes")]
    if "storage" in allocated and (own is None or own not in volumes):
        message = "is storage, and no volume of the build's own is named"
        yield _corrupt(Law.RESOURCES_UNBALANCED, "resources.allocated", message)


def artifacts_come_from_phases_that_succeeded(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that no artifact is recorded of a phase whose work has not succeeded."""
    done = [
        record.get("phase")
        for record in _entries(document, "phases")
        if record.get("result") in ("Succeeded", "Restored")
    ]
    for one in _entries(document, "artifacts"):
        if one.get("phase") not in done:
            message = f"has {one.get('name')!r} of {one.get('phase')}, which has not succeeded"
            yield _corrupt(Law.ARTIFACT_UNFOUNDED, "artifacts", message)


def dependencies_are_satisfied(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that no phase was entered whose dependencies were not satisfied.

    A build that failed, or is cleaned up after a failure, was let through by none.
    """
    if document.get("failure") is not None:
        return
    for one in _entries(document, "dependencies"):
        is_behind = _place(one.get("before", "BUILD")) <= _place(document.get("phase"))
        if is_behind and one.get("satisfied") is not True:
            message = f"has {one.get('name')!r} not satisfied behind {one.get('before')}"
            yield _corrupt(Law.DEPENDENCY_UNSATISFIED, "dependencies", message)


def checkpoints_can_be_told_apart(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that each checkpoint has a digest, the name that goes with it, and its place."""
    last = 0
    for ref in _entries(document, "checkpoints"):
        number = ref.get("number")
        if not is_digest(ref.get("digest")) or ref.get("name") != _fitting_name(ref):
            message = f"has {ref.get('name')!r}, which is not the name of its digest"
            yield _corrupt(Law.CHECKPOINT_INVALID, "checkpoints", message)
        if not isinstance(number, int) or number <= last:
            message = f"has {ref.get('name')!r} out of order"
            yield _corrupt(Law.CHECKPOINT_INVALID, "checkpoints", message)
            continue
        last = number


def digest_matches(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that the state is what the operator wrote, to the byte."""
    if integrity.DIGEST_FIELD in document and not integrity.verify(document):
        yield _corrupt(
            Law.DIGEST_MISMATCH, "digest", "does not match: the status was changed by somebody else"
        )


CHECKS: tuple[Check, ...] = (
    required_fields_are_present,
    id_is_the_uid,
    timestamp_is_valid,
    words_are_known,
    sequence_is_a_count,
    history_is_a_legal_path,
    history_ends_here,
    resources_match_allocation,
    artifacts_come_from_phases_that_succeeded,
    dependencies_are_satisfied,
    checkpoints_can_be_told_apart,
    digest_matches,
)


def _corrupt(law: Law, field: str, message: str) -> Violation:
    return Violation(ErrorCategory.STATE_CORRUPTION, field, message, law)


def _breaks(message: str) -> Violation:
    return Violation(ErrorCategory.TRANSITION_VIOLATION, "history", message, Law.HISTORY_BROKEN)


def _leads_off(message: str) -> Violation:
    return Violation(ErrorCategory.TRANSITION_VIOLATION, "history", message, Law.HISTORY_ELSEWHERE)


def _history(document: Document) -> Sequence[Document]:
    return _entries(document, "history")


def _following(origin: object) -> tuple[BuildPhase, ...]:
    return next((to for phase, to in VALID_TRANSITIONS.items() if phase == origin), ())


def _plus_one(number: object) -> int | None:
    return number + 1 if isinstance(number, int) else None


def _is_time(text: object) -> bool:
    try:
        return isinstance(text, str) and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _fitting_name(ref: Document) -> str:
    return name_of(ref.get("number", 0), str(ref.get("phase")), str(ref.get("digest")))


def _place(phase: object) -> int:
    """Give the place of a phase on the way; what is no phase of it has none behind or before."""
    return WAY.index(BuildPhase(phase)) if isinstance(phase, str) and phase in WAY else -1


def _object(document: Document, name: str) -> Document:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def _entries(document: Document, name: str) -> Sequence[Document]:
    found = document.get(name)
    entries = found if isinstance(found, list) else ()
    return [entry if isinstance(entry, Mapping) else {} for entry in entries]
