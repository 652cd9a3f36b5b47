import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.doubles import StoppedClock
from tests.worlds import NAME, NAMESPACE, NOW, a_build

from buildstate.domain.errors import Permanent, Transient
from buildstate.domain.findings import Found, Lack
from buildstate.domain.observed import Observed
from buildstate.domain.phases import BuildPhase
from buildstate.engine.objects import AT_ONCE, ObjectMeasurer, no_objects
from buildstate.kube.ports import Key

KEY = Key(NAMESPACE, NAME)
URI = "store://main/app"
GOOD = Found(7, "ab" * 32)
WORLD = a_build().with_work().in_phase(BuildPhase.BUILD)


class Desk:
    """A measurer, a store that answers when it is let, and who was woken."""

    def __init__(self) -> None:
        self.clock = StoppedClock()
        self.woken: asyncio.Queue[Key] = asyncio.Queue()
        self.asked: list[tuple[str, str]] = []
        self.answers: asyncio.Queue[Found | Lack | Exception] = asyncio.Queue()
        self.measurer = ObjectMeasurer(self.read, self.clock, self.woken.put_nowait)

    async def read(self, namespace: str, uri: str) -> Found | Lack:
        """Answer as the test says."""
        self.asked.append((namespace, uri))
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def ended(self, *answers: Found | Lack | Exception) -> None:
        """Let the store answer, and wait until who asked is woken."""
        for answer in answers:
            self.answers.put_nowait(answer)
        async with asyncio.timeout(5):
            assert KEY == await self.woken.get()


@pytest.fixture
async def desk() -> Desk:
    """A measurer at its desk."""
    return Desk()


def seen(attempt: int = 1) -> Observed:
    """The build at that attempt."""
    return WORLD.attempted(attempt).observed()


async def test_who_asks_is_woken_when_it_is_known(desk: Desk) -> None:
    assert desk.measurer.measure(seen(), (URI, "store://main/b")) is None
    assert desk.measurer.measure(seen(), (URI, "store://main/b")) is None
    await desk.ended(GOOD, Lack.ABSENT)
    given = desk.measurer.measure(seen(), (URI, "store://main/b"))
    assert given is not None
    assert ((GOOD, Lack.ABSENT), None) == (given.found, given.trouble)
    assert [(NAMESPACE, URI), (NAMESPACE, "store://main/b")] == desk.asked


async def test_who_asks_again_after_a_lost_write_gets_the_same_answer(desk: Desk) -> None:
    desk.measurer.measure(seen(), (URI,))
    await desk.ended(GOOD)
    first, again = (desk.measurer.measure(seen(), (URI,)) for _ in range(2))
    assert first == again
    assert 1 == len(desk.asked)


async def test_another_attempt_is_measured_anew(desk: Desk) -> None:
    desk.measurer.measure(seen(), (URI,))
    await desk.ended(GOOD)
    assert desk.measurer.measure(seen(2), (URI,)) is None
    await desk.ended(Lack.ABSENT)
    given = desk.measurer.measure(seen(2), (URI,))
    assert given is not None
    assert (Lack.ABSENT,) == given.found


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Transient("it does not answer"), "PersistenceError"),
        (Permanent("no", reason="Forbidden"), "Forbidden"),
    ],
)
async def test_what_cannot_be_read_is_tried_again_later(
    desk: Desk, error: Exception, reason: str
) -> None:
    desk.measurer.measure(seen(), (URI,))
    await desk.ended(error)
    troubled = desk.measurer.measure(seen(), (URI,))
    assert troubled is not None
    assert troubled.trouble is not None
    assert (reason, NOW + timedelta(seconds=2)) == (
        troubled.trouble.reason,
        troubled.trouble.retry_time,
    )
    assert troubled == desk.measurer.measure(seen(), (URI,))
    assert 1 == len(desk.asked)

    desk.clock.time = NOW + timedelta(seconds=3)
    meanwhile = desk.measurer.measure(seen(), (URI,))
    assert meanwhile is not None, "the reason would come and go"
    await desk.ended(GOOD)
    given = desk.measurer.measure(seen(), (URI,))
    assert given is not None
    assert (GOOD,) == given.found


async def test_a_build_that_is_gone_is_forgotten(desk: Desk) -> None:
    desk.measurer.measure(seen(), (URI,))
    await asyncio.sleep(0)
    desk.measurer.forget(KEY)
    desk.measurer.forget(KEY)
    assert desk.measurer.measure(replace(seen(), uid="another"), (URI,)) is None
    await desk.ended(GOOD)


async def test_only_a_few_are_read_at_once(desk: Desk) -> None:
    for number in range(AT_ONCE + 3):
        desk.measurer.measure(replace(seen(), name=f"build-{number}"), (URI,))
    for _ in range(5):
        await asyncio.sleep(0)
    assert AT_ONCE == len(desk.asked)
    for number in range(AT_ONCE + 3):
        desk.measurer.forget(Key(NAMESPACE, f"build-{number}"))


async def test_without_stores_no_object_is_known() -> None:
    with pytest.raises(Permanent) as caught:
        await no_objects(NAMESPACE, URI)
    assert "StoreUnknown" == caught.value.reason
