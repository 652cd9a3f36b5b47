"""What does not hold is named, and nothing else."""

from typing import Any

import pytest
from tests.cli.desks import Cluster, Heard, done, session
from tests.stores.lines import BINDING, KEYS, Line
from tests.stores.states import a_bundle

from buildstate.cli.sessions import Misused
from buildstate.kube.ports import Document, Key, Resource
from buildstate.stores.memories import MemoryStore

SPACE, UID = BINDING["namespace"], BINDING["build_uid"]
WHERE = ["-n", SPACE, "--build", "shop"]


async def line(count: int = 3) -> tuple[Line, MemoryStore]:
    store = MemoryStore("main")
    one = Line(store)
    await one.grow(count)
    return one, store


def build(one: Line, **spec: Any) -> Document:
    """The build that refers to these checkpoints."""
    bundle = a_bundle(2, id=UID)
    status = {**bundle["state"], "checkpoints": references(one), "history": []}
    meta = {"namespace": SPACE, "name": "shop", "uid": UID, "resourceVersion": "1"}
    return {"metadata": meta, "spec": {"phase": "COMPLETE", **spec}, "status": status}


def references(one: Line) -> list[Document]:
    """The references as a status has them."""
    return [
        {
            "name": ref.name,
            "number": ref.number,
            "epoch": ref.epoch,
            "sequence": ref.sequence,
            "phase": ref.phase.value,
            "kind": ref.kind.value,
            "trigger": ref.trigger.value,
            "digest": ref.digest,
            "parent": ref.parent,
            "time": "2026-11-03T10:00:00.000Z",
            "damage": "",
        }
        for ref in one.refs
    ]


def with_build(one: Document) -> Cluster:
    kube = Cluster()
    kube.objects[Resource.NAMESPACES, Key("", SPACE)] = {
        "metadata": {"namespace": "", "name": SPACE, "uid": BINDING["namespace_uid"]}
    }
    kube.has(one)
    return kube


async def damage(one: Line, store: MemoryStore) -> str:
    """Flip a bit of the newest payload, and name it."""
    name = one.refs[-1].name
    path = f"active/{SPACE}/{UID}/checkpoints/{name}.payload"
    blob = await store.read(path)
    assert blob is not None
    await store.write(path, blob.data[:-1] + bytes([blob.data[-1] ^ 1]))
    return name


@pytest.mark.parametrize("words", [["--build", "shop"], ["-n", SPACE, "--build", "shop", "--all"]])
async def test_a_build_is_named_with_its_namespace_and_alone(words: list[str]) -> None:
    with pytest.raises(Misused, match="--build goes with --namespace"):
        await done(session(Heard(), kube=Cluster()), ["verify", *words])


async def test_a_build_that_is_not_there_is_no_success() -> None:
    heard = Heard()
    assert 1 == await done(session(heard, kube=Cluster()), ["verify", *WHERE])
    assert f"there is no build {SPACE}/shop in the cluster" in heard.err


async def test_what_is_damaged_is_named_with_the_reason() -> None:
    one, store = await line()
    kube, name = with_build(build(one)), await damage(one, store)
    heard = Heard()
    code = await done(session(heard, store, kube=kube, keyring=KEYS), ["verify", *WHERE])
    assert 1 == code
    row = next(row for row in heard.out.splitlines() if name in row)
    assert row.startswith(f"{SPACE}     shop   {name}  PayloadAltered")
    assert heard.out.endswith("verified 3 checkpoints of 1 build, 1 damaged\n")


async def test_a_store_that_is_unknown_is_damage_of_its_build() -> None:
    one, store = await line()
    kube, heard = with_build(build(one, checkpoints={"store": "tape"})), Heard()
    assert 1 == await done(session(heard, store, kube=kube, keyring=KEYS), ["verify"])
    assert "StoreUnknown" in heard.out


async def test_a_status_that_cannot_be_read_is_damage_of_its_build() -> None:
    one, store = await line()
    broken = build(one)
    kube, heard = with_build({**broken, "status": {"phase": "LUNCH"}}), Heard()
    assert 1 == await done(session(heard, store, kube=kube, keyring=KEYS), ["verify"])
    assert "its status cannot be read" in heard.out


async def test_what_the_build_let_go_meanwhile_is_not_missing() -> None:
    one, store = await line()
    kube, heard = Going(with_build(build(one)), build(one)), Heard()
    await store.remove(f"active/{SPACE}/{UID}/checkpoints/{one.refs[0].name}.json")
    assert 0 == await done(session(heard, store, kube=kube, keyring=KEYS), ["verify"])


class Going(Cluster):
    """A cluster in which the build has no checkpoints any more when it is looked at again."""

    def __init__(self, other: Cluster, build: Document) -> None:
        super().__init__()
        self.objects = other.objects
        self._after = {**build, "status": {**build["status"], "checkpoints": []}}

    async def get(self, resource: Resource, key: Key) -> Document | None:
        found = await super().get(resource, key)
        return self._after if resource is Resource.BUILDS else found


async def test_with_all_a_state_that_cannot_be_read_is_named() -> None:
    store, heard = MemoryStore("main"), Heard()
    await store.write(f"archived/{SPACE}/{UID}/current_state.json", b"{")
    assert 1 == await done(session(heard, store, kube=Cluster()), ["verify", "--all"])
    row = heard.out.splitlines()[1]
    assert [SPACE, UID, "current_state.json", "Unreadable"] == row.split()[:4]


async def test_all_that_holds_is_counted() -> None:
    one, store = await line(5)
    heard = Heard()
    kube = with_build(build(one))
    assert 0 == await done(session(heard, store, kube=kube, keyring=KEYS), ["verify", *WHERE])
    assert "verified 5 checkpoints of 1 build, 0 damaged\n" == heard.out


async def test_with_all_what_no_build_refers_to_is_verified_too() -> None:
    one, store = await line()
    kube = Cluster()
    for damaged in (False, True):
        name = await damage(one, store) if damaged else ""
        heard = Heard()
        code = await done(session(heard, store, kube=kube, keyring=KEYS), ["verify", "--all"])
        assert (code, name in heard.out) == (int(damaged), True)
        assert UID in heard.out if damaged else "0 damaged" in heard.out
