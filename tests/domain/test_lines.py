"""The line of one namespace: order, reservations, and that no more is promised than there is."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.worlds import NOW, after

from buildstate.domain.lines import Account, Party, Room, Shortage, admitted
from buildstate.domain.terms import ONE, Quota

CPU, MEMORY = ("q", "cpu"), ("q", "memory")


def a_party(name: str, cpu: int = 0, memory: int = 0, priority: int = 0, age: int = 0) -> Party:
    """One build that needs that much."""
    needs = {CPU: cpu, MEMORY: memory}
    return Party(
        name=name,
        priority=priority,
        since=after(-age),
        needs={account: value for account, value in needs.items() if value},
    )


def a_room(*promised: Party, cpu: int = 4, memory: int = 4, used: int = 0) -> Room:
    """What a quota of that size has."""
    hard = {"cpu": cpu, "memory": memory}
    return Room([Quota(name="q", hard=hard, used={"cpu": used})], promised)


def names(line: list[Party], room: Room) -> list[str]:
    return [one.name for one in admitted(sorted(line, key=lambda one: one.rank), room)]


def test_who_fits_may_go_on_in_order() -> None:
    line = [a_party(name, cpu=2) for name in "abc"]
    assert ["a", "b"] == names(line, a_room())


def test_the_higher_priority_goes_first_and_among_equals_the_older() -> None:
    line = [
        a_party("young", cpu=4),
        a_party("old", cpu=4, age=60),
        a_party("vip", cpu=4, priority=1),
    ]
    ranked = sorted(line, key=lambda one: one.rank)
    assert ["vip", "old", "young"] == [one.name for one in ranked]
    assert ["vip"] == names(line, a_room())


def test_nobody_behind_gets_what_somebody_waits_for() -> None:
    line = [a_party("large", cpu=6, age=1), a_party("small", cpu=1)]
    assert [] == names(line, a_room(cpu=6, used=1))


def test_who_needs_something_else_may_pass() -> None:
    line = [a_party("large", cpu=6, age=1), a_party("other", memory=1)]
    assert ["other"] == names(line, a_room(cpu=6, used=1))


def test_what_is_left_beside_a_reservation_may_be_had() -> None:
    both = a_party("both", cpu=4, memory=1, age=1)
    assert ["less"] == names([both, a_party("less", memory=3)], a_room(used=1))
    assert [] == names([both, a_party("much", memory=4)], a_room(used=1))


def test_what_others_use_is_not_to_be_had() -> None:
    assert [] == names([a_party("a", cpu=2)], a_room(used=3))


def test_what_promised_builds_use_is_counted_once() -> None:
    at_work = replace(a_party("at work", cpu=2), is_promised=True, holds={CPU: 2})
    assert ["a"] == names([a_party("a", cpu=2)], a_room(at_work, used=2))


def test_what_a_build_holds_itself_is_not_in_its_way() -> None:
    holding = replace(a_party("a", cpu=3), holds={CPU: 2})
    assert ["a"] == names([holding], a_room(cpu=3, used=2))


def test_the_first_thing_that_is_missing_is_named_with_its_numbers() -> None:
    found = a_room(cpu=4 * ONE, used=3 * ONE).shortage(a_party("a", cpu=2 * ONE))
    assert Shortage(CPU, 2 * ONE, ONE) == found
    assert "cpu 2 is needed, 1 is free in quota q" == str(found)


# Whatever happens.

needs = st.dictionaries(st.sampled_from([CPU, MEMORY, ("r", "pods")]), st.integers(1, 5))
arrivals = st.lists(st.tuples(needs, st.integers(-1, 1)), min_size=1, max_size=12)
hards = st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 4))


class Namespace:
    """A namespace in which builds come and go, and every grant is taken."""

    def __init__(self, hard: tuple[int, int, int]) -> None:
        cpu, memory, pods = hard
        self.quotas = [
            Quota(name="q", hard={"cpu": cpu, "memory": memory}),
            Quota(name="r", hard={"pods": pods}),
        ]
        self.hard = {CPU: cpu, MEMORY: memory, ("r", "pods"): pods}
        self.promised: list[Party] = []
        self.line: list[Party] = []
        self.order: list[str] = []

    def arrive(self, number: int, need: dict[Account, int], priority: int) -> None:
        """Let one more build stand in line, unless it can never fit."""
        if all(value <= self.hard[account] for account, value in need.items()):
            since = NOW + timedelta(seconds=number)
            name = f"b{number:02}"
            self.line.append(Party(name=name, priority=priority, since=since, needs=need))

    def look(self) -> None:
        """Admit who may go on."""
        self.line.sort(key=lambda one: one.rank)
        found = admitted(self.line, Room(self.quotas, self.promised))
        self.line = [one for one in self.line if one not in found]
        self.promised += found
        self.order += [one.name for one in found]
        self.hold()

    def hold(self) -> None:
        """No more is promised than there is."""
        for account, hard in self.hard.items():
            assert sum(one.needs.get(account, 0) for one in self.promised) <= hard


@given(hards, arrivals, st.data())
def test_no_more_is_promised_than_there_is_and_everybody_is_served(
    hard: tuple[int, int, int], arrived: list[tuple[dict[Account, int], int]], data: st.DataObject
) -> None:
    place = Namespace(hard)
    for number, (need, priority) in enumerate(arrived):
        place.arrive(number, need, priority)
        place.look()
    waited = len(place.line)
    for _ in range(len(arrived)):
        if place.promised:
            place.promised.remove(data.draw(st.sampled_from(place.promised)))
        place.look()
    assert [] == place.line, f"{waited} waited"


@given(hards, arrivals)
def test_the_first_of_the_line_waits_only_for_what_is_promised(
    hard: tuple[int, int, int], arrived: list[tuple[dict[Account, int], int]]
) -> None:
    place = Namespace(hard)
    for number, (need, priority) in enumerate(arrived):
        place.arrive(number, need, priority)
    place.look()
    if place.line:
        first = place.line[0]
        place.promised = []
        place.look()
        assert first.name in place.order


@given(hards, arrivals)
def test_equals_are_served_in_the_order_in_which_they_came(
    hard: tuple[int, int, int], arrived: list[tuple[dict[Account, int], int]]
) -> None:
    need = arrived[0][0]
    place = Namespace(hard)
    for number in range(len(arrived)):
        place.arrive(number, need, 0)
    for _ in arrived:
        place.look()
        place.promised = place.promised[1:]
    assert sorted(place.order) == place.order
