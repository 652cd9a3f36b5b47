import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.worlds import a_report

from buildstate.domain.findings import MAX_REPORT, Found, Lack, parse

DIGEST = "ab" * 32
SHORT = "q" * 42 + "s"
founds = st.builds(
    Found, st.integers(0, 2**53 - 1), st.binary(min_size=32, max_size=32).map(bytes.hex)
)
reports = st.lists(founds | st.sampled_from(Lack), max_size=32)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50) | st.just(SHORT),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["v", "found", "x"]), inner)
    ),
    max_leaves=12,
)


@given(reports)
def test_a_report_of_ours_is_read_as_it_was_meant(found: list[Found | Lack]) -> None:
    assert tuple(found) == parse(a_report(*found), len(found))


@given(st.text(max_size=200), st.integers(0, 3))
def test_whatever_text_comes_back_nothing_is_raised(text: str, count: int) -> None:
    parse(text, count)


@given(anything, st.integers(0, 3))
def test_whatever_document_comes_back_each_finding_is_one(document: Any, count: int) -> None:
    for text in (json.dumps(document), json.dumps({"v": 1, "found": document})):
        findings = parse(text, count)
        assert findings is None or count == len(findings)
        for one in findings or ():
            assert isinstance(one, Lack) or (one.size >= 0 and len(bytes.fromhex(one.sha256)) == 32)


def told(*found: Any, **more: Any) -> str:
    """A report with those findings, whatever they are."""
    return json.dumps({"v": 1, "found": [*found], **more})


GOOD = [7, SHORT]
NO_REPORTS = {
    "nothing": "",
    "no JSON": "hello",
    "cut short": told(GOOD)[:-3],
    "something behind it": told(GOOD) + "x",
    "another version": told(GOOD, v=2),
    "a list": json.dumps([1, [GOOD]]),
    "a text": '"found"',
    "deep": "[" * 4000,
    "none found": json.dumps({"v": 1}),
    "a dictionary of them": json.dumps({"v": 1, "found": {"0": GOOD}}),
    "too few": told(),
    "too many": told(GOOD, GOOD),
    "an unknown word": told("gone"),
    "no size": told([None, SHORT]),
    "a size below zero": told([-1, SHORT]),
    "a size that is too large": told([2**53, SHORT]),
    "a size that is a truth": told([True, SHORT]),
    "a size that is a fraction": told([7.0, SHORT]),
    "a size that is no number": told([float("nan"), SHORT]),
    "no digest": told([7]),
    "a digest that is none": told([7, None]),
    "a digest that is too short": told([7, SHORT[:-1]]),
    "a digest that is too long": told([7, f"{SHORT}A"]),
    "a digest of other letters": told([7, "!" * 43]),
    "a digest of other scripts": told([7, "\u0663" * 43]),
    "a digest with padding in it": told([7, "=" * 43]),
    "more than two": told([7, SHORT, "x"]),
    "more than a container may say": told(GOOD) + " " * MAX_REPORT,
}


@pytest.mark.parametrize("text", NO_REPORTS.values(), ids=NO_REPORTS)
def test_what_is_no_report_of_ours_is_not_believed(text: str) -> None:
    assert parse(text, 1) is None
    assert parse(told(GOOD), 1) is not None


@pytest.mark.parametrize("lack", Lack)
def test_each_lack_has_its_words(lack: Lack) -> None:
    assert lack.words
