from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.worlds import a_record, some_work

from buildstate.domain.growths import MAX_GROWTHS, grown, memory_limit, needed
from buildstate.domain.phases import BuildPhase
from buildstate.domain.quantities import parse, text
from buildstate.domain.specs import MemoryGrowth, PhaseWork, WorkResources
from buildstate.domain.states import PhaseRecord, Retry, WorkResult


def asking(limit: str | None = None, request: str | None = None) -> PhaseWork:
    """Work with that memory, and some CPU."""
    limits = {"cpu": "1", **({"memory": limit} if limit else {})}
    requests = {"memory": request} if request else {}
    return some_work(resources=WorkResources(requests=requests, limits=limits))


def a_growing(memory: str | None = None, growths: int = 0) -> PhaseRecord:
    """The record of a phase whose memory has grown so often."""
    retry = Retry(reason="OOMKilled", message="", growths=growths)
    record = a_record(BuildPhase.BUILD, WorkResult.RUNNING)
    return replace(record, memory=memory, retry=retry if growths else None)


@pytest.mark.parametrize(
    ("limit", "memory", "growth", "expected"),
    [
        ("64Mi", None, MemoryGrowth(), "128Mi"),
        ("64Mi", "128Mi", MemoryGrowth(), "256Mi"),
        ("64Mi", "256Mi", MemoryGrowth(), None),
        ("64Mi", "200Mi", MemoryGrowth(), "256Mi"),
        ("100M", None, MemoryGrowth(factor="1.5"), "150M"),
        ("64Mi", None, MemoryGrowth(factor="1100m", maximum="1Gi"), "73819751"),
        ("64Mi", "512Mi", MemoryGrowth(maximum="1Gi"), "1Gi"),
        ("64Mi", "1Gi", MemoryGrowth(maximum="1Gi"), None),
        ("64Mi", None, MemoryGrowth(maximum="64Mi"), None),
        ("64Mi", None, MemoryGrowth(maximum="1Mi"), None),
        ("512Mi", "128Mi", MemoryGrowth(), "1Gi"),
        (None, None, MemoryGrowth(), None),
        (None, "1Gi", MemoryGrowth(), None),
        ("0", None, MemoryGrowth(), None),
        ("1e999", None, MemoryGrowth(), None),
        ("1Ei", None, MemoryGrowth(factor="9e90", maximum="9e90"), None),
    ],
)
def test_the_memory_grows_by_its_factor_up_to_its_maximum(
    limit: str | None, memory: str | None, growth: MemoryGrowth, expected: str | None
) -> None:
    assert expected == grown(asking(limit), a_growing(memory), growth)


def test_the_memory_does_not_grow_for_ever() -> None:
    growth = MemoryGrowth(factor="1.1", maximum="1Ei")
    assert grown(asking("64Mi"), a_growing("1Gi", MAX_GROWTHS - 1), growth) is not None
    assert grown(asking("64Mi"), a_growing("1Gi", MAX_GROWTHS), growth) is None


def test_what_has_not_grown_is_as_it_was_asked() -> None:
    work = asking("64Mi", "32Mi")
    assert work.resources is needed(work, None)
    assert work.resources is needed(work, a_growing())
    assert work.resources is needed(work, a_growing("1Mi"))


def test_the_request_grows_with_the_limit() -> None:
    expected = WorkResources(requests={"memory": "96Mi"}, limits={"cpu": "1", "memory": "192Mi"})
    assert expected == needed(asking("64Mi", "32Mi"), a_growing("192Mi"))


def test_where_no_request_was_made_none_is() -> None:
    expected = WorkResources(limits={"cpu": "1", "memory": "128Mi"})
    assert expected == needed(asking("64Mi"), a_growing("128Mi"))


def test_without_a_limit_nothing_grows() -> None:
    work = asking(None, "32Mi")
    assert work.resources is needed(work, a_growing("128Mi"))
    assert memory_limit(work, a_growing("128Mi")) is None


@given(
    st.integers(1, 2**40).map(lambda size: text(Fraction(size))),
    st.integers(1100, 9000).map(lambda milli: f"{milli}m"),
    st.none() | st.integers(1, 2**44).map(lambda size: text(Fraction(size))),
)
def test_it_only_ever_grows_and_comes_to_an_end(
    limit: str, factor: str, maximum: str | None
) -> None:
    growth, memory = MemoryGrowth(factor=factor, maximum=maximum), None
    most = parse(maximum) if maximum else 4 * parse(limit)
    for number in range(MAX_GROWTHS + 1):
        before = parse(memory or limit)
        memory = grown(asking(limit), a_growing(memory, number), growth)
        if memory is None:
            return
        assert before < parse(memory) <= most
    raise AssertionError("it grows for ever")
