"""`verify`: every checkpoint is read and verified as if it were to be restored."""

import asyncio
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from buildstate.api import convert
from buildstate.cli.consoles import counted, table
from buildstate.cli.sessions import Misused, Session
from buildstate.cli.verbs import DONE, INCOMPLETE, Verb, store_option
from buildstate.domain.checkpoints import CheckpointRef, Damage
from buildstate.domain.states import BuildState
from buildstate.kube.ports import Document, Key, Resource
from buildstate.stores.archives import CURRENT
from buildstate.stores.bundles import StateFilter
from buildstate.stores.chains import Expected, Reader, by_digest
from buildstate.stores.contracts import Area, Place, Store
from buildstate.stores.discoveries import discover
from buildstate.stores.persistences import StatePersistence
from buildstate.stores.registries import UnknownStore

AT_ONCE = 8
"""How many builds are looked at at the same time."""

_HEADER = ("NAMESPACE", "BUILD", "CHECKPOINT", "REASON", "MESSAGE")


@dataclass(slots=True)
class Tally:
    """What was seen so far; `damaged` are rows of the table."""

    builds: int = 0
    checkpoints: int = 0
    damaged: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)

    def words(self) -> str:
        """Say how far it is."""
        return (
            f"verified {counted(self.checkpoints, 'checkpoint')} of"
            f" {counted(self.builds, 'build')}, {len(self.damaged):,} damaged"
        )

    def blame(self, key: Key, checkpoint: str, reason: str, message: str) -> None:
        """Note what does not hold."""
        self.damaged.setdefault((key.namespace, key.name, checkpoint), (reason, message))


def options(parser: ArgumentParser) -> None:
    """Add what is to be verified."""
    store_option(parser)
    parser.add_argument("--namespace", "-n", metavar="NS", help="only builds of this namespace")
    parser.add_argument("--build", metavar="NAME", help="only this build; goes with --namespace")
    parser.add_argument(
        "--all",
        action="store_true",
        help="also what the stores hold and no build in the cluster refers to, archived ones too",
    )


async def do(session: Session, given: Namespace) -> int:
    """Verify, and name what is damaged; INCOMPLETE where anything is."""
    if given.build and (given.all or not given.namespace):
        raise Misused("--build goes with --namespace, and not with --all")
    tally, gate = Tally(), asyncio.Semaphore(AT_ONCE)
    async with session.console.showing(tally.words):
        builds = [one async for one in _builds(session, given)]
        spaces = _Namespaces(session)
        await asyncio.gather(*(_build(session, spaces, one, tally, gate) for one in builds))
        if given.all:
            await _everything(session, given.namespace, tally, gate)
    rows = [(*place, *why) for place, why in sorted(tally.damaged.items())]
    if rows:
        session.console.say(table(_HEADER, rows))
    session.console.say(tally.words())
    if given.build and not builds:
        session.console.tell(f"there is no build {given.namespace}/{given.build} in the cluster")
    return INCOMPLETE if rows or (given.build and not builds) else DONE


async def _builds(session: Session, given: Namespace) -> AsyncIterator[Document]:
    if given.build:
        key = Key(given.namespace, given.build)
        found = await session.cluster.get(Resource.BUILDS, key)
        if found:
            yield found
        return
    for one in (await session.cluster.list_all(Resource.BUILDS)).items:
        yield one


class _Namespaces:
    """The uids of the namespaces, each asked for once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._uids: dict[str, str] = {}

    async def uid(self, name: str) -> str | None:
        """Give the uid of a namespace, None where it is gone."""
        if name not in self._uids:
            found = await self._session.cluster.get(Resource.NAMESPACES, Key("", name))
            if found is None:
                return None
            self._uids[name] = found["metadata"]["uid"]
        return self._uids[name]


async def _build(
    session: Session, spaces: _Namespaces, build: Document, tally: Tally, gate: asyncio.Semaphore
) -> None:
    key = Key(build["metadata"]["namespace"], build["metadata"]["name"])
    try:
        state = convert.state_of(build)
    except ValueError:  # of pydantic
        tally.blame(key, "-", "StateCorruption", "its status cannot be read")
        return
    if state is None or not state.checkpoints:
        return
    store = _store(session, build)
    if isinstance(store, UnknownStore):
        tally.blame(key, "-", "StoreUnknown", store.message)
    elif store.name in [one.name for one in session.stores]:
        async with gate:
            tally.builds += 1
            expected = Expected(
                namespace=key.namespace,
                namespace_uid=await spaces.uid(key.namespace),
                build_uid=build["metadata"]["uid"],
            )
            await _checkpoints(session, store, build, state, expected, tally)


def _store(session: Session, build: Document) -> Store | UnknownStore:
    policy = convert.spec_of(build).checkpoints
    return session.registry.get(policy.store if policy else None)


async def _checkpoints(
    session: Session,
    store: Store,
    build: Document,
    state: BuildState,
    expected: Expected,
    tally: Tally,
) -> None:
    key = Key(expected.namespace, build["metadata"]["name"])
    area = Area.ARCHIVED if state.is_archived else Area.ACTIVE
    place = Place(key.namespace, expected.build_uid, key.name, area)
    reader = Reader(partial(store.load, place), expected, session.keyring)
    refs = by_digest(state.checkpoints)
    damaged: dict[CheckpointRef, Damage] = {}
    for ref in state.checkpoints:
        found = await reader.read(ref, refs)
        tally.checkpoints += 1
        if isinstance(found, Damage):
            damaged[ref] = found
    kept = await _still_referred_to(session, key, expected.build_uid) if damaged else set()
    for ref, damage in damaged.items():
        if (ref.name, area) in kept:
            tally.blame(key, ref.name, damage.reason, damage.message)


async def _still_referred_to(session: Session, key: Key, uid: str) -> set[tuple[str, Area]]:
    """Name what the build refers to now: meanwhile it may have gone on, or was put away."""
    build = await session.cluster.get(Resource.BUILDS, key)
    if build is None or build["metadata"]["uid"] != uid:
        return set()
    state = convert.state_of(build)
    if state is None:
        return set()
    area = Area.ARCHIVED if state.is_archived else Area.ACTIVE
    return {(ref.name, area) for ref in state.checkpoints}


async def _everything(
    session: Session, namespace: str | None, tally: Tally, gate: asyncio.Semaphore
) -> None:
    places = [
        (store, place)
        for store in session.stores
        for area in Area
        for place in await store.places(area, namespace)
    ]
    await asyncio.gather(*(_place(session, store, place, tally, gate) for store, place in places))
    for store in session.stores:
        for area in Area:
            chosen = StateFilter(namespace=namespace, area=area)
            for damage in (await StatePersistence(store).list_states(chosen)).damaged:
                where = Key(damage.namespace, damage.uid)
                tally.blame(where, CURRENT, damage.reason, damage.message)


async def _place(
    session: Session, store: Store, place: Place, tally: Tally, gate: asyncio.Semaphore
) -> None:
    async with gate:
        expected = Expected(
            namespace=place.namespace,
            namespace_uid=None,
            build_uid=place.uid,
            must_be_encrypted=session.is_encrypted,
        )
        found = await discover(store, place, expected, 0, session.keyring)
    tally.builds += bool(found.refs or found.skipped)
    tally.checkpoints += len(found.refs) + len(found.skipped)
    known: Mapping[str, str] = {name: word for (_, _, name), (word, _) in tally.damaged.items()}
    for one in found.skipped:
        if known.get(one.name) != one.damage.reason:
            where = Key(place.namespace, place.uid)
            tally.blame(where, one.name, one.damage.reason, one.damage.message)


VERB = Verb(
    name="verify",
    summary="read and verify checkpoints",
    description="""\
Reads every checkpoint that a build in the cluster refers to, and verifies it down to its last
byte, as a restore would. With --all also what the stores hold besides: of builds that are gone,
archived ones, and the states beside them. A checkpoint that a crash has left behind may be
among those until the next sweep of the operator (5 minutes). Nothing is changed.""",
    examples="""\
  buildstate verify
  buildstate verify --namespace team --build nightly
  buildstate verify --all --store s3""",
    options=options,
    do=do,
    needs_cluster=True,
)
