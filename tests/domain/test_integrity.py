from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildstate.domain.integrity import canonical, digest, verify

texts = st.text(st.characters(exclude_categories=["Cs"]))
plain = st.booleans() | st.integers() | texts
documents = st.dictionaries(
    texts,
    st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=10,
    ),
    max_size=5,
)


def test_the_bytes_are_exact() -> None:
    document = {"b": [1, True], "a": {"z": "ü", "y": ""}}
    assert '{"a":{"y":"","z":"ü"},"b":[1,true]}'.encode() == canonical(document)


def test_the_digest_is_that_of_the_bytes_without_the_digest() -> None:
    # printf '{"a":1}' | sha256sum
    expected = "sha256:015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    assert expected == digest({"a": 1, "digest": "of before"})


@given(documents)
def test_the_bytes_do_not_depend_on_the_order_of_the_keys(document: dict[str, Any]) -> None:
    assert canonical(document) == canonical(dict(reversed(document.items())))


@given(documents)
def test_what_was_sealed_is_verified(document: dict[str, Any]) -> None:
    assert verify({**document, "digest": digest(document)})


@given(documents, documents)
def test_two_documents_have_the_same_digest_only_if_they_are_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    one.pop("digest", None)
    other.pop("digest", None)
    # Python holds 1 and True for equal; a document does not.
    assert (repr(sorted_(one)) == repr(sorted_(other))) == (digest(one) == digest(other))


def sorted_(value: Any) -> Any:
    """A document with its keys in order, all the way down."""
    if isinstance(value, dict):
        return {name: sorted_(value[name]) for name in sorted(value)}
    return [sorted_(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "document",
    [
        {"a": 1.0},
        {"a": [0, [{"b": float("nan")}]]},
        {"a": {"b": float("inf")}},
        {"a": ("x", 0.5)},
        {"a": "\ud800"},
        {"\udfff": 1},
    ],
    ids=repr,
)
def test_floats_and_broken_unicode_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"float|surrogate"):
        canonical(document)


def test_what_cannot_be_sealed_is_not_verified() -> None:
    assert not verify({"a": 0.5, "digest": "sha256:00"})


def test_a_document_without_digest_is_not_verified() -> None:
    assert not verify({"a": 1})
