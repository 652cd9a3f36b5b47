"""Exact arithmetic with Kubernetes quantities: `500m`, `1Gi`, `2e3`.

A quantity is kept as a fraction, since a sum of rounded numbers is not the sum. What is written is
the form that the API server writes.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

_BINARY = {f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", 1)}
_DECIMAL = {
    suffix: Fraction(10) ** (3 * power)
    for power, suffix in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)
}
_NONE = Fraction(0)
_SUFFIXES = {**_DECIMAL, **_BINARY}
_FORM = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(?:[eE](?P<exponent>[+-]?[0-9]{1,2})|(?P<suffix>[numkMGTPE]|[KMGTPE]i))?",
)


@lru_cache(maxsize=1024)
def parse(quantity: str) -> Fraction:
    """Give the exact value of a quantity; raises ValueError for what is none."""
    found = _FORM.fullmatch(quantity)
    if found is None:
        message = f"{quantity!r} is no quantity"
        raise ValueError(message)
    factor = _SUFFIXES[found["suffix"] or ""] * Fraction(10) ** int(found["exponent"] or 0)
    return Fraction(found["number"]) * factor


@lru_cache(maxsize=1024)
def text(value: Fraction) -> str:
    """Give a value as a quantity: with the largest suffix that leaves a whole number.

    What is a multiple of 1024 is written with a binary suffix. What is finer than a nano is rounded
    up, as the API server does.
    """
    if value.denominator == 1 and value.numerator % 1024 == 0 and value:
        return _whole(value, _BINARY)
    nanos = -(-value // _DECIMAL["n"])
    return _whole(nanos * _DECIMAL["n"], _DECIMAL)


def _whole(value: Fraction, suffixes: Mapping[str, Fraction]) -> str:
    if not value:
        return "0"
    fitting = [name for name, factor in suffixes.items() if (value / factor).denominator == 1]
    largest = max(fitting, key=suffixes.__getitem__)
    return f"{value / suffixes[largest]}{largest}"


def added(*amounts: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """Give the sum of amounts by resource."""
    total: dict[str, Fraction] = {}
    for amount in amounts:
        for name, value in amount.items():
            # Most sums have one part: adding to nothing would cost as much as all the rest.
            total[name] = total[name] + value if name in total else value
    return total


def highest(*amounts: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """Give the largest of each resource."""
    most: dict[str, Fraction] = {}
    for amount in amounts:
        for name, value in amount.items():
            most[name] = max(most[name], value) if name in most else value
    return most


def parsed(quantities: Mapping[str, str]) -> dict[str, Fraction]:
    """Give the exact values of quantities by resource; raises ValueError for what is none."""
    return {name: parse(quantity) for name, quantity in quantities.items()}


def texts(amount: Mapping[str, Fraction]) -> dict[str, str]:
    """Give quantities by resource, in the order of the names; what is nothing is left out."""
    return {name: text(value) for name, value in sorted(amount.items()) if value}
