"""The specification's RecoveryHandler: it takes checkpoints, and reads them back verified."""

import logging
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

from buildstate.api.fields import rfc3339
from buildstate.domain import contents
from buildstate.domain.captures import CONDITION, Capture, kind_of_next, retain
from buildstate.domain.checkpoints import (
    FORMAT,
    CheckpointKind,
    CheckpointRef,
    Damage,
    DamageReason,
    Seal,
)
from buildstate.domain.deltas import diff
from buildstate.domain.errors import AlreadyExists, BuildStateError, Permanent, Transient
from buildstate.domain.observed import Damaged, Observed, Recoverable, Trouble
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import Plan
from buildstate.domain.restores import Wanted
from buildstate.domain.specs import CheckpointPolicy
from buildstate.domain.states import BuildState
from buildstate.engine import snapshots
from buildstate.engine.allocations import ResourceStateManager
from buildstate.engine.snapshots import Source
from buildstate.engine.troubles import Troubles
from buildstate.engine.vaults import Vault, Vaults
from buildstate.kube.ports import Clock, Key
from buildstate.stores.chains import Checkpoint, Skipped, find_newest, read_checkpoint
from buildstate.stores.ciphers import Entropy
from buildstate.stores.discoveries import discover
from buildstate.stores.envelopes import pack, unpack
from buildstate.stores.threads import SMALL, worked

logger = logging.getLogger(__name__)


class Figures(Protocol):
    """The counters that checkpoints move."""

    def checkpoint_taken(
        self, kind: str, trigger: str, result: str, *, seconds: float, size: int
    ) -> None:
        """Count one checkpoint that was tried to take; `size` is in bytes, 0 where it failed."""

    def checkpoint_damaged(self, reason: str) -> None:
        """Count one checkpoint that did not verify."""


@dataclass(frozen=True, slots=True)
class _Latest:
    """The content of the newest checkpoint of a build, which the next delta is made against."""

    digest: str
    plain: bytes


class RecoveryHandler:
    """Takes checkpoints of builds and gives them back.

    `suspects` are the builds whose store may hold what no status refers to.
    """

    def __init__(
        self,
        vaults: Vaults,
        resources: ResourceStateManager,
        clock: Clock,
        entropy: Entropy,
        figures: Figures,
    ) -> None:
        self._vaults = vaults
        self._resources = resources
        self._clock = clock
        self._entropy = entropy
        self._figures = figures
        self._latest: dict[Key, _Latest] = {}
        self.saving = Troubles()
        self.suspects: set[Key] = set()
        self.reading = Troubles()

    def informed(self, observed: Observed) -> Observed:
        """Give `observed` with what is known about the build's store."""
        return replace(
            observed,
            trouble=_in_known_words(self.saving.of(_key(observed), self._clock.now()), observed),
            is_outside=self._vaults.is_outside(observed),
        )

    async def take(self, observed: Observed, source: Source, decision: Plan) -> BuildState | None:
        """Store every capture of `decision`, and give its state with the references that stay.

        None where one could not be stored, of which the build's trouble then tells.
        """
        state, key = decision.state, _key(observed)
        assert state is not None
        try:
            for capture in decision.captures:
                ref = await self.create_checkpoint(observed, source, capture, state)
                state = replace(state, checkpoints=(*state.checkpoints, ref))
        except BuildStateError as error:
            self._missed(key, error)
            return None
        self.saving.clear(key)
        if state.phase is BuildPhase.COMPLETE:
            self._latest.pop(key, None)
        policy = observed.spec.checkpoints or CheckpointPolicy()
        return replace(state, checkpoints=retain(state.checkpoints, policy.keep))

    def _missed(self, key: Key, error: BuildStateError) -> None:
        self.suspects.add(key)
        now = self._clock.now()
        known, trouble = self.saving.of(key, now), self.saving.note(key, error, now)
        # Once is enough: many builds may wait for the same store for long.
        is_news = known is None or known.reason != trouble.reason
        logger.log(
            logging.WARNING if is_news else logging.DEBUG,
            "a checkpoint is not stored: %s",
            trouble.message,
            extra={"build": str(key)},
        )

    async def create_checkpoint(
        self, observed: Observed, source: Source, capture: Capture, state: BuildState
    ) -> CheckpointRef:
        """Store what `capture` holds, and give the reference that makes it one of the build's.

        `source` is the build as the API server sent it; `state` has the references so far. Raises
        BuildStateError where it could not be stored.
        """
        began, size, result = perf_counter(), 0, "error"
        kind = self._kind(observed, state)
        try:
            vault = await self._vaults.of(observed)
            claims = await self._resources.claims(observed, capture.state)
            content = snapshots.content(observed, source, capture.state, claims)
            plain = await self._encoded(observed, content)
            seal, body = await self._sealed(vault, observed, capture, state, plain)
            kind = CheckpointKind(seal.kind)
            size = await self._store(vault, seal, body)
            result = "stored"
        except BuildStateError as error:
            result = error.reason if isinstance(error, Permanent) else "unavailable"
            raise
        finally:
            seconds = perf_counter() - began
            self._figures.checkpoint_taken(
                kind, capture.trigger, result, seconds=seconds, size=size
            )
        self._latest[_key(observed)] = _Latest(seal.digest, plain)
        return seal.reference()

    async def restore_checkpoint(self, observed: Observed, wanted: Wanted) -> Recoverable:
        """Read and verify the wanted checkpoint, and what it needs of the cluster."""
        key, now = _key(observed), self._clock.now()
        known = self.reading.of(key, now)
        if known is not None and now < known.retry_time:
            return Recoverable(trouble=known)
        try:
            vault = await self._vaults.of(observed, wanted.origin)
            found = await self._find(vault, observed, wanted)
            obstacle = (
                await self._resources.restore_resource_state(observed, found.found)
                if found.found
                else ""
            )
        except BuildStateError as error:
            return Recoverable(trouble=self.reading.note(key, error, now))
        self.reading.clear(key)
        return replace(found, obstacle=obstacle)

    async def discard(self, observed: Observed, refs: tuple[CheckpointRef, ...]) -> None:
        """Remove checkpoints that no status refers to any more; what fails is left to the sweep."""
        try:
            vault = await self._vaults.of(observed)
            for ref in refs:
                await vault.store.delete(vault.place, ref.name)
        except BuildStateError as error:
            self.suspects.add(_key(observed))
            extra = {"build": str(_key(observed))}
            logger.warning("an old checkpoint stays until the next sweep: %s", error, extra=extra)

    def forget(self, key: Key) -> None:
        """Forget a build that is gone."""
        self._latest.pop(key, None)
        self.suspects.discard(key)
        self.saving.clear(key)
        self.reading.clear(key)
        self._vaults.forget(key)

    def _kind(self, observed: Observed, state: BuildState) -> CheckpointKind:
        policy = observed.spec.checkpoints or CheckpointPolicy()
        latest, newest = self._latest.get(_key(observed)), state.newest_checkpoint
        if latest is None or newest is None or latest.digest != newest.digest:
            return CheckpointKind.FULL
        return kind_of_next(state.checkpoints, policy.full_every)

    async def _encoded(self, observed: Observed, content: contents.Document) -> bytes:
        before = self._latest.get(_key(observed))
        # About as large as the one before, which costs nothing to know.
        size = len(before.plain) if before else contents.weight(content, SMALL)
        return await worked(size, contents.encode, content)

    async def _sealed(
        self,
        vault: Vault,
        observed: Observed,
        capture: Capture,
        state: BuildState,
        plain: bytes,
    ) -> tuple[Seal, bytes]:
        kind, body, before = CheckpointKind.FULL, plain, self._latest.get(_key(observed))
        if before and self._kind(observed, state) is CheckpointKind.DELTA:
            delta = await worked(len(plain), _delta, before.plain, plain)
            if len(delta) < len(plain):
                kind, body = CheckpointKind.DELTA, delta
        newest = state.newest_checkpoint
        seal = Seal(
            format=FORMAT,
            namespace=observed.namespace,
            namespace_uid=vault.expected.namespace_uid or "",
            build=observed.name,
            build_uid=observed.uid,
            number=newest.number + 1 if newest else 1,
            epoch=capture.state.epoch,
            sequence=capture.state.sequence,
            phase=capture.state.phase,
            kind=kind,
            trigger=capture.trigger,
            parent=newest.digest if newest else "",
            content_digest=contents.digest(plain),
            time=rfc3339(self._clock.now()),
        )
        return seal, body

    async def _store(self, vault: Vault, seal: Seal, body: bytes) -> int:
        record = await worked(len(body), pack, seal, body, vault.keyring.active, self._entropy)
        try:
            await vault.store.save(vault.place, record)
        except AlreadyExists:
            # The same name is the same content: sealed before a crash, under another data key.
            await self._adopt(vault, seal)
        return len(record.payload)

    async def _adopt(self, vault: Vault, seal: Seal) -> None:
        found = await vault.store.load(vault.place, seal.name)
        opened = unpack(found, vault.keyring) if found else None
        if isinstance(opened, Damage) and not opened.is_lasting:
            raise Permanent(opened.message, reason=opened.reason)
        if not isinstance(opened, tuple) or opened[0] != seal:
            # No status can refer to it: the number that is in its name is only now given.
            await vault.store.delete(vault.place, seal.name)
            message = f"checkpoint {seal.name} was there in pieces; trying again"
            raise Transient(message)

    async def _find(self, vault: Vault, observed: Observed, wanted: Wanted) -> Recoverable:
        refs = observed.state.checkpoints if observed.state else ()
        skipped: tuple[Skipped, ...] = ()
        if not refs:
            refs, skipped = await self._discover(vault, observed)
        if wanted.name is not None:
            read = await read_checkpoint(
                vault.store, vault.place, refs, wanted.name, vault.expected, vault.keyring
            )
            damage = (Skipped(wanted.name, read),) if isinstance(read, Damage) else ()
            found = read if isinstance(read, Checkpoint) else None
            return self._judge(refs, found, damage)
        newest = await find_newest(
            vault.store, vault.place, refs, vault.expected, vault.keyring, wanted.least_epoch
        )
        return self._judge(refs, newest.checkpoint, (*newest.skipped, *skipped))

    async def _discover(
        self, vault: Vault, observed: Observed
    ) -> tuple[tuple[CheckpointRef, ...], tuple[Skipped, ...]]:
        least = observed.state.epoch if observed.state else 0
        given = await discover(vault.store, vault.place, vault.unanchored, least, vault.keyring)
        return given.refs, given.skipped

    def _judge(
        self,
        refs: tuple[CheckpointRef, ...],
        found: Checkpoint | None,
        skipped: tuple[Skipped, ...],
    ) -> Recoverable:
        for one in skipped:
            self._figures.checkpoint_damaged(one.damage.reason)
            if not one.damage.is_lasting:
                raise Permanent(one.damage.message, reason=one.damage.reason)
        damaged = tuple(Damaged(name=one.name, message=one.damage.message) for one in skipped)
        held = snapshots.held(found) if found else None
        if isinstance(held, Damaged):
            self._figures.checkpoint_damaged(DamageReason.CONTENT_ALTERED)
            return Recoverable(refs=refs, damaged=(*damaged, held))
        return Recoverable(found=held, refs=refs, damaged=damaged)


def _in_known_words(trouble: Trouble | None, observed: Observed) -> Trouble | None:
    """Give a trouble in the words that the status has for it already, whoever found them.

    Two operators, as there are for a while when one follows another, would never agree on others.
    """
    known = observed.state.condition(CONDITION) if observed.state else None
    if trouble is None or known is None or observed.violations:
        return trouble
    is_known = known.status == "False" and known.reason == trouble.reason
    return replace(trouble, message=known.message) if is_known else trouble


def _delta(before: bytes, after: bytes) -> bytes:
    old, new = contents.decode(before), contents.decode(after)
    assert old is not None
    assert new is not None
    return contents.encode(diff(old, new))


def _key(observed: Observed) -> Key:
    return Key(observed.namespace, observed.name)
