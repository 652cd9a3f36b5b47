"""A state as it is mirrored: what the build is, what it asks for, and how it stands, with a digest.

    {"format": "buildstate.dev/state/v1", "build": {"namespace", "name", "labels"},
     "spec": {...}, "state": {the status, with its own digest}, "digest": "sha256:..."}

The digest of the state shows that the operator wrote it; that of the whole, that nothing was torn.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from buildstate.domain import integrity
from buildstate.domain.phases import BuildStatus
from buildstate.domain.validation import validate
from buildstate.stores.contracts import Area, Blob

FORMAT = "buildstate.dev/state/v1"

NOT_THERE = "NotFound"
UNREADABLE = "Unreadable"
INVALID = "Invalid"
STALE = "Stale"

Bundle = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StateDamage:
    """Why a state was not saved, loaded or moved; the message says where, and what to do.

    `reason` is `NotFound`, `Unreadable` (torn, or changed by somebody), `Invalid` (breaks a law),
    `Stale` (the store has a newer one) or `KeyMissing` (it can be read once the key is back).
    """

    reason: str
    message: str
    namespace: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True)
class StateSummary:
    """What a listing says of one state; `time` is that of its last change."""

    namespace: str
    uid: str
    name: str
    phase: str
    status: str
    sequence: int
    time: datetime
    labels: Mapping[str, str] = field(default_factory=dict)
    area: Area = Area.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFilter:
    """Which states a listing has: those that fit everything that is said.

    `older_than` and `newer_than` are times of the last change; `labels` are those of the build.
    """

    phase: str | None = None
    status: str | None = None
    namespace: str | None = None
    older_than: datetime | None = None
    newer_than: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    area: Area = Area.ACTIVE

    def takes(self, state: StateSummary) -> bool:
        """Say whether a state fits."""
        return (
            self.phase in (None, state.phase)
            and self.status in (None, state.status)
            and self.namespace in (None, state.namespace)
            and (self.older_than is None or state.time < self.older_than)
            and (self.newer_than is None or state.time > self.newer_than)
            and self.labels.items() <= state.labels.items()
        )


def sealed(bundle: Bundle) -> bytes:
    """Give the bytes of a bundle as they are stored; raises ValueError where it has floats."""
    document = {name: bundle[name] for name in ("build", "spec", "state")}
    whole = {"format": FORMAT, **document}
    return integrity.canonical({**whole, integrity.DIGEST_FIELD: integrity.digest(whole)})


def opened(blob: Blob, namespace: str, uid: str) -> Bundle | StateDamage:
    """Give what is stored of that build, or what is wrong with it."""
    if blob.damage:
        return StateDamage(UNREADABLE, blob.damage, namespace, uid)
    try:
        document = json.loads(blob.data)
    except (ValueError, RecursionError):
        return StateDamage(UNREADABLE, "it is torn: it is no JSON", namespace, uid)
    if not isinstance(document, dict) or not integrity.verify(document):
        return StateDamage(UNREADABLE, "its digest does not match", namespace, uid)
    if document.get("format") != FORMAT:
        message = f"it is of format {document.get('format')!r}, not {FORMAT}"
        return StateDamage(UNREADABLE, message, namespace, uid)
    return wrong(document, namespace, uid) or document


def wrong(bundle: Bundle, namespace: str, uid: str) -> StateDamage | None:
    """Give the law that a bundle breaks, or None where it may be stored as that build's."""
    parts = [bundle.get(name) for name in ("build", "spec", "state")]
    if not all(isinstance(part, Mapping) for part in parts):
        return StateDamage(INVALID, "it lacks build, spec or state", namespace, uid)
    if not isinstance(bundle["build"].get("labels") or {}, Mapping):
        return StateDamage(INVALID, "its labels are no object", namespace, uid)
    found = bundle["build"].get("namespace")
    if found != namespace:
        return StateDamage(INVALID, f"it is of namespace {found!r}", namespace, uid)
    result = validate(bundle["state"], uid)
    if result:
        return None
    first = result.violations[0]
    message = f"{first.reason}: {first.field} {first.message}"
    return StateDamage(INVALID, message, namespace, uid)


def summary_of(bundle: Bundle, area: Area = Area.ACTIVE) -> StateSummary:
    """Say in short how a build stands; the bundle is one that `opened` gave."""
    build, state = bundle["build"], bundle["state"]
    return StateSummary(
        namespace=build["namespace"],
        uid=state["id"],
        name=str(build.get("name", "")),
        phase=state["phase"],
        status=state["status"],
        sequence=state["sequence"],
        time=datetime.fromisoformat(state["timestamp"]),
        labels=dict(build.get("labels") or {}),
        area=area,
    )


def archived(bundle: Bundle) -> Bundle:
    """Give the bundle of a build that was put away: its state says so, and its digest fits."""
    state = {**bundle["state"], "status": BuildStatus.ARCHIVED.value}
    return {**bundle, "state": {**state, integrity.DIGEST_FIELD: integrity.digest(state)}}
