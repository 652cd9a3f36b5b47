"""Which lost builds the stores could give back, and what there is to make each of them again."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from buildstate.cli.sessions import Session
from buildstate.stores.bundles import Bundle, StateDamage, StateFilter, StateSummary, summary_of
from buildstate.stores.chains import Expected, find_newest
from buildstate.stores.contracts import Area, Place, Store
from buildstate.stores.discoveries import discover
from buildstate.stores.persistences import Loaded, StatePersistence

AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Candidate:
    """A build as a store has it. `remark` says what had to be put right to know it."""

    store: Store
    summary: StateSummary
    remark: str = ""

    @property
    def title(self) -> str:
        """Name it."""
        return f"{self.summary.namespace}/{self.summary.name}"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be restored, by what was asked for: the newest of each name.

    `older` are those of the same name that are not; `damaged` says what nothing is known of.
    """

    chosen: tuple[Candidate, ...] = ()
    older: tuple[Candidate, ...] = ()
    damaged: tuple[StateDamage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which builds were asked for; `namespace` is None for all."""

    namespace: str | None = None
    build: str | None = None
    uid: str | None = None
    archived: bool = False

    def takes(self, summary: StateSummary) -> bool:
        """Say whether a build is one of them."""
        return self.build in (None, summary.name) and self.uid in (None, summary.uid)


async def choose(session: Session, wish: Wish) -> Choice:
    """Read what the stores know, and choose."""
    found, damaged = list[Candidate](), list[StateDamage]()
    areas = tuple(Area) if wish.archived else (Area.ACTIVE,)
    for store in session.stores:
        for area in areas:
            async with session.console.showing(session.reading(f"store {store.name}")):
                states, lost = await _read(session, store, wish, area)
            found += states
            damaged += lost
    ordered = sorted((one for one in found if wish.takes(one.summary)), key=_rank, reverse=True)
    newest: dict[str, Candidate] = {}
    for one in ordered:
        newest.setdefault(one.title, one)
    chosen = tuple(sorted(newest.values(), key=lambda one: one.title))
    uids = {one.summary.uid for one in chosen}
    older = tuple(one for one in ordered if one.summary.uid not in uids)
    kept = tuple(one for one in damaged if wish.build is None and wish.uid in (None, one.uid))
    return Choice(chosen, older, kept)


def _rank(one: Candidate) -> tuple[object, ...]:
    # What is being put away is in both areas for a moment, and whole in the active one.
    return one.summary.time, one.summary.sequence, one.summary.area is Area.ACTIVE


async def _read(
    session: Session, store: Store, wish: Wish, area: Area
) -> tuple[list[Candidate], list[StateDamage]]:
    persistence = StatePersistence(store)
    listing = await persistence.list_states(StateFilter(namespace=wish.namespace, area=area))
    known = {(one.namespace, one.uid) for one in listing.states}
    places = await store.places(area, wish.namespace)
    rest = [place for place in places if (place.namespace, place.uid) not in known]
    gate = asyncio.Semaphore(AT_ONCE)
    saved = await asyncio.gather(*(_salvage(session, store, place, gate) for place in rest))
    return (
        [
            *(Candidate(store, one) for one in listing.states),
            *(one for one in saved if isinstance(one, Candidate)),
        ],
        [one for one in saved if isinstance(one, StateDamage)],
    )


async def _salvage(
    session: Session, store: Store, place: Place, gate: asyncio.Semaphore
) -> Candidate | StateDamage:
    """Give a build of which the state is damaged or missing, by what else there is of it."""
    async with gate:
        recipe = await recipe_of(session, store, place)
    if isinstance(recipe, StateDamage):
        return recipe
    return Candidate(store, recipe.summary, recipe.remark)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a build is made from again: what it asked for, its labels, and what it had answered."""

    summary: StateSummary
    spec: Mapping[str, Any]
    answered: str = ""
    remark: str = field(default="", compare=False)


async def recipe_of(session: Session, store: Store, place: Place) -> Recipe | StateDamage:
    """Give what a store has of one build: by its state, or else by its newest sound checkpoint."""
    loaded = await StatePersistence(store).load_state(place.namespace, place.uid)
    if isinstance(loaded, Loaded):
        return _recipe(loaded.document, place, loaded.repaired or "")
    document = await _checkpointed(session, store, place)
    if document is None:
        return loaded
    remark = f"{loaded.message}; what it asked for is that of its newest sound checkpoint"
    return _recipe(document, place, remark)


def _recipe(document: Bundle, place: Place, remark: str) -> Recipe:
    answered = document["state"].get("lastRequest") or {}
    asked = document["spec"].get("request") or {}
    # What is archived is put away before that is answered.
    if place.area is Area.ARCHIVED and asked.get("action") == "Archive":
        answered = asked
    summary = summary_of(document, place.area)
    return Recipe(summary, document["spec"], str(answered.get("id", "")), remark)


async def _checkpointed(session: Session, store: Store, place: Place) -> Bundle | None:
    expected = Expected(
        namespace=place.namespace,
        namespace_uid=None,
        build_uid=place.uid,
        must_be_encrypted=session.is_encrypted,
    )
    refs = (await discover(store, place, expected, 0, session.keyring)).refs
    found = await find_newest(store, place, refs, expected, session.keyring)
    if found.checkpoint is None:
        return None
    document = found.checkpoint.document
    whole = all(isinstance(document.get(part), Mapping) for part in ("build", "spec", "state"))
    return document if whole else None


def requests_left(recipe: Recipe) -> Mapping[str, Any]:
    """Give the spec without a request that was answered: that is done, and needs no right again."""
    request = recipe.spec.get("request")
    if isinstance(request, Mapping) and request.get("id") == recipe.answered:
        return {name: part for name, part in recipe.spec.items() if name != "request"}
    return recipe.spec


def titles(candidates: Sequence[Candidate]) -> str:
    """Name some of them."""
    named = ", ".join(one.title for one in candidates[:3])
    return f"{named} and {len(candidates) - 3:,} more" if len(candidates) > 3 else named
