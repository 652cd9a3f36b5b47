"""The books of a namespace: who asks, who is promised what, and who is woken by whom."""

from dataclasses import replace

import pytest
from tests.doubles import StoppedClock, Told
from tests.worlds import NAMESPACE, NOW, ABuild, a_build, after, some_work

from buildstate.domain.allotments import settle
from buildstate.domain.conditions import summarise
from buildstate.domain.lines import Allotment
from buildstate.domain.observed import Moment, Observed, PodPhase
from buildstate.domain.phases import BuildPhase
from buildstate.domain.specs import PhasesWork, WorkResources
from buildstate.domain.states import BuildState, ResourceState
from buildstate.domain.terms import ONE, Bounds, Kind, Quota, amounts
from buildstate.engine.ledgers import Ledgers
from buildstate.kube.ports import Key

INIT, BUILD, COMPLETE = BuildPhase.INIT, BuildPhase.BUILD, BuildPhase.COMPLETE


def a_quota(cpu: str = "2", used: str = "0", **fields: str) -> Quota:
    return Quota(
        name="q",
        hard=amounts({"requests.cpu": cpu, **fields}),
        used=amounts({"requests.cpu": used}),
    )


def asking(cpu: str = "1") -> ABuild:
    """A build in INIT that needs that much for its BUILD."""
    work = some_work(resources=WorkResources(requests={"cpu": cpu}))
    return a_build().wanting(phases=PhasesWork(build=work)).in_phase(INIT)


class Namespace:
    """The books of one namespace, and builds in it that are looked at by hand."""

    def __init__(self, quota: Quota | None = None, **builds: ABuild) -> None:
        self.clock, self.told = StoppedClock(), Told()
        self.builds: dict[str, Observed] = {}
        self.woken: list[str] = []
        self.books = Ledgers(self.look, self.keys, self.clock, self.told)
        self.books.wake = lambda key: self.woken.append(key.name)
        for number, (name, world) in enumerate(builds.items()):
            self.put(name, world, number)
        if quota is not None:
            self.set(quota)
            self.woken.clear()

    def put(self, name: str, world: ABuild, number: int = 0) -> None:
        """Have a build that was seen first so many seconds after NOW."""
        state = replace(world.known, start_time=after(number)) if world.state else None
        self.builds[name] = replace(world.observed(), name=name, state=state)

    def look(self, key: Key) -> Observed | None:
        return self.builds.get(key.name)

    def keys(self, namespace: str) -> list[Key]:
        return [Key(namespace, name) for name in self.builds]

    def set(self, quota: Quota | None) -> None:
        """Make, change or remove the quota."""
        self.books.quota(NAMESPACE, "q", quota)

    def ask(self, name: str) -> Allotment | None:
        """Let a build ask, and go no further."""
        return self.books.informed(self.builds[name]).allotment

    def pass_over(self, name: str) -> BuildState:
        """Let a build ask, write down what it was promised, and settle."""
        seen = self.books.informed(self.builds[name])
        moment = Moment(observed=seen, now=self.clock.now())
        assert seen.state is not None
        moved = replace(seen.state, sequence=seen.state.sequence + 1)
        is_granted = seen.allotment is None or seen.allotment.promise is not None
        state = summarise(settle(moved if is_granted else seen.state, moment), moment)
        self.builds[name] = replace(self.builds[name], state=state)
        self.books.settle(replace(seen, state=state))
        return state

    def end(self, name: str) -> None:
        """Let a build be complete."""
        seen = self.builds[name]
        assert seen.state is not None
        over = replace(seen.state, phase=COMPLETE, resources=ResourceState())
        self.builds[name] = replace(seen, state=over)
        self.books.settle(self.builds[name])


def granted(answer: Allotment | None) -> bool:
    """Say whether room was promised."""
    return answer is not None and answer.promise is not None


def test_a_namespace_without_terms_is_not_asked() -> None:
    place = Namespace(one=asking())
    assert (None, None) == (place.ask("one"), place.books.informed(place.builds["one"]).terms)


def test_who_asks_first_is_promised_what_there_is_and_the_next_one_waits() -> None:
    place = Namespace(a_quota(), one=asking(), two=asking(), three=asking())
    answers = [place.ask(name) for name in ("one", "two", "three")]
    assert [True, True, False] == [granted(one) for one in answers]
    assert {"requests.cpu": ONE} == (answers[0] and answers[0].promise)


def test_who_asks_again_has_the_same_answer_and_takes_no_more() -> None:
    place = Namespace(a_quota(), one=asking(), two=asking())
    answers = [place.ask(name) for name in ("one", "one", "one", "two")]
    assert [True] * 4 == [granted(one) for one in answers]


def test_who_came_first_is_first_whoever_asks_first() -> None:
    place = Namespace(a_quota("1"), old=asking(), young=asking())
    assert not granted(place.ask("young"))
    assert granted(place.ask("old"))


def test_who_waits_is_told_what_is_missing_and_where_it_stands() -> None:
    place = Namespace(a_quota("1"), one=asking(), two=asking(), three=asking())
    place.pass_over("one")
    answer = place.ask("three")
    assert answer is not None
    assert (2, 2) == (answer.place, answer.waiting)
    assert "requests.cpu 1 is needed, 0 is free in quota q" == answer.lack


def test_a_promise_that_was_not_written_is_given_back() -> None:
    place = Namespace(a_quota("1"), one=asking(), two=asking())
    assert granted(place.ask("one"))
    place.books.settle(place.builds["one"])
    assert ["two"] == place.woken


def test_the_end_of_one_wakes_the_next_and_only_that() -> None:
    place = Namespace(a_quota("1"), one=asking(), two=asking(), three=asking())
    for name in ("one", "two", "three"):
        place.pass_over(name)
    place.end("one")
    assert ["two"] == place.woken


def test_what_is_gone_makes_room() -> None:
    place = Namespace(a_quota("1"), one=asking(), two=asking())
    place.pass_over("one")
    place.pass_over("two")
    del place.builds["one"]
    place.books.forget(Key(NAMESPACE, "one"))
    assert ["two"] == place.woken


def test_room_that_others_use_is_no_room_until_they_release_it() -> None:
    place = Namespace(a_quota("2", used="1"), one=asking(), two=asking())
    place.pass_over("one")
    assert not granted(place.ask("two"))
    place.set(a_quota("2", used="0"))
    assert (["two"], True) == (place.woken, granted(place.ask("two")))


def test_what_a_promised_build_uses_is_counted_once() -> None:
    place = Namespace(a_quota("2"), one=asking(), two=asking())
    place.pass_over("one")
    world = asking().in_phase(BUILD).with_pod(PodPhase.RUNNING)
    promised = replace(world.known, resources=ResourceState(promised={"requests.cpu": "1"}))
    place.builds["one"] = replace(world.observed(), name="one", state=promised)
    place.books.settle(place.builds["one"])
    place.set(a_quota("2", used="1"))
    assert granted(place.ask("two"))


def test_a_larger_quota_has_everybody_looked_at() -> None:
    place = Namespace(a_quota("1"), one=asking(), two=asking(), three=asking())
    for name in ("one", "two", "three"):
        place.pass_over(name)
    place.set(a_quota("3"))
    assert {"two", "three"} <= {*place.woken}
    assert [True, True] == [granted(place.ask(name)) for name in ("two", "three")]


def test_a_quota_that_is_gone_lets_everybody_go() -> None:
    place = Namespace(a_quota("1"), one=asking(), two=asking())
    place.pass_over("one")
    place.pass_over("two")
    place.set(None)
    assert ("two" in place.woken, None, 0) == (True, place.ask("two"), place.books.waiting())


def test_after_a_restart_promises_and_order_are_as_before() -> None:
    before = Namespace(a_quota("1"), zero=asking(), one=asking(), two=asking())
    states = {name: before.pass_over(name) for name in ("zero", "one", "two")}
    again = Namespace()
    again.builds = {name: before.builds[name] for name in ("two", "one", "zero")}
    again.set(a_quota("1"))
    assert {"requests.cpu": "1"} == states["zero"].resources.promised
    assert 2 == again.books.waiting()
    assert [False, False] == [granted(again.ask(name)) for name in ("two", "one")]
    again.end("zero")
    assert granted(again.ask("one"))


def test_a_place_is_told_again_when_it_is_half_of_what_was_told() -> None:
    names = [f"b{number}" for number in range(9)]
    place = Namespace(a_quota("1"), **{name: asking() for name in names})
    told = [place.pass_over(name) for name in names][8]
    assert "place 8 of 8" in message_of(told)
    for number in range(4):
        place.woken.clear()
        place.end(names[number])
        place.pass_over(names[number + 1])
        assert ("b8" in place.woken) == (number == 3)
    assert "place 4 of 4" in message_of(place.pass_over("b8"))


def message_of(state: BuildState) -> str:
    """What people are told."""
    ready = state.condition("Ready")
    return ready.message if ready else ""


def test_who_is_suspended_does_not_stand_in_line() -> None:
    place = Namespace(a_quota("1"), one=asking().suspended(), two=asking())
    assert (None, True) == (place.ask("one"), granted(place.ask("two")))


def test_who_stands_in_a_queue_of_kueue_does_not_stand_in_ours() -> None:
    place = Namespace(one=asking(), two=asking())
    queued = {"kueue.x-k8s.io/queue-name": "theirs"}
    place.builds["one"] = replace(place.builds["one"], queue_labels=queued)
    place.set(a_quota("1"))
    assert (None, True) == (place.ask("one"), granted(place.ask("two")))


def test_a_build_that_was_refused_is_woken_by_the_next_event_of_the_quota_once() -> None:
    place = Namespace(a_quota("1"), one=asking())
    place.pass_over("one")
    place.books.refused(Key(NAMESPACE, "one"))
    place.set(a_quota("1", used="1"))
    place.set(a_quota("1", used="0"))
    assert ["one"] == place.woken


def test_a_limit_range_alone_makes_nobody_wait() -> None:
    place = Namespace(one=asking())
    bounds = Bounds(name="l", kind=Kind.CONTAINER, most=amounts({"cpu": "9"}))
    place.books.limits(NAMESPACE, "l", (bounds,))
    informed = place.books.informed(place.builds["one"])
    assert (None, True) == (informed.allotment, bool(informed.terms))
    place.books.limits(NAMESPACE, "l", ())
    assert place.books.informed(place.builds["one"]).terms is None


def test_a_default_of_the_namespace_counts_as_if_it_were_asked_for() -> None:
    silent = a_build().with_work(BUILD).in_phase(INIT)
    place = Namespace(a_quota("2"), one=silent, two=silent)
    default = Bounds(name="l", kind=Kind.CONTAINER, default_request=amounts({"cpu": "2"}))
    place.books.limits(NAMESPACE, "l", (default,))
    assert [True, False] == [granted(place.ask(name)) for name in ("one", "two")]


def test_the_time_that_a_build_waited_is_told_with_its_promise() -> None:
    place = Namespace(a_quota("1"), one=asking(), two=asking())
    place.pass_over("one")
    place.pass_over("two")
    place.end("one")
    place.clock.time = after(30)
    place.pass_over("two")
    assert [("promised", 0.0), ("promised", 30.0)] == place.told.figures


@pytest.mark.parametrize("priority", [1, 1000])
def test_the_higher_priority_goes_first(priority: int) -> None:
    place = Namespace(a_quota("1"), running=asking(), one=asking())
    place.pass_over("running")
    place.put("vip", asking().wanting(priority=priority), number=60)
    for name in ("one", "vip"):
        place.pass_over(name)
    place.end("running")
    assert (["vip"], NOW) == (place.woken, place.clock.now())
