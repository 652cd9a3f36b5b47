import asyncio
from typing import Any

import pytest
from tests.doubles import RecordingKube, StoppedClock, Told

from buildstate.domain.errors import AlreadyExists, Conflict, Permanent, Transient
from buildstate.engine import budgets as engine_budgets
from buildstate.engine.budgets import BudgetKeeper
from buildstate.engine.queues import WorkQueue
from buildstate.engine.wards import watched
from buildstate.kube import budgets
from buildstate.kube.ports import Key, Resource

USUAL = {"pods": "20"}
TEAM = Key("", "team")
QUOTA = Key("team", "buildstate")
LABELLED = {"buildstate.dev/quota": "managed"}


def a_namespace(size: str | None = None, name: str = "team", **metadata: Any) -> dict[str, Any]:
    """A namespace that is labelled, and names a size where one is given."""
    annotations = {} if size is None else {"buildstate.dev/quota": size}
    plain = {"name": name, "uid": f"uid-of-{name}", "labels": LABELLED, "annotations": annotations}
    return {"metadata": {**plain, **metadata}}


def a_quota(hard: dict[str, str], namespace: str = "team", **metadata: Any) -> dict[str, Any]:
    """Our quota of that size."""
    quota = budgets.manifest(namespace, hard)
    quota["metadata"] |= {"uid": "q", "resourceVersion": "5", **metadata}
    return quota


class Desk:
    """A keeper with all that it works on."""

    def __init__(
        self,
        namespaces: list[dict[str, Any]] | None = None,
        quotas: list[dict[str, Any]] | None = None,
        served: tuple[str, ...] = (),
        usual: dict[str, str] | None = USUAL,
        **failing: list[Exception | None],
    ) -> None:
        objects = {Resource.NAMESPACES: namespaces or [], Resource.QUOTAS: quotas or []}
        self.kube = RecordingKube(objects, **failing)
        self.told = Told()
        self.queue: WorkQueue[Key] = WorkQueue()
        clock = StoppedClock()
        self.keeper = BudgetKeeper(self.kube, self.told, clock, self.queue, usual, served)

    async def kept(self) -> list[tuple[Any, ...]]:
        """What is written when the namespace is kept."""
        await self.keeper.keep(TEAM)
        return [call for call in self.kube.calls if call[0] not in ("get", "list")]

    @property
    def said(self) -> list[str]:
        """The reasons of the Events."""
        return [event["reason"] for event in self.told.events]

    async def woken(self) -> list[str]:
        """The namespaces that are due, and are done now."""
        due = []
        while len(self.queue):
            key = await self.queue.get()
            due.append(key.name)
            self.queue.done(key)
        return due


async def test_a_labelled_namespace_gets_its_quota() -> None:
    desk = Desk([a_namespace()])
    assert [("create", Resource.QUOTAS, "buildstate")] == await desk.kept()
    assert ["QuotaSet"] == desk.said
    assert "team" == desk.told.events[0]["metadata"]["namespace"]


async def test_a_quota_of_another_size_is_given_the_right_one_where_it_stands() -> None:
    desk = Desk([a_namespace('{"pods": 3}')], [a_quota(USUAL)])
    ((verb, _, key, body),) = await desk.kept()
    assert ("put", QUOTA, {"pods": "3"}) == (verb, key, body["spec"]["hard"])
    assert ("5", "q") == (body["metadata"]["resourceVersion"], body["metadata"]["uid"])
    assert ["QuotaSet"] == desk.said


async def test_who_has_what_it_asks_for_costs_two_reads() -> None:
    desk = Desk([a_namespace()], [a_quota(USUAL)])
    assert [] == await desk.kept()
    assert ([], 2) == (desk.said, len(desk.kube.calls))


@pytest.mark.parametrize("change", [{"labels": {}}, {"deletionTimestamp": "now"}], ids=str)
async def test_the_quota_goes_with_the_label(change: dict[str, Any]) -> None:
    desk = Desk([a_namespace(**change)], [a_quota(USUAL)])
    assert [("delete", Resource.QUOTAS, QUOTA, "q")] == await desk.kept()
    assert ["QuotaRemoved"] == desk.said


async def test_about_a_namespace_that_is_gone_nothing_is_done() -> None:
    desk = Desk([], [a_quota(USUAL)])
    assert ([], []) == (await desk.kept(), desk.said)


async def test_a_bad_size_is_told_and_the_one_of_before_stays() -> None:
    desk = Desk([a_namespace("a lot")], [a_quota({"pods": "3"})])
    assert [] == await desk.kept()
    assert ["QuotaSizeInvalid"] == desk.said
    assert "Warning" == desk.told.events[0]["type"]


async def test_the_same_complaint_is_the_same_event() -> None:
    desk = Desk([a_namespace("a lot")])
    for _ in range(2):
        await desk.keeper.keep(TEAM)
    complaints = [one for one in desk.told.events if one["reason"] == "QuotaSizeInvalid"]
    assert [2, 1] == [len(complaints), len({one["metadata"]["name"] for one in complaints})]


async def test_what_the_api_server_refuses_is_told_and_tried_again_at_the_next_look() -> None:
    refusal = Permanent("hard[cpus]: Invalid value", reason="Invalid")
    desk = Desk([a_namespace('{"cpus": 3}')], create=[refusal])
    desk.keeper.namespace("ADDED", a_namespace('{"cpus": 3}'))
    await desk.woken()
    await desk.keeper.keep(TEAM)
    assert ["QuotaRefused"] == desk.said
    assert "Invalid value" in desk.told.events[0]["message"]
    assert [] == await desk.woken()
    await desk.keeper.look_at_namespaces()
    assert ["team"] == await desk.woken()
    await desk.keeper.keep(TEAM)
    await desk.keeper.look_at_namespaces()
    assert [] == await desk.woken()


@pytest.mark.parametrize(
    ("quotas", "verb", "error"),
    [
        ([], "create", AlreadyExists("it is there by now")),
        ([a_quota({"pods": "1"})], "put", Conflict("it was changed")),
        ([], "create", Transient("no answer")),
    ],
    ids=["made meanwhile", "changed meanwhile", "down"],
)
async def test_what_may_pass_is_left_to_the_queue(
    quotas: list[dict[str, Any]], verb: str, error: Transient
) -> None:
    desk = Desk([a_namespace()], quotas)
    desk.kube.failing[verb] = [error]
    with pytest.raises(type(error)):
        await desk.keeper.keep(TEAM)
    assert [] == desk.said


# Who is woken by what.


def tell(keeper: BudgetKeeper, quota: dict[str, Any]) -> None:
    """Let the keeper hear of a quota."""
    keeper.quota(Key(quota["metadata"]["namespace"], quota["metadata"]["name"]), quota)


async def test_a_label_wakes_once_and_what_does_not_matter_never() -> None:
    keeper = (desk := Desk()).keeper
    keeper.namespace("ADDED", a_namespace())
    assert ["team"] == await desk.woken()
    keeper.namespace("MODIFIED", a_namespace(resourceVersion="8"))
    assert [] == await desk.woken()
    keeper.namespace("MODIFIED", a_namespace('{"pods": 1}'))
    assert ["team"] == await desk.woken()
    keeper.namespace("DELETED", a_namespace('{"pods": 1}'))
    assert ["team"] == await desk.woken()
    keeper.namespace("DELETED", a_namespace())
    assert [] == await desk.woken()


@pytest.fixture
def without_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quota is put back at once."""
    monkeypatch.setattr(engine_budgets, "PAUSE", 0.0)


@pytest.mark.usefixtures("without_pause")
async def test_what_is_used_of_a_quota_wakes_nobody_and_another_size_does() -> None:
    keeper = (desk := Desk()).keeper
    keeper.namespace("ADDED", a_namespace())
    await desk.woken()
    tell(keeper, a_quota(USUAL))
    assert ["team"] == await desk.woken()
    tell(keeper, {**a_quota(USUAL), "status": {"used": {"pods": "7"}}})
    assert [] == await desk.woken()
    tell(keeper, a_quota({"pods": "999"}))
    assert ["team"] == await desk.woken()
    keeper.quota(QUOTA, None)
    assert ["team"] == await desk.woken()


@pytest.mark.usefixtures("without_pause")
async def test_quotas_of_other_names_and_namespaces_wake_nobody() -> None:
    keeper = (desk := Desk()).keeper
    keeper.namespace("ADDED", a_namespace())
    await desk.woken()
    tell(keeper, a_quota(USUAL, name="theirs"))
    tell(keeper, a_quota(USUAL, "elsewhere", labels={}))
    assert [] == await desk.woken()


async def test_who_alters_a_quota_again_and_again_is_met_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keeper = (desk := Desk()).keeper
    booked = []
    monkeypatch.setattr(desk.queue, "add_after", lambda key, seconds: booked.append((key, seconds)))
    keeper.namespace("ADDED", a_namespace())
    for number in range(100):
        tell(keeper, a_quota({"pods": str(number)}))
    assert {(TEAM, 1.0)} == set(booked)


@pytest.mark.usefixtures("without_pause")
async def test_what_is_there_at_first_is_looked_at_once() -> None:
    desk = Desk([a_namespace(), a_namespace(name="red")])
    for _ in range(2):
        tell(desk.keeper, a_quota(USUAL))
        tell(desk.keeper, a_quota(USUAL, "left"))
        tell(desk.keeper, a_quota(USUAL, "theirs", labels={}))
        assert {"": "99"} == await desk.keeper.look_at_namespaces()
    assert ["left", "red", "team"] == sorted(await desk.woken())


async def test_a_look_after_a_gap_finds_what_went() -> None:
    desk = Desk([a_namespace()])
    await desk.keeper.look_at_namespaces()
    await desk.woken()
    desk.kube.objects.clear()
    await desk.keeper.look_at_namespaces()
    assert ["team"] == await desk.woken()


async def test_who_serves_some_namespaces_reads_just_these() -> None:
    desk = Desk([a_namespace(), a_namespace(name="red")], served=("team", "blue"))
    await desk.keeper.look_at_namespaces()
    assert ["team", "blue"] == await desk.woken()
    assert [] == desk.kube.calls


async def test_a_look_that_fails_is_made_up_for_by_the_next() -> None:
    desk = Desk([a_namespace()], list=[Transient("no answer"), None])
    await desk.keeper.look_again()
    assert [] == await desk.woken()
    await desk.keeper.look_again()
    assert ["team"] == await desk.woken()


async def test_who_keeps_no_quotas_asks_for_nothing() -> None:
    desk = Desk([a_namespace()], served=("team",), usual=None)
    await desk.keeper.look_again()
    tell(desk.keeper, a_quota(USUAL))
    assert ([], []) == (desk.kube.calls, await desk.woken())
    assert [] == watched(desk.keeper, lambda *_: Nothing())


class Nothing:
    """A stream that nobody follows."""

    async def follow(self, namespace: str, position: str | None) -> None:
        raise AssertionError


class Stream:
    """A stream that says where it was followed from."""

    def __init__(self, resource: Resource, followed: list[tuple[Any, ...]]) -> None:
        self._resource = resource
        self._followed = followed

    async def follow(self, namespace: str, position: str | None) -> None:
        self._followed.append((self._resource, namespace, position))


async def test_the_labels_are_watched_where_all_namespaces_are_served() -> None:
    followed: list[tuple[Any, ...]] = []
    desk = Desk()
    worker, labels = watched(desk.keeper, lambda resource, *_: Stream(resource, followed))
    await labels
    worker.cancel()
    assert [(Resource.NAMESPACES, "", None)] == followed


async def test_where_some_are_served_they_are_read_at_the_start() -> None:
    desk = Desk([a_namespace()], served=("team",))
    (worker,) = watched(desk.keeper, lambda *_: Nothing())
    async with asyncio.timeout(5):
        while not desk.said:  # noqa: ASYNC110 - the worker is on its way
            await asyncio.sleep(0)
    worker.cancel()
    assert ["QuotaSet"] == desk.said
