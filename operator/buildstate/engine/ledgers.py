"""What each namespace has promised to its builds, and who waits there.

It is the memory of the line and not its truth: promises are in the status of the builds, the order
follows from them, and all is counted anew at the start. Whoever may go on is woken by what made
room; nobody looks by himself. It is asked and told without waiting, so that no two workers are
given the same room.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from buildstate.domain import admissions, allotments
from buildstate.domain.lines import Allotment, Party, Room, admitted
from buildstate.domain.needs import Demand
from buildstate.domain.observed import Moment, Observed
from buildstate.domain.parties import party
from buildstate.domain.phases import BuildPhase
from buildstate.domain.terms import Amounts, Bounds, Quota, Terms, amounts
from buildstate.kube.ports import Clock, Key


class Figures(Protocol):
    """The counters that the line moves."""

    def promised(self, seconds: float) -> None:
        """Count one promise, and how long its build waited for it."""


@dataclass(eq=False)
class Entry:
    """One build in the books of its namespace.

    `granted` is what it may write down as its promise, until it has. `told` is the last place in
    line that people were told.
    """

    key: Key
    party: Party
    asked: datetime
    granted: Amounts | None = None
    told: int | None = None

    @property
    def counts(self) -> bool:
        """Say whether room is kept for it."""
        return self.party.is_promised or self.granted is not None


@dataclass
class Ledger:
    """The books of one namespace. `line` is in order."""

    quotas: dict[str, Quota] = field(default_factory=dict)
    limits: dict[str, tuple[Bounds, ...]] = field(default_factory=dict)
    entries: dict[Key, Entry] = field(default_factory=dict)
    line: list[Entry] = field(default_factory=list)
    refused: set[Key] = field(default_factory=set)
    terms: Terms = field(default_factory=Terms)

    def read(self) -> None:
        """Make the terms anew of what is known."""
        self.terms = Terms(
            quotas=tuple(self.quotas[name] for name in sorted(self.quotas)),
            bounds=tuple(one for name in sorted(self.limits) for one in self.limits[name]),
        )

    def room(self) -> Room:
        """Give what is left beside what is promised."""
        promised = (entry.party for entry in self.entries.values() if entry.counts)
        return Room(self.terms.quotas, promised)

    def put(self, entry: Entry) -> None:
        """Take a build into the books, and into the line where it waits."""
        self.drop(entry.key)
        self.entries[entry.key] = entry
        if not entry.counts:
            insort(self.line, entry, key=_rank)

    def drop(self, key: Key) -> Entry | None:
        """Strike a build out; give what was known of it."""
        known = self.entries.pop(key, None)
        if known is not None and not known.counts:
            del self.line[self.place(known) - 1]
        return known

    def place(self, entry: Entry) -> int:
        """Give the place of one who waits, counted from 1."""
        return bisect_left(self.line, _rank(entry), key=_rank) + 1

    def admitted(self) -> set[str]:
        """Name who of the waiting may go on now."""
        return {one.name for one in admitted([entry.party for entry in self.line], self.room())}

    def to_wake(self) -> Iterator[Key]:
        """Give who of the waiting may go on, and whose place is half of what was told."""
        may = self.admitted() if self.line else set()
        for place, entry in enumerate(self.line, 1):
            if entry.party.name in may or (entry.told and place * 2 <= entry.told):
                yield entry.key


def _rank(entry: Entry) -> tuple[int, datetime, str]:
    return entry.party.rank


class Ledgers:
    """The books of all namespaces that have quotas or limit ranges; no others cost anything.

    `look` gives a build as the cache has it, `builds` all keys of a namespace. `wake` has a build
    looked at; whoever runs the line sets it.
    """

    def __init__(
        self,
        look: Callable[[Key], Observed | None],
        builds: Callable[[str], Iterable[Key]],
        clock: Clock,
        figures: Figures,
    ) -> None:
        self._look = look
        self._builds = builds
        self.wake: Callable[[Key], None] = lambda _key: None
        self._clock = clock
        self._figures = figures
        self._ledgers: dict[str, Ledger] = {}

    def waiting(self) -> int:
        """Count the builds that wait in any line."""
        return sum(len(ledger.line) for ledger in self._ledgers.values())

    def informed(self, observed: Observed) -> Observed:
        """Give `observed` with the terms of its namespace and, where it asks, with the answer."""
        known = self._under_terms(observed)
        if known.terms is None:
            return known
        now = self._clock.now()
        wanted = admissions.wanted(Moment(observed=known, now=now))
        if wanted is None:
            return known
        return replace(known, allotment=self._ask(known, wanted, known.terms, now))

    def settle(self, after: Observed) -> None:
        """Take note of how a pass has left a build, and wake who may go on because of it."""
        ledger = self._ledgers.get(after.namespace)
        if ledger is None:
            return
        key = Key(after.namespace, after.name)
        before, seen = ledger.drop(key), self._look(key)
        is_waiting = after.allotment is not None and after.allotment.promise is None
        # Its Pods are no longer those that the pass began with.
        entry = self._booked(seen, before, is_waiting=is_waiting) if seen else None
        if entry is not None:
            ledger.put(entry)
            self._tell(before, entry)
        if _matters(before, entry):
            self._wake_all(ledger.to_wake())

    def forget(self, key: Key) -> None:
        """Strike out a build that is gone."""
        ledger = self._ledgers.get(key.namespace)
        if ledger is not None:
            ledger.refused.discard(key)
            if ledger.drop(key) is not None:
                self._wake_all(ledger.to_wake())

    def refused(self, key: Key) -> None:
        """Take note that the API server had no room for what was promised; the next quota event
        of the namespace wakes the build.
        """
        ledger = self._ledgers.get(key.namespace)
        if ledger is not None:
            ledger.refused.add(key)

    def quota(self, namespace: str, name: str, quota: Quota | None) -> None:
        """Take in a quota as it is now, None where it is gone."""
        ledger = self._ledgers.setdefault(namespace, Ledger())
        known = ledger.quotas.pop(name, None)
        if quota is not None:
            ledger.quotas[name] = quota
        ledger.read()
        if _says(known) != _says(quota):
            self._enlist(namespace)
        else:
            self._wake_all(ledger.to_wake())
        refused, ledger.refused = ledger.refused, set()
        self._wake_all(refused)

    def limits(self, namespace: str, name: str, bounds: tuple[Bounds, ...]) -> None:
        """Take in a limit range as it is now, empty where it is gone."""
        ledger = self._ledgers.setdefault(namespace, Ledger())
        if ledger.limits.pop(name, ()) != bounds:
            ledger.limits.update({name: bounds} if bounds else {})
            ledger.read()
            self._enlist(namespace)

    def _ask(self, known: Observed, wanted: Demand, terms: Terms, now: datetime) -> Allotment:
        ledger, key = self._ledgers[known.namespace], Key(known.namespace, known.name)
        before = ledger.drop(key)
        entry = _applicant(known, wanted, terms, now, before)
        ledger.put(entry)
        promise = allotments.promise_of(wanted, terms)
        was_granted = before is not None and before.granted is not None
        if was_granted and before and before.party.needs == entry.party.needs:
            return Allotment(promise=self._grant(ledger, entry, promise))
        if entry.party.name in ledger.admitted():
            return Allotment(promise=self._grant(ledger, entry, promise))
        place = ledger.place(entry)
        if entry.told is None or place * 2 <= entry.told:
            entry.told = place
        shortage = ledger.room().shortage(entry.party)
        return Allotment(
            lack=str(shortage) if shortage else "", place=place, waiting=len(ledger.line)
        )

    def _grant(self, ledger: Ledger, entry: Entry, promise: Amounts) -> Amounts:
        ledger.drop(entry.key)
        entry.granted = promise
        ledger.put(entry)
        return promise

    def _booked(self, seen: Observed, before: Entry | None, *, is_waiting: bool) -> Entry | None:
        """Give what the books say of a build from now on, or None where it is none of theirs."""
        known = self._under_terms(seen)
        if known.terms is None or known.deleting:
            return None
        promised = amounts(known.state.resources.promised) if known.state else {}
        if not promised or known.state is None:
            # A grant that was not made use of is given back.
            return before if before and is_waiting and not before.counts else None
        left = allotments.demand(known.state, known)
        since = known.state.start_time or self._clock.now()
        seat = party(known, left, known.terms, since, promised)
        asked = before.asked if before else self._clock.now()
        return Entry(Key(known.namespace, known.name), seat, asked)

    def _tell(self, before: Entry | None, entry: Entry) -> None:
        was_promised = before is None or before.party.is_promised
        if entry.party.is_promised and not was_promised:
            self._figures.promised((self._clock.now() - entry.asked).total_seconds())

    def _under_terms(self, observed: Observed) -> Observed:
        ledger = self._ledgers.get(observed.namespace)
        # What stands in a queue of Kueue's does not stand in ours.
        if ledger is None or not ledger.terms or observed.queue_name:
            return observed
        return replace(observed, terms=ledger.terms)

    def _enlist(self, namespace: str) -> None:
        """Count a namespace anew, and have its builds looked at: its terms are others now."""
        ledger = self._ledgers[namespace]
        known, ledger.entries, ledger.line = ledger.entries, {}, []
        for key in self._builds(namespace):
            observed = self._look(key)
            if observed is not None and not _is_over(observed):
                entry = self._enlisted(self._under_terms(observed), known.get(key))
                if entry is not None:
                    ledger.put(entry)
                self.wake(key)
        if not ledger.terms:
            del self._ledgers[namespace]

    def _enlisted(self, observed: Observed, known: Entry | None) -> Entry | None:
        booked = self._booked(observed, None, is_waiting=False)
        if booked is not None or observed.terms is None:
            return booked
        now = self._clock.now()
        wanted = admissions.wanted(Moment(observed=observed, now=now))
        if wanted is None:
            return None
        return _applicant(observed, wanted, observed.terms, now, known)

    def _wake_all(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self.wake(key)


def _applicant(
    observed: Observed, wanted: Demand, terms: Terms, now: datetime, before: Entry | None
) -> Entry:
    state = observed.state
    since = (state.start_time if state else None) or now
    told = before.told if before else allotments.said_place(state) if state else None
    asked = before.asked if before and not before.party.is_promised else now
    key = Key(observed.namespace, observed.name)
    return Entry(key, party(observed, wanted, terms, since, None), asked, told=told)


def _is_over(observed: Observed) -> bool:
    state = observed.state
    return state is not None and (state.phase is BuildPhase.COMPLETE or state.is_archived)


def _matters(before: Entry | None, entry: Entry | None) -> bool:
    """Say whether somebody else may have more room, or another place, than before."""
    if before is entry:
        return False
    if before is None or entry is None:
        return before is not None
    if before.party.is_promised != entry.party.is_promised:
        return True
    return before.party.needs != entry.party.needs or before.party.holds != entry.party.holds


def _says(quota: Quota | None) -> object:
    return None if quota is None else (quota.hard, quota.scopes)
