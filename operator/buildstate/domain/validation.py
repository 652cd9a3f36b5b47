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
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.phases import BuildPhase, BuildStatus
from buildstate.domain.transitions import VALID_TRANSITIONS

REQUIRED_FIELDS = ("id", "timestamp", "phase", "status", "sequence", "history", "digest")

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """One law that a state breaks: which, where, and what is wrong."""

    category: ErrorCategory
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Every violation of one state, in the order of the checks; true when there is none."""

    violations: tuple[Violation, ...] = ()

    def __bool__(self) -> bool:
        return not self.violations


Check = Callable[[Document, str], Iterator[Violation]]


def validate(document: Document, uid: str) -> ValidationResult:
    """Hold the stored state of the build with that uid against every check."""
    return ValidationResult(
        tuple(violation for check in CHECKS for violation in check(document, uid)),
    )


def required_fields_are_present(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that no field of the specification's BuildState is missing."""
    for name in REQUIRED_FIELDS:
        if name not in document:
            yield _corrupt(name, "is missing")


def id_is_the_uid(document: Document, uid: str) -> Iterator[Violation]:
    """Make sure that the state was written for this very object and not copied from another."""
    if document.get("id", uid) != uid:
        yield _corrupt("id", f"is {document['id']!r}, but this object's uid is {uid!r}")


def timestamp_is_valid(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that the timestamp is a time with a zone."""
    if "timestamp" in document and not _is_time(document["timestamp"]):
        yield _corrupt("timestamp", f"is {document['timestamp']!r}, not an RFC 3339 time")


def words_are_known(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that phase and status are words of the specification."""
    vocabularies: tuple[tuple[str, type[StrEnum]], ...] = (
        ("phase", BuildPhase),
        ("status", BuildStatus),
    )
    for name, words in vocabularies:
        if name in document and document[name] not in list(words):
            yield _corrupt(name, f"is {document[name]!r}; it may be {', '.join(words)}")


def sequence_is_a_count(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that the sequence is a whole number that is not negative."""
    sequence = document.get("sequence", 0)
    if not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 0:
        yield _corrupt("sequence", f"is {sequence!r}, not a count")


def history_is_a_legal_path(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that every step of the history is an edge, without gap or duplicate."""
    history = _history(document)
    if not isinstance(document.get("history", []), list):
        yield _corrupt("history", "is not a list")
    for entry in history:
        origin, to = entry.get("from"), entry.get("to")
        if to not in _following(origin):
            yield _violates(f"{origin} -> {to} is not a valid transition")
    for before, after in pairwise(history):
        if before.get("to") != after.get("from"):
            yield _violates(f"{after.get('from')} does not follow {before.get('to')}")
        if after.get("sequence") != _plus_one(before.get("sequence")):
            yield _violates(f"sequence {after.get('sequence')} follows {before.get('sequence')}")


def history_ends_here(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that the history leads to the present phase and sequence."""
    history = _history(document)
    if not history:
        return
    to, sequence = history[-1].get("to"), history[-1].get("sequence")
    if to != document.get("phase", to):
        yield _violates(f"the history ends in {to}, but the phase is {document['phase']}")
    if sequence != document.get("sequence", sequence):
        yield _violates(f"the history ends at {sequence}, the sequence is {document['sequence']}")


def digest_matches(document: Document, _uid: str) -> Iterator[Violation]:
    """Make sure that the state is what the operator wrote, to the byte."""
    if integrity.DIGEST_FIELD in document and not integrity.verify(document):
        yield _corrupt("digest", "does not match: the status was changed by somebody else")


CHECKS: tuple[Check, ...] = (
    required_fields_are_present,
    id_is_the_uid,
    timestamp_is_valid,
    words_are_known,
    sequence_is_a_count,
    history_is_a_legal_path,
    history_ends_here,
    digest_matches,
)


def _corrupt(field: str, message: str) -> Violation:
    return Violation(ErrorCategory.STATE_CORRUPTION, field, message)


def _violates(message: str) -> Violation:
    return Violation(ErrorCategory.TRANSITION_VIOLATION, "history", message)


def _history(document: Document) -> Sequence[Document]:
    history = document.get("history")
    entries = history if isinstance(history, list) else ()
    return [entry if isinstance(entry, Mapping) else {} for entry in entries]


def _following(origin: object) -> tuple[BuildPhase, ...]:
    return next((to for phase, to in VALID_TRANSITIONS.items() if phase == origin), ())


def _plus_one(number: object) -> int | None:
    return number + 1 if isinstance(number, int) else None


def _is_time(text: object) -> bool:
    try:
        return isinstance(text, str) and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
