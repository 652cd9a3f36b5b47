"""Builds whose checkpoints are saved one after the other, as the engine does it."""

from copy import deepcopy
from hashlib import sha256
from typing import Any

from buildstate.domain import contents
from buildstate.domain.checkpoints import (
    FORMAT,
    CheckpointKind,
    CheckpointRef,
    CheckpointTrigger,
    Seal,
)
from buildstate.domain.deltas import diff
from buildstate.domain.phases import BuildPhase
from buildstate.stores.chains import Expected
from buildstate.stores.ciphers import Entropy
from buildstate.stores.contracts import Place, Record, Store
from buildstate.stores.envelopes import pack
from buildstate.stores.keyrings import Key, MemoryKeyring

OLD = Key("2026-10", sha256(b"old").digest())
NEW = Key("2026-11", sha256(b"new").digest())
KEYS = MemoryKeyring([OLD, NEW], active=NEW.name)

BINDING: dict[str, Any] = {
    "namespace": "team-a",
    "namespace_uid": "11111111-aaaa-4aaa-8aaa-111111111111",
    "build": "shop",
    "build_uid": "22222222-bbbb-4bbb-8bbb-222222222222",
}


def counted() -> Entropy:
    """Bytes that are never the same, and the same in each run."""
    made = 0

    def entropy(size: int) -> bytes:
        nonlocal made
        made += 1
        return sha256(f"{made}".encode()).digest()[:size]

    return entropy


def seal_of(content: bytes, **fields: Any) -> Seal:
    """The seal of a full checkpoint, but for what is given."""
    given: dict[str, Any] = {
        "format": FORMAT,
        **BINDING,
        "number": 1,
        "epoch": 0,
        "sequence": 4,
        "phase": BuildPhase.BUILD.value,
        "kind": CheckpointKind.FULL.value,
        "trigger": CheckpointTrigger.TRANSITION.value,
        "parent": "",
        "content_digest": contents.digest(content),
        "time": "2026-11-03T10:00:00.000Z",
    }
    return Seal(**{**given, **fields})


def content_at(number: int) -> dict[str, Any]:
    """What a build holds at its checkpoint of that number: much stays, a ring moves on."""
    ring = [
        {"sequence": n, "to": "BUILD", "reason": "PhaseDone"} for n in range(number, number + 32)
    ]
    return {
        "build": {"namespace": "team-a", "name": "shop", "labels": {"app": "ü\u2028"}},
        "spec": {"phase": "COMPLETE", "phases": {"build": {"image": "golang:1.25"}}},
        "state": {
            "sequence": number,
            "history": ring,
            "failure": None if number % 3 else {"exit": 1},
        },
        "dependencies": {},
        "artifacts": [{"name": f"a{n}", "sha256": "0" * 64} for n in range(number % 5)],
        "resources": {"isHeld": number % 2 == 0},
    }


class Line:
    """The checkpoints of one build in a store; `key` wraps what is added, None: not encrypted."""

    def __init__(self, store: Store, key: Key | None = NEW, **fields: Any) -> None:
        self.store = store
        self.key = key
        self.fields = {**BINDING, **fields}
        self.place = Place(self.fields["namespace"], self.fields["build_uid"])
        self.refs: list[CheckpointRef] = []
        self.contents: list[bytes] = []
        self.entropy = counted()

    @property
    def expected(self) -> Expected:
        """What the build expects of its checkpoints."""
        binding = {name: self.fields[name] for name in BINDING if name != "build"}
        return Expected(**binding)

    def record(self, content: dict[str, Any], **fields: Any) -> Record:
        """The next checkpoint as it would be stored: a delta where `kind` says so."""
        data = contents.encode(content)
        last = self.refs[-1] if self.refs else None
        given = {
            "number": last.number + 1 if last else 1,
            "sequence": last.sequence + 1 if last else 1,
            "epoch": last.epoch if last else 0,
            "parent": last.digest if last else "",
        }
        seal = seal_of(data, **{**self.fields, **given, **fields})
        plain = data
        if seal.kind == CheckpointKind.DELTA:
            before = contents.decode(self.contents[-1])
            assert before is not None
            plain = contents.encode(diff(before, content))
        self.seal, self.content = seal, data
        return pack(seal, plain, self.key, self.entropy)

    async def add(self, content: dict[str, Any], **fields: Any) -> CheckpointRef:
        """Save the next checkpoint and refer to it."""
        record = self.record(content, **fields)
        await self.store.save(self.place, record)
        self.refs.append(self.seal.reference())
        self.contents.append(self.content)
        return self.refs[-1]

    async def grow(self, count: int, full_every: int = 4) -> None:
        """Save that many checkpoints, of which every so many are full."""
        for _ in range(count):
            number = len(self.refs)
            kind = CheckpointKind.DELTA if number % full_every else CheckpointKind.FULL
            await self.add(deepcopy(content_at(number + 1)), kind=kind.value)
