"""Quantities: exact, and written as the API server writes them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildstate.domain import quantities
from buildstate.domain.quantities import added, highest, parse, parsed, text, texts

values = st.builds(
    lambda number, suffix: f"{number}{suffix}",
    st.integers(0, 10**6),
    st.sampled_from(["n", "u", "m", "", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi",
                     "Ei", "e3", "E-2"]),
)  # fmt: skip


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        ("0", Fraction(0)),
        ("500m", Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("1.", Fraction(1)),
        ("-1.5", Fraction(-3, 2)),
        ("100n", Fraction(1, 10**7)),
        ("3u", Fraction(3, 10**6)),
        ("2k", Fraction(2000)),
        ("1.5Gi", Fraction(3 * 2**29)),
        ("8E", Fraction(8 * 10**18)),
        ("8Ei", Fraction(8 * 2**60)),
        ("12e6", Fraction(12 * 10**6)),
        ("12E-3", Fraction(12, 1000)),
    ],
)
def test_a_quantity_has_an_exact_value(quantity: str, value: Fraction) -> None:
    assert value == parse(quantity)


@pytest.mark.parametrize("quantity", ["", "Gi", "1gi", "1 Gi", "0x10", "1e", "1e3k", "1e999", "∞"])
def test_what_is_no_quantity_is_refused(quantity: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        parse(quantity)


@pytest.mark.parametrize(
    ("quantity", "canonical"),
    [
        ("0", "0"),
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1.5Gi", "1536Mi"),
        ("1024Mi", "1Gi"),
        ("1024", "1Ki"),
        ("1000000", "1M"),
        ("1e3", "1k"),
        ("0.1n", "1n"),
        ("100u", "100u"),
        ("-2048", "-2Ki"),
    ],
)
def test_a_value_has_one_form(quantity: str, canonical: str) -> None:
    assert canonical == text(parse(quantity))


@given(values)
def test_what_is_written_is_the_same_value(quantity: str) -> None:
    assert parse(quantity) == parse(text(parse(quantity)))
    assert text(parse(quantity)) == text(parse(text(parse(quantity))))


def test_amounts_are_added_and_compared_by_resource() -> None:
    one, other = parsed({"cpu": "500m", "memory": "1Gi"}), parsed({"cpu": "700m", "pods": "1"})
    assert {"cpu": "1200m", "memory": "1Gi", "pods": "1"} == texts(added(one, other))
    assert {"cpu": "700m", "memory": "1Gi", "pods": "1"} == texts(highest(one, other))
    assert {} == added() == highest()


def test_what_is_nothing_is_not_written() -> None:
    assert {"cpu": "1"} == texts(quantities.parsed({"memory": "0", "cpu": "1"}))
