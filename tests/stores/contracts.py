"""What every store does, as tests: a subclass names its store in the fixture `store`.

Documents and checkpoints live below a namespace and a uid that each test has to itself, so a store
may be shared by them all, and by what others keep in it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

from buildstate.domain.errors import AlreadyExists, Conflict, Permanent
from buildstate.stores.contracts import Area, Place, Record, Store

MANIFEST = b'{"seal":{"build":"de mo \xc3\xbc"},"key":null}'
RECORD = Record("7-build-1f9b02ac", MANIFEST, b"\x00\xff payload")
FIVE_MEGABYTES = 5_000_000
RACERS = 8

Act = Callable[[], Awaitable[object]]

BAD_PATHS = [
    "",
    "/etc/passwd",
    "../outside",
    "active/../../outside",
    "active/./x",
    "active//x",
    "active/x/",
    ".lock",
    "active/.temporary/x",
    "active\\..\\x",
    "active/x\0",
    "active/x\n",
    "active/\ud800",
    f"active/{'x' * 250}",
    "/".join(["ü" * 100] * 6),
]


class StoreContract:
    """The tests; `namespace` may be overridden where it must exist."""

    large = FIVE_MEGABYTES

    @pytest.fixture
    def store(self) -> Store:
        """The store under test."""
        raise NotImplementedError

    @pytest.fixture
    def namespace(self) -> str:
        """The namespace that everything is kept in."""
        return "team"

    @pytest.fixture
    def place(self, namespace: str) -> Place:
        """A build of its own."""
        return Place(namespace, str(uuid4()), "demo")

    @pytest.fixture
    def home(self, place: Place) -> str:
        """The directory of that build."""
        return f"active/{place.namespace}/{place.uid}"

    # Documents.

    async def test_what_is_not_there_is_none(self, store: Store, home: str) -> None:
        assert await store.read(f"{home}/current_state.json") is None
        assert [] == await store.list(f"{home}/")

    @pytest.mark.parametrize("path", BAD_PATHS)
    async def test_a_path_that_leads_elsewhere_is_refused(self, store: Store, path: str) -> None:
        acts: list[Act] = [
            lambda: store.read(path),
            lambda: store.create(path, b""),
            lambda: store.write(path, b""),
            lambda: store.swap(path, b"", None),
            lambda: store.remove(path),
        ]
        for act in acts:
            with pytest.raises(Permanent) as refused:
                await act()
            assert "BadPath" == refused.value.reason

    async def test_a_prefix_that_leads_elsewhere_is_refused(self, store: Store) -> None:
        for prefix in ("../", "/", "active/../", "."):
            with pytest.raises(Permanent):
                await store.list(prefix)

    async def test_a_document_is_created_only_once(self, store: Store, home: str) -> None:
        await store.create(f"{home}/a.json", b"first")
        with pytest.raises(AlreadyExists, match=r"a\.json"):
            await store.create(f"{home}/a.json", b"second")
        assert b"first" == await read(store, f"{home}/a.json")

    async def test_of_many_who_create_one_wins(self, store: Store, home: str) -> None:
        path = f"{home}/race.json"
        bodies = [str(number).encode() for number in range(RACERS)]
        won = await winners(*(store.create(path, body) for body in bodies))
        assert 1 == len(won)
        assert bodies[won[0]] == await read(store, path)

    async def test_what_is_written_replaces_what_was_there(self, store: Store, home: str) -> None:
        for body in (b"first", b"second", b""):
            await store.write(f"{home}/a.json", body)
            assert body == await read(store, f"{home}/a.json")

    async def test_a_swap_takes_the_version_that_was_read(self, store: Store, home: str) -> None:
        path = f"{home}/a.json"
        await store.swap(path, b"first", None)
        await store.swap(path, b"second", await version(store, path))
        assert b"second" == await read(store, path)

    async def test_a_swap_of_an_old_version_changes_nothing(self, store: Store, home: str) -> None:
        path = f"{home}/a.json"
        await store.create(path, b"first")
        old = await version(store, path)
        await store.write(path, b"second")
        for stale in (old, None):
            with pytest.raises(Conflict):
                await store.swap(path, b"third", stale)
        assert b"second" == await read(store, path)

    async def test_a_swap_does_not_bring_back_what_is_gone(self, store: Store, home: str) -> None:
        path = f"{home}/a.json"
        await store.create(path, b"first")
        old = await version(store, path)
        await store.remove(path)
        with pytest.raises(Conflict):
            await store.swap(path, b"second", old)
        assert await store.read(path) is None

    async def test_of_many_who_swap_one_wins(self, store: Store, home: str) -> None:
        path = f"{home}/race.json"
        await store.create(path, b"first")
        old = await version(store, path)
        bodies = [str(number).encode() for number in range(RACERS)]
        won = await winners(*(store.swap(path, body, old) for body in bodies))
        assert 1 == len(won)
        assert bodies[won[0]] == await read(store, path)

    async def test_of_many_who_swap_in_what_is_new_one_wins(self, store: Store, home: str) -> None:
        path = f"{home}/race.json"
        bodies = [str(number).encode() for number in range(RACERS)]
        won = await winners(*(store.swap(path, body, None) for body in bodies))
        assert 1 == len(won)
        assert bodies[won[0]] == await read(store, path)

    async def test_what_is_removed_is_gone_and_may_be_again(self, store: Store, home: str) -> None:
        path = f"{home}/a.json"
        await store.create(path, b"first")
        await store.remove(path)
        await store.remove(path)
        assert await store.read(path) is None
        await store.create(path, b"again")
        assert b"again" == await read(store, path)

    async def test_a_list_is_sorted_and_of_one_prefix(self, store: Store, home: str) -> None:
        names = ["history/b.json", "history/a.json", "historyx/c.json", "current_state.json"]
        for name in names:
            await store.create(f"{home}/{name}", b"")
        assert [f"{home}/{name}" for name in sorted(names)] == await store.list(f"{home}/")
        history = [f"{home}/history/a.json", f"{home}/history/b.json"]
        assert history == await store.list(f"{home}/history/")
        assert [*history, f"{home}/historyx/c.json"] == await store.list(f"{home}/hist")
        assert [history[1]] == await store.list(f"{home}/history/b")
        assert set(history) < set(await store.list(""))

    async def test_any_text_is_a_name_and_any_bytes_a_body(self, store: Store, home: str) -> None:
        for name in ("ü 1%20+#?&=.json", "日本語", "a'b\"c"):
            await store.create(f"{home}/odd/{name}", bytes(range(256)))
            assert bytes(range(256)) == await read(store, f"{home}/odd/{name}")
        assert 3 == len(await store.list(f"{home}/odd/"))

    async def test_what_is_empty_or_large_comes_back_whole(self, store: Store, home: str) -> None:
        large = bytes(range(256)) * (self.large // 256)
        await store.create(f"{home}/empty", b"")
        await store.create(f"{home}/large", large)
        assert b"" == await read(store, f"{home}/empty")
        assert large == await read(store, f"{home}/large")

    async def test_what_is_too_large_is_refused_and_says_so(self, store: Store, home: str) -> None:
        if store.limit is None:
            return
        with pytest.raises(Permanent, match="limit") as refused:
            await store.create(f"{home}/large", bytes(store.limit + 1))
        assert "TooLarge" == refused.value.reason

    # Checkpoints.

    async def test_a_checkpoint_comes_back_as_it_was(self, store: Store, place: Place) -> None:
        for number, payload in enumerate((b"", bytes(range(256)), bytes(self.large))):
            record = Record(f"{number}-build-1f9b02ac", MANIFEST, payload)
            await store.save(place, record)
            assert record == await store.load(place, record.name)
        assert 3 == len(await store.names(place))

    async def test_no_checkpoint_of_that_name_is_none(self, store: Store, place: Place) -> None:
        assert await store.load(place, "1-init-00000000") is None
        assert [] == await store.names(place)

    @pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "x\0"])
    async def test_a_name_that_leads_elsewhere_is_refused(
        self, store: Store, place: Place, name: str
    ) -> None:
        acts: list[Act] = [
            lambda: store.load(place, name),
            lambda: store.manifest(place, name),
            lambda: store.delete(place, name),
            lambda: store.save(place, Record(name, MANIFEST, b"")),
        ]
        for act in acts:
            with pytest.raises(Permanent):
                await act()

    async def test_a_place_that_leads_elsewhere_is_refused(self, store: Store) -> None:
        for place in (Place("../x", "u"), Place("team", ".."), Place("", "u")):
            with pytest.raises(Permanent):
                await store.save(place, RECORD)

    async def test_a_checkpoint_is_never_replaced(self, store: Store, place: Place) -> None:
        await store.save(place, RECORD)
        for other in (
            Record(RECORD.name, MANIFEST, b"another payload"),
            Record(RECORD.name, b'{"another":"manifest"}', RECORD.payload),
        ):
            with pytest.raises(AlreadyExists):
                await store.save(place, other)
        assert RECORD == await store.load(place, RECORD.name)

    async def test_the_same_checkpoint_again_is_no_error(self, store: Store, place: Place) -> None:
        await store.save(place, RECORD)
        await store.save(place, RECORD)
        assert RECORD == await store.load(place, RECORD.name)

    async def test_of_many_who_save_one_wins(self, store: Store, place: Place) -> None:
        records = [Record(RECORD.name, MANIFEST, str(number).encode()) for number in range(RACERS)]
        won = await winners(*(store.save(place, record) for record in records))
        assert 1 == len(won)
        assert records[won[0]] == await store.load(place, RECORD.name)

    async def test_a_manifest_can_be_read_alone(self, store: Store, place: Place) -> None:
        assert await store.manifest(place, RECORD.name) is None
        await store.save(place, RECORD)
        assert MANIFEST == await store.manifest(place, RECORD.name)
        await store.replace_manifest(place, Record(RECORD.name, MANIFEST, b""), b'{"key":"new"}')
        assert b'{"key":"new"}' == await store.manifest(place, RECORD.name)
        assert await store.manifest(place, "8-build-1f9b02ac") is None
        archived = Place(place.namespace, place.uid, "demo", Area.ARCHIVED)
        assert await store.manifest(archived, RECORD.name) is None

    async def test_another_manifest_takes_the_place_of_ours(
        self, store: Store, place: Place
    ) -> None:
        await store.save(place, RECORD)
        await store.replace_manifest(place, RECORD, b'{"key":"new"}')
        assert Record(RECORD.name, b'{"key":"new"}', RECORD.payload) == await store.load(
            place, RECORD.name
        )

    async def test_a_manifest_replaced_twice_is_no_error(self, store: Store, place: Place) -> None:
        await store.save(place, RECORD)
        await store.replace_manifest(place, RECORD, b'{"key":"new"}')
        await store.replace_manifest(place, RECORD, b'{"key":"new"}')

    async def test_a_manifest_that_is_not_ours_stays(self, store: Store, place: Place) -> None:
        with pytest.raises(Conflict):
            await store.replace_manifest(place, RECORD, b"{}")
        await store.save(place, RECORD)
        with pytest.raises(Conflict):
            await store.replace_manifest(place, Record(RECORD.name, b"other", b""), b"{}")
        assert RECORD == await store.load(place, RECORD.name)

    async def test_of_many_who_replace_a_manifest_one_wins(
        self, store: Store, place: Place
    ) -> None:
        await store.save(place, RECORD)
        manifests = [f'{{"key":"{number}"}}'.encode() for number in range(RACERS)]
        won = await winners(*(store.replace_manifest(place, RECORD, one) for one in manifests))
        found = await store.load(place, RECORD.name)
        assert 1 == len(won)
        assert found is not None
        assert manifests[won[0]] == found.manifest

    async def test_a_deleted_checkpoint_is_gone(self, store: Store, place: Place) -> None:
        await store.save(place, RECORD)
        await store.delete(place, RECORD.name)
        await store.delete(place, RECORD.name)
        assert await store.load(place, RECORD.name) is None
        assert [] == await store.names(place)

    async def test_builds_and_areas_are_kept_apart(self, store: Store, place: Place) -> None:
        archived = Place(place.namespace, place.uid, "demo", Area.ARCHIVED)
        other = Place(place.namespace, str(uuid4()), "demo")
        await store.save(place, RECORD)
        assert await store.load(archived, RECORD.name) is None
        assert [] == await store.names(other)
        again = Record(RECORD.name, MANIFEST, b"archived")
        await store.save(archived, again)
        await store.delete(place, RECORD.name)
        assert again == await store.load(archived, RECORD.name)

    async def test_places_are_those_that_hold_something(self, store: Store, place: Place) -> None:
        archived = Place(place.namespace, place.uid, "demo", Area.ARCHIVED)
        other = Place(place.namespace, str(uuid4()), "other")
        await store.save(place, RECORD)
        await store.save(archived, RECORD)
        await store.create(f"active/{other.namespace}/{other.uid}/current_state.json", b"{}")
        found = await store.places(Area.ACTIVE, place.namespace)
        assert {place, other} <= set(found)
        assert archived not in found
        assert found == sorted(found, key=lambda at: (at.namespace, at.uid))
        assert set(found) <= set(await store.places(Area.ACTIVE))
        assert archived in await store.places(Area.ARCHIVED, place.namespace)
        assert place not in await store.places(Area.ACTIVE, "another")


class IncompleteContract(StoreContract):
    """The same for stores that keep a checkpoint in two documents: half of one is nothing."""

    async def test_a_payload_alone_is_invisible_but_named(self, store: Store, place: Place) -> None:
        await half(store, place, "payload")
        assert await store.load(place, RECORD.name) is None
        assert await store.manifest(place, RECORD.name) is None
        assert [RECORD.name] == await store.names(place)
        assert place in await store.places(Area.ACTIVE, place.namespace)

    @pytest.mark.parametrize("end", ["payload", "json"])
    async def test_half_a_checkpoint_can_be_deleted(
        self, store: Store, place: Place, end: str
    ) -> None:
        await half(store, place, end)
        assert await store.load(place, RECORD.name) is None
        await store.delete(place, RECORD.name)
        assert [] == await store.names(place)

    async def test_a_save_goes_on_where_it_broke_off(self, store: Store, place: Place) -> None:
        await half(store, place, "payload")
        await store.save(place, RECORD)
        assert RECORD == await store.load(place, RECORD.name)

    async def test_a_payload_of_another_is_not_taken_over(self, store: Store, place: Place) -> None:
        await half(store, place, "payload")
        with pytest.raises(AlreadyExists):
            await store.save(place, Record(RECORD.name, MANIFEST, b"another"))
        assert await store.load(place, RECORD.name) is None


async def half(store: Store, place: Place, end: str) -> None:
    """Leave what a crash in the middle of a save, or of a deletion, leaves."""
    path = f"active/{place.namespace}/{place.uid}/checkpoints/{RECORD.name}.{end}"
    await store.create(path, RECORD.payload)


async def read(store: Store, path: str) -> bytes | None:
    """The bytes of a document."""
    blob = await store.read(path)
    return blob.data if blob else None


async def version(store: Store, path: str) -> str:
    """The version of a document that is there."""
    blob = await store.read(path)
    assert blob is not None
    return blob.version


async def winners(*attempts: Awaitable[object]) -> list[int]:
    """Those whose attempt went well, by number; all others lost the race and nothing else."""
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert [] == [one for one in results if one is not None and not isinstance(one, Conflict)]
    return [number for number, one in enumerate(results) if one is None]
