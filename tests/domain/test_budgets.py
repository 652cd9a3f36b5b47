import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildstate.domain.budgets import (
    MAX_NAMES,
    MAX_TEXT,
    BadSize,
    Decision,
    FoundQuota,
    RemoveQuota,
    SetQuota,
    Size,
    Wish,
    decide,
    is_same,
    size_of,
)

USUAL = {"pods": "20", "count/buildstates.buildstate.dev": "100"}
SMALL = {"requests.cpu": "500m", "requests.memory": "1Gi"}
MANAGED = Wish(is_managed=True)
THEIRS = FoundQuota(uid="u", hard={"pods": "1"}, is_ours=False)


def annotated(text: str) -> Wish:
    """The wish of a namespace that names a size."""
    return Wish(is_managed=True, text=text)


def found(hard: Size) -> FoundQuota:
    """Our quota of that size."""
    return FoundQuota(uid="u", hard=hard)


SMALLER = annotated(json.dumps(SMALL))


@pytest.mark.parametrize(
    ("wish", "there", "expected"),
    [
        pytest.param(Wish(), None, None, id="nothing asked, nothing there"),
        pytest.param(Wish(), found(USUAL), RemoveQuota("u"), id="no longer asked for"),
        pytest.param(Wish(text="{}"), None, None, id="an annotation without the label"),
        pytest.param(Wish(), THEIRS, None, id="a namesake where nothing is asked"),
        pytest.param(MANAGED, None, SetQuota(USUAL), id="the usual size"),
        pytest.param(MANAGED, found(USUAL), None, id="the usual size is there"),
        pytest.param(MANAGED, found(SMALL), SetQuota(USUAL), id="the annotation went"),
        pytest.param(SMALLER, None, SetQuota(SMALL), id="a size of its own"),
        pytest.param(SMALLER, found(USUAL), SetQuota(SMALL), id="the annotation came"),
        pytest.param(SMALLER, found(SMALL), None, id="a size of its own is there"),
        pytest.param(SMALLER, found({}), SetQuota(SMALL), id="somebody emptied it"),
        pytest.param(
            MANAGED,
            FoundQuota(uid="u", hard=USUAL, is_plain=False),
            RemoveQuota("u"),
            id="somebody put one with scopes there",
        ),
    ],
)
def test_what_is_done_about_a_namespace(
    wish: Wish, there: FoundQuota | None, expected: SetQuota | RemoveQuota | None
) -> None:
    assert Decision(expected) == decide(wish, there, USUAL)


@pytest.mark.parametrize(
    ("there", "act"),
    [(None, SetQuota(USUAL)), (found(SMALL), None), (found(USUAL), None)],
    ids=["none is there", "that of before", "the usual one"],
)
def test_a_bad_size_changes_nothing_and_is_said(
    there: FoundQuota | None, act: SetQuota | None
) -> None:
    decision = decide(annotated("4 cores"), there, USUAL)
    assert act == decision.act
    assert decision.grievance
    assert "QuotaSizeInvalid" == decision.grievance.reason
    assert "annotation buildstate.dev/quota is not used: it is no JSON" in (
        decision.grievance.message
    )


def test_a_bad_size_where_no_other_is_set_makes_nothing() -> None:
    assert decide(annotated("x"), None, {}).act is None


@pytest.mark.parametrize(
    ("there", "act"), [(None, None), (found(SMALL), RemoveQuota("u"))], ids=["none", "one"]
)
def test_without_any_size_there_is_no_quota_and_that_is_said(
    there: FoundQuota | None, act: RemoveQuota | None
) -> None:
    decision = decide(MANAGED, there, {})
    assert act == decision.act
    assert decision.grievance
    assert "QuotaSizeMissing" == decision.grievance.reason


def test_a_quota_of_somebody_else_is_left_alone_and_that_is_said() -> None:
    decision = decide(SMALLER, THEIRS, USUAL)
    assert decision.act is None
    assert decision.grievance
    assert "QuotaNameTaken" == decision.grievance.reason


@pytest.mark.parametrize(
    "text",
    [
        '{"requests.cpu": "4"}',
        '{"requests.cpu": 4, "limits.memory": "1.5Gi"}',
        '{"count/buildstates.buildstate.dev": 10}',
        '{"gold.storageclass.storage.k8s.io/requests.storage": "500Gi"}',
        '{"requests.nvidia.com/gpu": "0"}',
    ],
)
def test_a_size_is_an_object_of_quantities(text: str) -> None:
    assert {name: str(value) for name, value in json.loads(text).items()} == size_of(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 5000, "no JSON"),
        ("[]", "no object"),
        ("{}", "no object"),
        ("null", "no object"),
        ('{"pods": null}', "pods is null"),
        ('{"pods": true}', "pods is true"),
        ('{"cpu": 0.5}', "cpu is 0.5"),
        ('{"cpu": NaN}', "cpu is NaN"),
        ('{"cpu": {"max": 4}}', "cpu is {"),
        ('{"cpu": "four"}', "cpu is 'four'"),
        ('{"cpu": "-1"}', "cpu is '-1'"),
        ('{"cpu": "1e999999999"}', "no quantity"),
        ('{"cpu": "' + "9" * 33 + '"}', "no quantity"),
        ('{"": "1"}', "no name"),
        ('{"pods\\n": "1"}', "no name"),
        ('{"' + "p" * 318 + '": "1"}', "no name"),
        (json.dumps({f"n{number}": 1 for number in range(MAX_NAMES + 1)}), "more than 64"),
        (" " * (MAX_TEXT + 1), "longer than"),
    ],
)
def test_what_is_no_size_says_why(text: str, says: str) -> None:
    size = size_of(text)
    assert isinstance(size, BadSize)
    assert says in size.message


@pytest.mark.parametrize(
    ("size", "other", "expected"),
    [
        ({"cpu": "1000m"}, {"cpu": "1"}, True),
        ({"memory": "1024Mi"}, {"memory": "1Gi"}, True),
        ({"cpu": "1"}, {"cpu": "2"}, False),
        ({"cpu": "0"}, {}, False),
        ({"cpu": "1"}, {"cpu": "1", "pods": "1"}, False),
    ],
)
def test_sizes_are_compared_by_what_they_are_worth(
    size: Size, other: Size, *, expected: bool
) -> None:
    assert expected == is_same(size, other)


quantities = st.sampled_from(["0", "1", "500m", "1Gi", "1024Mi", "2e3", "17"])
sizes = st.dictionaries(st.sampled_from(["pods", "requests.cpu", "limits.memory"]), quantities)
texts = st.none() | st.text(max_size=20) | sizes.map(json.dumps)
wishes = st.builds(Wish, st.booleans(), texts)
quotas = st.none() | st.builds(
    FoundQuota, uid=st.just("u"), hard=sizes, is_ours=st.booleans(), is_plain=st.booleans()
)


def after(decision: Decision, there: FoundQuota | None) -> FoundQuota | None:
    """What is there once that is done."""
    match decision.act:
        case SetQuota(hard):
            return FoundQuota(uid="u", hard=hard)
        case RemoveQuota():
            return None
        case None:
            return there


@given(wishes, quotas, sizes)
def test_two_passes_are_always_enough_and_the_third_does_nothing(
    wish: Wish, there: FoundQuota | None, usual: Mapping[str, str]
) -> None:
    for _ in range(2):
        there = after(decide(wish, there, usual), there)
    assert decide(wish, there, usual).act is None


@given(wishes, quotas, sizes)
def test_what_is_not_ours_is_never_touched(
    wish: Wish, there: FoundQuota | None, usual: Mapping[str, str]
) -> None:
    if there is not None and not there.is_ours:
        assert decide(wish, there, usual).act is None


@given(st.text(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
).map(json.dumps))  # fmt: skip
def test_whatever_is_written_gives_a_size_or_says_what_is_wrong(text: str) -> None:
    size = size_of(text)
    assert size if not isinstance(size, BadSize) else size.message
