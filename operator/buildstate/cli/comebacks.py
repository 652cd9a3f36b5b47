"""How lost builds come back: each is made again, and watched until the operator has taken it up."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buildstate.api.v1alpha1 import API_VERSION, KIND
from buildstate.cli.candidates import Candidate, Recipe, recipe_of, requests_left
from buildstate.cli.sessions import Session
from buildstate.domain.errors import (
    AlreadyExists,
    BuildStateError,
    ErrorCategory,
    Permanent,
    Transient,
)
from buildstate.domain.names import ORIGIN_ANNOTATION
from buildstate.kube.ports import Document, Key, Resource
from buildstate.stores.bundles import StateDamage
from buildstate.stores.contracts import Place
from buildstate.stores.registries import UnknownStore

RESTORED = "restored"
EXISTS = "exists"
FAILED = "FAILED"

AT_ONCE = 16
TRIES = 4
POLL_SECONDS = 0.5
SETTLE_SECONDS = 3.0
"""How long a new namespace takes, at most, until it has the ServiceAccount that Pods need."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one lost build; `now` is how it stands."""

    candidate: Candidate
    word: str
    now: str = "-"
    reason: str = ""
    is_forbidden: bool = False

    @classmethod
    def failed(cls, candidate: Candidate, reason: str, *, is_forbidden: bool = False) -> "Result":
        """Give the result of a build that was not restored."""
        return cls(candidate, FAILED, reason=reason, is_forbidden=is_forbidden)


@dataclass(slots=True)
class _Progress:
    total: int
    made: int = 0
    ended: int = 0

    def words(self) -> str:
        """Say how far it is."""
        return f"{self.made:,} of {self.total:,} made, {self.ended:,} taken up by the operator"


async def make_namespace(session: Session, name: str) -> None:
    """Make a namespace; one that is there is no error."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    try:
        await session.cluster.create(Resource.NAMESPACES, body)
    except AlreadyExists:
        return


async def bring_back(
    session: Session, candidates: Sequence[Candidate], patience: float
) -> list[Result]:
    """Make them again, and give what became of each.

    `patience` is how many seconds to wait for the operator while it takes up none of them.
    """
    progress, gate = _Progress(len(candidates)), asyncio.Semaphore(AT_ONCE)

    async def make(one: Candidate) -> Result | None:
        async with gate:
            result = await _make(session, one)
        progress.made += result is None
        progress.ended += result is not None
        return result

    async with session.console.showing(progress.words):
        made = await asyncio.gather(*(make(one) for one in candidates))
        waiting = [one for one, result in zip(candidates, made, strict=True) if result is None]
        taken = await _taken_up(session, waiting, progress, patience)
    return [*(one for one in made if one is not None), *taken]


async def _make(session: Session, one: Candidate) -> Result | None:
    """Make one build again; give the result only where that failed."""
    summary = one.summary
    try:
        place = Place(summary.namespace, summary.uid, summary.name, summary.area)
        recipe = await recipe_of(session, one.store, place)
        if isinstance(recipe, StateDamage):
            return Result.failed(one, recipe.message)
        wrong = _misplaced(session, one, recipe)
        if wrong:
            return Result.failed(one, wrong)
        return await _create(session, one, body_of(recipe))
    except BuildStateError as error:
        is_forbidden = isinstance(error, Permanent) and error.reason == "Forbidden"
        return Result.failed(one, str(error), is_forbidden=is_forbidden)


def _misplaced(session: Session, one: Candidate, recipe: Recipe) -> str:
    """Say why the operator would not look for the checkpoints where they are."""
    policy = recipe.spec.get("checkpoints")
    named = policy.get("store") if isinstance(policy, Mapping) else None
    store = session.registry.get(named)
    if isinstance(store, UnknownStore):
        return store.message
    if store.name != one.store.name:
        return (
            f"it is in store {one.store.name}, but its spec leads to {store.name}: let the operator"
            f" have {one.store.name} under that name, or as its default"
        )
    return ""


def body_of(recipe: Recipe) -> Document:
    """Give the object that the operator begins with what the lost build had."""
    summary = recipe.summary
    metadata: dict[str, Any] = {
        "namespace": summary.namespace,
        "name": summary.name,
        "labels": dict(summary.labels),
        "annotations": {ORIGIN_ANNOTATION: summary.uid},
    }
    spec = requests_left(recipe)
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}


async def _create(session: Session, one: Candidate, body: Document) -> Result | None:
    for attempt in range(1, TRIES + 1):
        try:
            await session.cluster.create(Resource.BUILDS, body)
        except AlreadyExists:
            return await _taken(session, one)
        except Transient as error:
            if attempt == TRIES:
                raise
            await asyncio.sleep(error.retry_after or 0.2 * 2**attempt)
        else:
            return None
    return None


async def _taken(session: Session, one: Candidate) -> Result | None:
    """Say whose the name is; it is ours where only the answer to our own attempt was lost."""
    key = Key(one.summary.namespace, one.summary.name)
    found = await session.cluster.get(Resource.BUILDS, key)
    known = (found["metadata"].get("annotations") or {}) if found else {}
    if known.get(ORIGIN_ANNOTATION) == one.summary.uid:
        return None
    return Result(one, EXISTS, reason="somebody made a build of that name meanwhile: left alone")


# Until the operator has taken them up.


async def _taken_up(
    session: Session, waiting: Sequence[Candidate], progress: _Progress, patience: float
) -> list[Result]:
    clock = asyncio.get_running_loop().time
    results, left, deadline = list[Result](), list(waiting), clock() + patience
    gate, trouble = asyncio.Semaphore(AT_ONCE), ""

    async def look(one: Candidate) -> Result | None:
        async with gate:
            return await _look(session, one)

    while left and clock() < deadline:
        try:
            seen = await asyncio.gather(*(look(one) for one in left))
        except Transient as error:
            trouble = f" ({error})"
        else:
            news = [one for one in seen if one is not None]
            left = [one for one, found in zip(left, seen, strict=True) if found is None]
            results += news
            progress.ended += len(news)
            deadline = clock() + patience if news else deadline
        await asyncio.sleep(POLL_SECONDS if left else 0)
    said = f"it is made, but no operator has taken it up in {patience:g} s: see its logs{trouble}"
    return [*results, *(Result.failed(one, said) for one in left)]


async def _look(session: Session, one: Candidate) -> Result | None:
    key = Key(one.summary.namespace, one.summary.name)
    build = await session.cluster.get(Resource.BUILDS, key)
    if build is None:
        return Result.failed(one, "it was made, and somebody has deleted it again")
    # The API server shows INIT for a build that nobody has taken up yet.
    status = build.get("status") or {}
    return _result(one, status) if "id" in status else None


def _result(one: Candidate, status: Mapping[str, Any]) -> Result:
    failure, source = status.get("failure") or {}, (status.get("recovery") or {}).get("checkpoint")
    now = f"{status.get('phase')} {status.get('status')}"
    if failure.get("category") == ErrorCategory.RECOVERY_FAILURE and not source:
        return Result(one, FAILED, now=now, reason=str(failure.get("message", "")))
    return Result(one, RESTORED, now=now, reason=f"from {source}" if source else "")
