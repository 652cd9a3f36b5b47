from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.domain.test_integrity import documents

from buildstate.domain import contents


@given(documents)
def test_what_was_encoded_is_decoded(document: dict[str, Any]) -> None:
    assert document == contents.decode(contents.encode(document))


@given(documents)
@example({"": [""] * 1000})
@example({"a": {}, "b": [[]] * 100})
def test_the_weight_of_a_document_is_about_its_size(document: dict[str, Any]) -> None:
    weight, size = contents.weight(document, 2**30), len(contents.encode(document))
    assert size / 6 <= weight <= size * 4


def test_what_is_too_heavy_is_not_weighed_to_the_end() -> None:
    class Endless(list[Any]):
        def __iter__(self) -> Any:
            raise AssertionError

    # The last one comes first.
    heavy = {"a": Endless(), "b": "x" * 1000}
    assert 1000 <= contents.weight(heavy, 999) < 1100


@given(st.binary() | st.text().map(str.encode))
@example(b"")
@example(b'{"a":1}')
def test_any_bytes_are_answered(data: bytes) -> None:
    document = contents.decode(data)
    assert document is None or contents.encode(document) == data


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"a":-0}',
        b'{"a":1,"a":1}',
        b'{"b":1,"a":1}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b'{"a":"\\u0041"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        b"[]",
        b"null",
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_not_the_one_byte_string_of_an_object_is_refused(data: bytes) -> None:
    assert contents.decode(data) is None


def test_what_is_nested_too_deep_is_neither_written_nor_read() -> None:
    deepest = nested(contents.MAX_LEVELS)
    assert deepest == contents.decode(contents.encode(deepest))
    with pytest.raises(ValueError, match="at most 256 levels"):
        contents.encode({"a": deepest})
    assert contents.decode(b'{"a":' + contents.encode(deepest) + b"}") is None


def nested(levels: int) -> dict[str, Any]:
    """An object of that many levels."""
    document: dict[str, Any] = {}
    for _ in range(levels - 1):
        document = {"a": document}
    return document


def test_the_digest_is_that_of_the_bytes_as_they_are() -> None:
    # printf '{"digest":"x"}' | sha256sum
    digest = "sha256:8fb496296c83cfc70ba20bba66e2eb4d8bfead77322c60286a0774c788d52d84"
    assert digest == contents.digest(b'{"digest":"x"}')
