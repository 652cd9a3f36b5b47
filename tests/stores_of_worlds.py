"""A store for worlds without machinery: what it was given, until somebody damages it.

It does what the engine does around a real one: it chains the references, remembers its troubles
until it is tried again, and skips what is damaged for what was before it.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from buildstate.domain.captures import Capture, kind_of_next, retain
from buildstate.domain.checkpoints import CheckpointKind, CheckpointRef, name_of
from buildstate.domain.observed import Damaged, Held, Recoverable, Trouble
from buildstate.domain.plan import Plan
from buildstate.domain.restores import Wanted
from buildstate.domain.specs import BuildSpec, CheckpointPolicy
from buildstate.domain.states import BuildState

PAUSE = timedelta(seconds=7)
"""How long the store is left alone after it could not be used."""

Refs = tuple[CheckpointRef, ...]


class KeptStore:
    """What was stored, and whether it can be written and read just now."""

    def __init__(self) -> None:
        self.stored: dict[str, Held] = {}
        self.broken: set[str] = set()
        self.is_writable = self.is_readable = True
        self.is_permanent = False
        self.saving: Trouble | None = None
        self.reading: Trouble | None = None

    def take(self, decision: Plan, spec: BuildSpec, now: datetime) -> BuildState | None:
        """Store what is due; give the state with its references, or None where that failed."""
        state = decision.state
        if state is None or not decision.captures:
            return state
        if not self.is_writable:
            self.saving = self._trouble(now)
            return None
        self.saving = None
        policy = spec.checkpoints or CheckpointPolicy()
        for capture in decision.captures:
            held = self._seal(capture, state, spec, policy.full_every, now)
            self.stored[held.ref.name] = held
            state = replace(state, checkpoints=(*state.checkpoints, held.ref))
        return replace(state, checkpoints=retain(state.checkpoints, policy.keep))

    def read(self, refs: Refs, due: Wanted, claims: set[str], now: datetime) -> Recoverable:
        """Give what a restore finds, as the engine would."""
        if self.reading is not None and now < self.reading.retry_time:
            return Recoverable(trouble=self.reading)
        self.reading = None if self.is_readable else self._trouble(now)
        if self.reading is not None:
            return Recoverable(trouble=self.reading)
        if due.name is not None:
            candidates = [ref for ref in refs if ref.name == due.name]
            missing = () if candidates else (Damaged(name=due.name, message="is missing"),)
        else:
            candidates = [ref for ref in refs if ref.epoch >= due.least_epoch]
            missing = ()
        sound = [ref for ref in candidates if self._is_sound(ref, refs)]
        newest = sound[-1] if sound else None
        skipped = [ref for ref in candidates if newest is None or ref.number > newest.number]
        damaged = tuple(Damaged(name=ref.name, message="is altered") for ref in skipped)
        held = self.stored[newest.name] if newest else None
        gone = held is not None and bool(held.state.phases) and held.state.workspace_claim
        obstacle = "the workspace is gone" if gone and gone not in claims else ""
        return Recoverable(found=held, refs=refs, damaged=(*missing, *damaged), obstacle=obstacle)

    def are_readable(self, refs: Refs) -> bool:
        """Say whether everything that the references need to be read is among them."""
        known = {ref.digest for ref in refs}
        deltas = (ref for ref in refs if ref.kind is CheckpointKind.DELTA)
        return all(ref.parent in known for ref in deltas)

    def _is_sound(self, ref: CheckpointRef, refs: Refs) -> bool:
        if ref.name in self.broken:
            return False
        if ref.kind is CheckpointKind.FULL:
            return True
        parent = next((one for one in refs if one.digest == ref.parent), None)
        return parent is not None and self._is_sound(parent, refs)

    def _trouble(self, now: datetime) -> Trouble:
        return Trouble(
            reason="PersistenceError",
            message="the store is down",
            retry_time=now + PAUSE,
            is_permanent=self.is_permanent,
        )

    def _seal(
        self, capture: Capture, state: BuildState, spec: BuildSpec, full_every: int, now: datetime
    ) -> Held:
        newest = state.newest_checkpoint
        number = newest.number + 1 if newest else 1
        said = f"{number} {capture.state.sequence} {capture.trigger} {now} {len(self.stored)}"
        digest = f"sha256:{sha256(said.encode()).hexdigest()}"
        ref = CheckpointRef(
            name=name_of(number, capture.state.phase, digest),
            number=number,
            epoch=capture.state.epoch,
            sequence=capture.state.sequence,
            phase=capture.state.phase,
            kind=kind_of_next(state.checkpoints, full_every),
            trigger=capture.trigger,
            digest=digest,
            parent=newest.digest if newest else "",
            time=now,
        )
        return Held(ref=ref, state=capture.state, spec=spec)
