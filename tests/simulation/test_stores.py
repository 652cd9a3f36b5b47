"""The pretended bucket keeps the contract of a store, as every real one does."""

import asyncio

import pytest
from tests.stores.contracts import IncompleteContract

from buildstate.domain.errors import Transient
from buildstate.stores.contracts import Store
from buildstate.testing.keepsakes import Bucket
from buildstate.testing.lines import Call, Fate, Fates, Line, Tally
from buildstate.testing.stores import SimulatedStore


def reached(bucket: Bucket, fates: Fates) -> SimulatedStore:
    return SimulatedStore(bucket, Line(fates, Tally(), lambda: None))


def at_once(_call: Call) -> Fate:
    return Fate(there=0.0, back=0.0)


class TestSimulatedStore(IncompleteContract):
    @pytest.fixture
    def store(self) -> Store:
        return reached(Bucket(), at_once)


@pytest.mark.parametrize(
    ("fate", "is_done"),
    [
        (Fate(there=0.0, back=0.0, is_cut=True), False),
        (Fate(there=0.0, back=0.0, code=503), False),
        (Fate(there=0.0, back=0.0, is_lost=True), True),
    ],
    ids=["cut on the way there", "refused", "cut on the way back"],
)
async def test_what_becomes_of_a_write_is_what_its_fate_says(fate: Fate, is_done: bool) -> None:
    bucket = Bucket()
    with pytest.raises(Transient):
        await reached(bucket, lambda _call: fate).create("active/team/uid/a", b"1")
    assert is_done == bucket.has("active/team/uid/a")


async def test_a_late_write_is_done_when_nobody_waits_for_it() -> None:
    bucket, done = Bucket(), asyncio.Event()
    bucket.changed = done.set
    fate = Fate(there=0.01, is_late=True)
    with pytest.raises(Transient):
        await reached(bucket, lambda _call: fate).create("active/team/uid/a", b"1")
    assert not bucket.has("active/team/uid/a")
    await asyncio.wait_for(done.wait(), 10)
    assert bucket.has("active/team/uid/a")


async def test_nothing_of_a_dead_operator_reaches_the_bucket() -> None:
    bucket, line = Bucket(), Line(at_once, Tally(), lambda: None)
    line.cut()
    with pytest.raises(Transient):
        await SimulatedStore(bucket, line).create("active/team/uid/a", b"1")
    assert not bucket.has("active/team/uid/a")
