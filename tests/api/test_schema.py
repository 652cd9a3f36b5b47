from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from buildstate.api.schema import NotStructural, structural, without_defaults

Name = Annotated[str, Field(max_length=8)]


class Inner(BaseModel):
    """Something   inside,
    described at length.

    In two paragraphs.
    """

    name: Name = "x"


class Node(BaseModel):
    children: Annotated[list["Node"], Field(max_length=2)]


class Chain(BaseModel):
    following: "Chain | None" = None


class Ring(BaseModel):
    other: "OtherHalf | None" = None


class OtherHalf(BaseModel):
    ring: Ring | None = None


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name


def of(kind: Any, default: Any = ...) -> dict[str, Any]:
    """The schema of a field of that type."""
    properties: dict[str, Any] = structural(create_model("Model", field=(kind, default)))[
        "properties"
    ]
    field: dict[str, Any] = properties["field"]
    return field


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(str, id="a text without bound"),
        pytest.param(int, id="a number without bound"),
        pytest.param(Annotated[int, Field(ge=0)], id="a number without upper bound"),
        pytest.param(list[Name], id="a list without bound"),
        pytest.param(Annotated[list[str], Field(max_length=2)], id="a list of texts without bound"),
        pytest.param(dict[str, Name], id="a map without bound"),
        pytest.param(Annotated[dict[str, str], Field(max_length=2)], id="a map of such texts"),
        pytest.param(int | str, id="a union"),
        pytest.param(Inner | Closed, id="a union of models"),
        pytest.param(tuple[Name, Name], id="a tuple"),
        pytest.param(Annotated[set[Name], Field(max_length=2)], id="a set"),
        pytest.param(dict[str, Any], id="a free object"),
        pytest.param(dict, id="a bare dict"),
        pytest.param(Any, id="anything"),
        pytest.param(object, id="any object"),
        pytest.param(Closed, id="a model that forbids what it does not know"),
        pytest.param(Node, id="a model that contains a list of itself"),
        pytest.param(Chain, id="a model that contains itself"),
        pytest.param(Ring, id="two models that contain each other"),
        pytest.param(timedelta, id="a duration"),
        pytest.param(Annotated[int, Field(gt=0, le=9)], id="an exclusive bound"),
        pytest.param(Annotated[int, Field(ge=0, lt=9)], id="an exclusive upper bound"),
        pytest.param(float, id="a float"),
    ],
)
def test_what_a_crd_cannot_say_is_refused_with_its_place(kind: Any) -> None:
    with pytest.raises(NotStructural, match=r"^Model"):
        of(kind)


def test_a_model_may_stand_in_two_places() -> None:
    model = create_model("Model", one=(Inner, ...), other=(Inner | None, None))
    inner = structural(model)["properties"]
    assert inner["one"] == inner["other"]


@pytest.mark.parametrize(
    ("kind", "default", "expected"),
    [
        pytest.param(Name, ..., {"type": "string", "maxLength": 8}, id="text"),
        pytest.param(Name | None, None, {"type": "string", "maxLength": 8}, id="optional"),
        pytest.param(
            Name, "x", {"type": "string", "maxLength": 8, "default": "x"}, id="with a default"
        ),
        pytest.param(Name, "", {"type": "string", "maxLength": 8}, id="with an empty default"),
        pytest.param(bool, False, {"type": "boolean", "default": False}, id="truth"),
        pytest.param(
            Annotated[int, Field(ge=0, le=9)],
            0,
            {"type": "integer", "minimum": 0, "maximum": 9, "default": 0},
            id="number",
        ),
        pytest.param(Literal["a"], ..., {"type": "string", "enum": ["a"]}, id="one word"),
        pytest.param(
            Literal["a", "b"], ..., {"type": "string", "enum": ["a", "b"]}, id="some words"
        ),
        pytest.param(datetime, ..., {"type": "string", "format": "date-time"}, id="time"),
        pytest.param(
            Annotated[tuple[Name, ...], Field(max_length=2)],
            (),
            {"type": "array", "maxItems": 2, "items": {"type": "string", "maxLength": 8}},
            id="list",
        ),
        pytest.param(
            Annotated[dict[str, Name], Field(max_length=2)],
            ...,
            {
                "type": "object",
                "maxProperties": 2,
                "additionalProperties": {"type": "string", "maxLength": 8},
            },
            id="map",
        ),
        pytest.param(
            Inner,
            Inner(),
            {
                "type": "object",
                "description": "Something inside, described at length.\n\nIn two paragraphs.",
                "properties": {"name": {"type": "string", "maxLength": 8, "default": "x"}},
            },
            id="model",
        ),
    ],
)
def test_a_field_becomes(kind: Any, default: Any, expected: dict[str, Any]) -> None:
    assert expected == of(kind, default)


def test_the_keys_are_in_order() -> None:
    assert ["default", "maxLength", "type"] == list(of(Name, "x"))


def test_defaults_are_taken_away_all_the_way_down() -> None:
    plain = {"type": "string"}
    nested = {"type": "array", "items": {"properties": {"a": {**plain, "default": "x"}}}}
    schema = {"properties": {"list": nested, "b": {**plain, "default": ""}}}
    expected = {
        "properties": {
            "list": {"type": "array", "items": {"properties": {"a": plain}}},
            "b": plain,
        }
    }
    assert expected == without_defaults(schema)


def test_a_field_that_is_called_default_stays() -> None:
    schema = {"properties": {"default": {"type": "string", "default": "x"}}}
    assert {"properties": {"default": {"type": "string"}}} == without_defaults(schema)
