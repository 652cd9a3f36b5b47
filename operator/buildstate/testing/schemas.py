"""The schema of the CRD as the API server applies it: what is unknown is dropped, defaults are set.

It knows the words that our CRD uses and no others.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from buildstate.api.crd import definition
from buildstate.testing.requests import Document

Schema = Mapping[str, Any]


@cache
def _root() -> Schema:
    root: Schema = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return root


def shaped(build: Document) -> tuple[Document, list[str]]:
    """Give a build as it is stored, and what is wrong with it."""
    properties = _root()["properties"]
    spec = _shaped(build.get("spec") or {}, properties["spec"])
    wrong = list(_wrong(spec, properties["spec"], "spec"))
    given = build.get("status") or properties["status"]["default"]
    status = _shaped(given, properties["status"])
    wrong += _wrong(status, properties["status"], "status")
    return {**build, "spec": spec, "status": status}, wrong


def _shaped(value: Any, schema: Schema) -> Any:
    if isinstance(value, list) and "items" in schema:
        return [_shaped(one, schema["items"]) for one in value]
    if not isinstance(value, dict):
        return value
    if "additionalProperties" in schema:
        values = schema["additionalProperties"]
        return {name: _shaped(one, values) for name, one in value.items()}
    known: Mapping[str, Schema] = schema.get("properties", {})
    given = {name: _shaped(one, known[name]) for name, one in value.items() if name in known}
    missing = {name: child["default"] for name, child in known.items() if "default" in child}
    return {**missing, **given}


_TYPES: Mapping[str, type] = {"string": str, "boolean": bool, "array": list, "object": dict}


def _wrong(value: Any, schema: Schema, place: str) -> Iterator[str]:
    if "x-kubernetes-int-or-string" in schema:
        return
    kind = schema.get("type", "")
    is_right = type(value) is int if kind == "integer" else isinstance(value, _TYPES[kind])
    if not is_right:
        yield f"{place}: Invalid value: must be of type {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f'{place}: Unsupported value: "{value}"'
    yield from _out_of_bounds(value, schema, place)
    yield from _wrong_parts(value, schema, place)


_BOUNDS: Mapping[type, tuple[str, str]] = {
    str: ("minLength", "maxLength"),
    list: ("minItems", "maxItems"),
    dict: ("minProperties", "maxProperties"),
    int: ("minimum", "maximum"),
}


def _out_of_bounds(value: Any, schema: Schema, place: str) -> Iterator[str]:
    if type(value) not in _BOUNDS:
        return
    least, most = _BOUNDS[type(value)]
    size = value if isinstance(value, int) else len(value)
    if size < schema.get(least, size):
        yield f"{place}: Invalid value: below {least} {schema[least]}"
    if size > schema.get(most, size):
        yield f"{place}: Invalid value: above {most} {schema[most]}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{place}: Invalid value: should match '{schema['pattern']}'"


def _wrong_parts(value: Any, schema: Schema, place: str) -> Iterator[str]:
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from _wrong(one, schema["items"], f"{place}[{number}]")
    if not isinstance(value, dict):
        return
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{place}.{name}: Required value"
    children = schema.get("properties", {})
    for name, one in value.items():
        child = children.get(name) or schema.get("additionalProperties")
        if child:
            yield from _wrong(one, child, f"{place}.{name}")
