"""From a pydantic model to a structural OpenAPI schema, as the API server demands it.

It raises on what it cannot express instead of emitting something near.
"""

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

INT_OR_STRING = "x-kubernetes-int-or-string"
_DROPPED = frozenset({"title", "$defs", "examples", "discriminator"})
_REFUSED = frozenset(
    {
        "allOf",
        "exclusiveMaximum",  # a number here, a truth there
        "exclusiveMinimum",
        "not",
        "oneOf",
        "patternProperties",
        "prefixItems",
        "uniqueItems",
    },
)


class NotStructural(Exception):
    """A model says something that a CRD cannot say; the text names the place."""


def structural(model: type[BaseModel]) -> Schema:
    """Give the structural schema of `model`, with references resolved and nothing unknown left.

    Raises NotStructural for unions, tuples, free JSON, floats, recursion and anything without a
    bound.
    """
    source = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(source, source.get("$defs", {}), model.__name__)


def _convert(node: Mapping[str, Any], defs: Mapping[str, Any], place: str) -> Schema:
    node, defs = _resolved(node, defs, place)
    node, defs = _without_null(node, defs, place)
    if INT_OR_STRING in node:
        return {key: value for key, value in node.items() if key not in ("default", "title")}
    refused = _REFUSED & node.keys()
    if refused:
        raise NotStructural(f"{place}: {', '.join(sorted(refused))} cannot be in a CRD")
    schema = {key: value for key, value in node.items() if key not in _DROPPED}
    for key, rewrite in _REWRITES.items():
        if key in schema:
            rewrite(schema, defs, place)
    _check_bounds(schema, place)
    return dict(sorted(schema.items()))


Node = Mapping[str, Any]


def _resolved(node: Node, defs: Node, place: str) -> tuple[Node, Node]:
    """Follow a reference; give with the node the definitions that may stand within it."""
    reference = node.get("$ref")
    if reference is None:
        return node, defs
    name = reference.rsplit("/", 1)[-1]
    if name not in defs:
        raise NotStructural(f"{place}: {name} contains itself")
    others = {key: value for key, value in defs.items() if key != name}
    beside = {key: value for key, value in node.items() if key != "$ref"}
    inner, within = _resolved(defs[name], others, place)
    return {**inner, **beside}, within


def _without_null(node: Node, defs: Node, place: str) -> tuple[Node, Node]:
    options = node.get("anyOf")
    if options is None or INT_OR_STRING in node:
        return node, defs
    kept = [option for option in options if option.get("type") != "null"]
    if len(kept) != 1:
        raise NotStructural(f"{place}: a union; use one optional member per kind instead")
    beside = {key: value for key, value in node.items() if key != "anyOf"}
    inner, within = _resolved(kept[0], defs, place)
    return {**inner, **beside}, within


def _rewrite_properties(schema: Schema, defs: Mapping[str, Any], place: str) -> None:
    schema["properties"] = {
        name: _convert(child, defs, f"{place}.{name}")
        for name, child in schema["properties"].items()
    }


def _rewrite_items(schema: Schema, defs: Mapping[str, Any], place: str) -> None:
    schema["items"] = _convert(schema["items"], defs, f"{place}[]")


def _rewrite_values(schema: Schema, defs: Mapping[str, Any], place: str) -> None:
    values = schema["additionalProperties"]
    if isinstance(values, bool):
        raise NotStructural(f"{place}: a free object; say what its values are")
    schema["additionalProperties"] = _convert(values, defs, f"{place}[*]")


def _rewrite_const(schema: Schema, _defs: Mapping[str, Any], _place: str) -> None:
    schema["enum"] = [schema.pop("const")]


def _rewrite_default(schema: Schema, _defs: Mapping[str, Any], _place: str) -> None:
    # Only plain values are filled in by the API server: a default object would be noise in every
    # stored build, and null is not a value there.
    if isinstance(schema["default"], Mapping | list | NoneType) or schema["default"] == "":
        del schema["default"]


def _rewrite_description(schema: Schema, _defs: Mapping[str, Any], _place: str) -> None:
    paragraphs = schema["description"].split("\n\n")
    schema["description"] = "\n\n".join(" ".join(text.split()) for text in paragraphs)


_REWRITES: Mapping[str, Callable[[Schema, Mapping[str, Any], str], None]] = {
    "properties": _rewrite_properties,
    "items": _rewrite_items,
    "additionalProperties": _rewrite_values,
    "const": _rewrite_const,
    "default": _rewrite_default,
    "description": _rewrite_description,
}


def _check_bounds(schema: Schema, place: str) -> None:
    kind = schema.get("type")
    bound = {"string": "maxLength", "array": "maxItems", "integer": "maximum"}.get(kind or "")
    if kind == "object" and "additionalProperties" in schema:
        bound = "maxProperties"
    exempt = "enum" in schema or schema.get("format") == "date-time"
    if bound and bound not in schema and not exempt:
        raise NotStructural(f"{place}: a {kind} without {bound}")
    if kind is None:
        raise NotStructural(f"{place}: no type")
    if kind == "number":
        raise NotStructural(f"{place}: a float, which no digest could be trusted over")


def without_defaults(schema: Schema) -> Schema:
    """Give `schema` with no default anywhere: what is written there is kept to the byte."""
    children = {
        name: without_defaults(child) for name, child in schema.get("properties", {}).items()
    }
    plain = {key: value for key, value in schema.items() if key != "default"}
    if children:
        plain["properties"] = children
    if "items" in plain:
        plain["items"] = without_defaults(plain["items"])
    return plain
