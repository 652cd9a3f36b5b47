"""Which lost builds are made again, and what is said of those that are not."""

from typing import Any

import pytest
from tests.cli.desks import Cluster, Heard, done, session
from tests.stores.lines import NEW, OLD, Line
from tests.stores.states import CURRENT, NAMESPACE, UID, a_bundle, a_time

from buildstate.cli import comebacks
from buildstate.domain import integrity
from buildstate.domain.errors import AlreadyExists, Permanent, Transient
from buildstate.kube.ports import Key, Resource
from buildstate.stores.keyrings import MemoryKeyring
from buildstate.stores.memories import MemoryStore
from buildstate.stores.persistences import StatePersistence

TAKEN_UP = {
    "id": "uid",
    "phase": "INIT",
    "status": "Running",
    "recovery": {"checkpoint": "2-build-0a0a0a0a"},
}
LOST = {
    "id": "uid",
    "phase": "ERROR",
    "status": "Failed",
    "failure": {"category": "RecoveryFailure", "message": "no checkpoint verifies"},
}
FAILED_BEFORE = {**TAKEN_UP, "failure": LOST["failure"]}
ALL = ["restore-from-store", "-n", NAMESPACE, "--yes", "--wait=0.1"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comebacks, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(comebacks, "SETTLE_SECONDS", 0.0)


async def holding(*bundles: dict[str, Any], name: str = "main") -> MemoryStore:
    """A store with these states."""
    store = MemoryStore(name)
    for bundle in bundles:
        await StatePersistence(store).save_state(bundle)
    return store


def another(uid: str, name: str = "demo", minute: int = 0, **spec: Any) -> dict[str, Any]:
    """A state of another build, as of that minute."""
    bundle = a_bundle(2, id=uid, timestamp=a_time(minute))
    bundle["build"]["name"] = name
    bundle["spec"] |= spec
    return bundle


# Nothing to be done, or nothing that could be.


async def test_a_namespace_of_which_the_store_has_nothing_is_a_failure_with_a_hint() -> None:
    heard, kube = Heard(), Cluster(NAMESPACE)
    assert 1 == await done(session(heard, kube=kube), ALL)
    assert f"nothing found of {NAMESPACE}/* in main. See what is there with: states" in heard.err


@pytest.mark.parametrize("words", [["--build", "other"], ["--uid", "other"], ["--archived"]])
async def test_what_was_not_asked_for_is_not_made(words: list[str]) -> None:
    kube = Cluster(NAMESPACE, status=TAKEN_UP)
    wanted = [*ALL, *words]
    code = await done(session(Heard(), await holding(a_bundle(2)), kube=kube), wanted)
    assert (0, 1) if words == ["--archived"] else (1, 0) == (code, len(kube.builds()))


async def test_a_build_is_not_looked_for_in_all_namespaces() -> None:
    heard = Heard()
    with pytest.raises(Exception, match="--build goes with --namespace"):
        await done(session(heard, kube=Cluster()), ["restore-from-store", "-A", "--build", "demo"])


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({"uid": UID}, "it is not lost: left alone"),
        (
            {"uid": "x", "annotations": {"buildstate.dev/restore-from": UID}},
            "it was restored before: left alone",
        ),
        ({"uid": "stranger"}, "another build of that name is there (stranger): left alone"),
    ],
)
async def test_what_is_there_is_left_alone(there: dict[str, Any], said: str) -> None:
    heard, kube = Heard(), Cluster(NAMESPACE)
    kube.has({"metadata": {"namespace": NAMESPACE, "name": "demo", **there}})
    assert 0 == await done(session(heard, await holding(a_bundle(2)), kube=kube), ALL)
    assert said in heard.out
    assert "there is nothing to be made again" in heard.err
    assert "create" not in [call[0] for call in kube.calls]


async def test_a_namespace_that_is_missing_is_not_made_unless_it_is_said() -> None:
    heard, kube = Heard(), Cluster()
    assert 1 == await done(session(heard, await holding(a_bundle(2)), kube=kube), ALL)
    assert f"namespace {NAMESPACE} is missing: make it, or say --create-namespaces" in heard.out
    assert [] == kube.builds()


async def test_a_namespace_that_is_being_deleted_is_waited_for_by_whoever_asks() -> None:
    heard, kube = Heard(), Cluster(NAMESPACE)
    space = kube.objects[Resource.NAMESPACES, Key("", NAMESPACE)]
    meta = {**space["metadata"], "deletionTimestamp": "now"}
    kube.objects[Resource.NAMESPACES, Key("", NAMESPACE)] = {"metadata": meta}
    words = [*ALL, "--create-namespaces"]
    assert 1 == await done(session(heard, await holding(a_bundle(2)), kube=kube), words)
    assert "is being deleted: wait until it is gone, and make it anew" in heard.out


async def test_a_namespace_that_this_operator_does_not_serve_is_refused() -> None:
    heard, kube = Heard(), Cluster(NAMESPACE)
    served = session(heard, await holding(a_bundle(2)), kube=kube, namespaces=("red", "blue"))
    assert 1 == await done(served, ALL)
    assert "this operator serves only red, blue" in heard.out


async def test_nothing_is_done_where_nobody_agrees() -> None:
    for heard in (Heard(), Heard(live=True, typed="no\n")):
        kube = Cluster(NAMESPACE)
        with pytest.raises(Exception, match="nothing was done"):
            await done(
                session(heard, await holding(a_bundle(2)), kube=kube),
                ["restore-from-store", "-n", NAMESPACE],
            )
        assert [] == kube.builds()
        assert "make it again" in heard.err


async def test_a_dry_run_makes_nothing_and_shows_all() -> None:
    heard, kube = Heard(), Cluster()
    words = ["restore-from-store", "-A", "--dry-run", "--create-namespaces"]
    assert 0 == await done(session(heard, await holding(a_bundle(2)), kube=kube), words)
    assert "BUILD Running" in heard.out
    assert "make the namespace, and make it again" in heard.out
    assert "nothing was done; 1 build would be made again" in heard.err
    assert "create" not in [call[0] for call in kube.calls]


# What goes wrong on the way.


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Permanent("may not create", reason="Forbidden"), "may not create"),
        (Permanent("spec.phase: unknown", reason="Invalid"), "spec.phase: unknown"),
    ],
)
async def test_a_refusal_of_the_cluster_is_shown_with_what_to_do(
    error: Permanent, said: str
) -> None:
    heard, kube = Heard(), Cluster(NAMESPACE, create=[error])
    assert 1 == await done(session(heard, await holding(a_bundle(2)), kube=kube), ALL)
    assert said in heard.out
    asked_for = f"kubectl -n {NAMESPACE} create rolebinding" in heard.err
    assert asked_for == (error.reason == "Forbidden")


async def test_a_cluster_that_stumbles_is_asked_again() -> None:
    errors = [Transient("slow", retry_after=0.01), None]
    heard, kube = Heard(), Cluster(NAMESPACE, status=TAKEN_UP, create=errors)
    assert 0 == await done(session(heard, await holding(a_bundle(2)), kube=kube), ALL)
    assert "1 restored, 0 there already, 0 not" in heard.err


async def test_an_answer_that_was_lost_is_no_stranger() -> None:
    store = await holding(a_bundle(2))
    kube = Late(NAMESPACE, {"buildstate.dev/restore-from": UID})
    assert 0 == await done(session(Heard(), store, kube=kube), ALL)
    heard, kube = Heard(), Late(NAMESPACE, {})
    assert 0 == await done(session(heard, store, kube=kube), ALL)
    assert "somebody made a build of that name meanwhile: left alone" in heard.out


class Late(Cluster):
    """A cluster in which the build is there when it is to be created."""

    def __init__(self, namespace: str, annotations: dict[str, str]) -> None:
        super().__init__(namespace)
        self._annotations = annotations

    async def create(self, resource: Resource, body: Any) -> Any:
        self.has(
            {
                "metadata": {**body["metadata"], "annotations": self._annotations},
                "status": TAKEN_UP,
            }
        )
        raise AlreadyExists("taken")


async def test_an_operator_that_does_not_come_is_not_waited_for_for_ever() -> None:
    heard, kube = Heard(), Cluster(NAMESPACE)
    assert 1 == await done(session(heard, await holding(a_bundle(2)), kube=kube), ALL)
    assert "no operator has taken it up in 0.1 s: see its logs" in heard.out


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (LOST, 1, "no checkpoint verifies"),
        (TAKEN_UP, 0, "from 2-build-0a0a0a0a"),
        (FAILED_BEFORE, 0, "from 2-build-0a0a0a0a"),
        ({"phase": "INIT"}, 1, "no operator has taken it up"),
    ],
)
async def test_only_what_went_on_from_a_checkpoint_is_restored(
    status: dict[str, Any], code: int, said: str
) -> None:
    heard, kube = Heard(), Cluster(NAMESPACE, status=status)
    assert code == await done(session(heard, await holding(a_bundle(2)), kube=kube), ALL)
    assert said in heard.out


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"checkpoints": {"store": "tape"}}, "there is no store tape"),
        ({"checkpoints": {"store": "other"}}, "is in store main, but its spec leads to other"),
    ],
)
async def test_a_build_whose_store_the_operator_would_not_find_is_not_made(
    spec: dict[str, Any], said: str
) -> None:
    heard, kube = Heard(), Cluster(NAMESPACE)
    stores = (await holding(another(UID, **spec)), MemoryStore("other"))
    assert 1 == await done(session(heard, *stores, kube=kube), ALL)
    assert said in heard.out
    assert [] == kube.builds()


async def test_what_is_damaged_beyond_repair_is_named_and_the_others_are_made() -> None:
    store = await holding(a_bundle(2))
    await store.write(CURRENT.replace(UID, "torn"), b"{")
    heard, kube = Heard(), Cluster(NAMESPACE, status=TAKEN_UP)
    assert 1 == await done(session(heard, store, kube=kube), ALL)
    assert f"damaged: {NAMESPACE}/torn: " in heard.err
    assert 1 == len(kube.builds())


# What is made.


async def test_it_is_made_with_all_that_it_was_and_the_uid_of_the_lost_one() -> None:
    kube, bundle = Cluster(NAMESPACE, status=TAKEN_UP), a_bundle(2)
    bundle["spec"] = {"phase": "TEST", "request": {"id": "r2", "action": "Checkpoint"}}
    assert 0 == await done(session(Heard(), await holding(bundle), kube=kube), ALL)
    made = kube.builds()[0]
    assert bundle["spec"] == made["spec"]
    assert {
        "namespace": NAMESPACE,
        "name": "demo",
        "labels": {"team": "blue"},
        "annotations": {"buildstate.dev/restore-from": UID},
        "uid": "made",
    } == made["metadata"]


async def test_a_request_that_was_answered_is_not_asked_again() -> None:
    answer = {"id": "r1", "action": "Archive", "outcome": "Done", "time": a_time(1)}
    bundle = a_bundle(2, lastRequest=answer)
    bundle["spec"] = {"phase": "TEST", "request": {"id": "r1", "action": "Archive"}}
    kube = Cluster(NAMESPACE, status=TAKEN_UP)
    assert 0 == await done(session(Heard(), await holding(bundle), kube=kube), ALL)
    assert {"phase": "TEST"} == kube.builds()[0]["spec"]


async def test_of_the_same_name_the_newest_is_made_unless_another_is_named() -> None:
    store = await holding(another("old", minute=2), another("new", minute=9))
    for more, uid in (((), "new"), (("--uid", "old"), "old")):
        heard, kube = Heard(), Cluster(NAMESPACE, status=TAKEN_UP)
        assert 0 == await done(session(heard, store, kube=kube), [*ALL, *more])
        (made,) = kube.builds()
        assert uid == made["metadata"]["annotations"]["buildstate.dev/restore-from"]
        assert ("1 older state of the same names" in heard.err) == (not more)


async def test_missing_namespaces_are_made_where_it_is_said() -> None:
    heard, kube = Heard(), Cluster(status=TAKEN_UP)
    words = ["restore-from-store", "-A", "--yes", "--create-namespaces"]
    assert 0 == await done(session(heard, await holding(a_bundle(2)), kube=kube), words)
    assert f"made 1 namespace: {NAMESPACE}" in heard.err
    assert ["create", "create"] == [call[0] for call in kube.calls if call[0] == "create"]


async def test_without_a_state_what_its_newest_sound_checkpoint_holds_is_made() -> None:
    store = MemoryStore("main")
    line = Line(store)
    state = a_bundle(2, id=line.place.uid)["state"]
    plain = {name: part for name, part in state.items() if name != "digest"}
    identity = {"namespace": "team-a", "name": "shop", "labels": {}}
    spec = {"phase": "COMPLETE"}
    await line.add({"build": identity, "spec": spec, "state": plain, "resources": {}})
    await store.write(f"active/team-a/{line.place.uid}/current_state.json", b"{")
    assert integrity.verify(state)

    keys = MemoryKeyring([OLD, NEW], active=NEW.name)
    heard, kube = Heard(), Cluster("team-a", status=TAKEN_UP)
    words = ["restore-from-store", "-n", "team-a", "--yes"]
    assert 0 == await done(session(heard, store, kube=kube, keyring=keys), words)
    assert spec == kube.builds()[0]["spec"]
    assert "what it asked for is that of its newest sound checkpoint" in heard.err
