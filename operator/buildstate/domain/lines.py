"""The line of one namespace: who is promised what its quotas have, and who waits for whom.

The order is priority, then age, then name. A build that waits reserves what it needs: nobody behind
it gets any of that, but whoever needs other things may pass. The sum of what is promised never
passes what a quota allows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from buildstate.domain.terms import Amounts, Quota, said

Account = tuple[str, str]
"""A quota by its name, and one key of it."""

Sums = Mapping[Account, int]
"""Amounts by account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One build in the line.

    `needs` is what it has to be promised to go on, or was promised; `holds` is what its Pods and
    its claim really use of that at present.
    """

    name: str
    priority: int
    since: datetime
    needs: Sums
    holds: Sums = field(default_factory=dict)
    is_promised: bool = False

    @property
    def rank(self) -> tuple[int, datetime, str]:
        """What orders the line: less comes first."""
        return (-self.priority, self.since, self.name)


@dataclass(frozen=True, slots=True)
class Shortage:
    """What a build waits for: `free` is what is left for it, which may be less than nothing."""

    account: Account
    needed: int
    free: int

    def __str__(self) -> str:
        quota, name = self.account
        free = said(max(0, self.free))
        return f"{name} {said(self.needed)} is needed, {free} is free in quota {quota}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotment:
    """What the line answered to a build: what it is promised, or None and its place.

    `lack` says what is missing; it is empty for who has to wait for others only.
    """

    promise: Amounts | None = None
    lack: str = ""
    place: int = 0
    waiting: int = 0


class Room:
    """What the quotas of a namespace have left, as promises and places in the line take of it."""

    def __init__(self, quotas: Iterable[Quota], promised: Iterable[Party]) -> None:
        self.hard = {(q.name, name): value for q in quotas for name, value in q.hard.items()}
        self._used = {(q.name, name): value for q in quotas for name, value in q.used.items()}
        self._promised: dict[Account, int] = {}
        self._held: dict[Account, int] = {}
        for party in promised:
            self.take(party)

    def take(self, party: Party) -> None:
        """Put what `party` needs aside for it."""
        for account, value in party.needs.items():
            self._promised[account] = self._promised.get(account, 0) + value
        for account, value in party.holds.items():
            self._held[account] = self._held.get(account, 0) + value

    def free(self, account: Account, holds: int = 0) -> int:
        """Give what is left, for one who uses `holds` of it already."""
        # What ours use they were promised; the rest is used by somebody else.
        ours = self._held.get(account, 0) + holds
        others = max(0, self._used.get(account, 0) - ours)
        return self.hard.get(account, 0) - others - self._promised.get(account, 0)

    def shortage(self, party: Party) -> Shortage | None:
        """Give the first thing that is missing for `party`, or None where it fits."""
        for account, value in party.needs.items():
            free = self.free(account, party.holds.get(account, 0))
            if value > free:
                return Shortage(account, value, free)
        return None


def admitted(line: Iterable[Party], room: Room) -> list[Party]:
    """Give who of the waiting, which are in order, may go on now; `room` is used up by it."""
    waiting = list(line)
    open_needs = {_shape(party) for party in waiting}
    found = []
    for party in waiting:
        if not open_needs:
            break  # None of those behind could find room: nothing that happens here adds to it.
        if _shape(party) in open_needs and room.shortage(party) is None:
            found.append(party)
        else:
            open_needs.discard(_shape(party))
        room.take(party)
    return found


def _shape(party: Party) -> tuple[frozenset[tuple[Account, int]], frozenset[tuple[Account, int]]]:
    return frozenset(party.needs.items()), frozenset(party.holds.items())
