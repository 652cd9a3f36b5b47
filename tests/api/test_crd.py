from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from buildstate.api.crd import definition, rendered
from buildstate.api.v1alpha1 import BuildStateModel
from buildstate.domain.phases import BuildPhase

ROOT = Path(__file__).parents[2]
CRD = ROOT / "crds" / "buildstates.buildstate.dev.yaml"
CHART = ROOT / "charts" / "buildstate" / "files"

VERSION = definition()["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]

Node = dict[str, Any]


def walk(node: Node, place: str = "") -> Iterator[tuple[str, Node]]:
    """Every schema in a schema, with its place."""
    yield place, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{place}.{name}")
    for name, mark in (("items", "[]"), ("additionalProperties", "[*]")):
        if name in node:
            yield from walk(node[name], f"{place}{mark}")


OWN = [
    (place, node)
    for place, node in walk(SCHEMA)
    if place not in (".apiVersion", ".kind", ".metadata")
]


def places(**wanted: Any) -> list[tuple[str, Node]]:
    """The schemas that have these values."""
    return [(place, node) for place, node in OWN if wanted.items() <= node.items()]


def test_the_committed_crd_is_the_generated_one() -> None:
    assert CRD.read_text() == rendered(), "run `make generate`"


def test_the_chart_carries_the_same_crd() -> None:
    # One copy, whatever it is called: a second one would be a stale one some day.
    copies = [path.read_text() for path in CHART.glob("*.yaml")]
    assert copies == [rendered()], "run `make generate`"


def test_what_is_rendered_is_what_was_defined() -> None:
    assert definition() == yaml.safe_load(rendered())


def test_it_is_small_enough_for_kubectl_and_for_etcd() -> None:
    assert len(rendered()) < 150_000


def test_every_schema_has_a_type_of_openapi() -> None:
    types = {"object", "array", "string", "integer", "boolean"}
    assert [] == [
        place
        for place, node in OWN
        if node.get("type") not in types and not node.get("x-kubernetes-int-or-string")
    ]


@pytest.mark.parametrize(
    ("kind", "bound"),
    [
        ("string", "maxLength"),
        ("array", "maxItems"),
        ("integer", "maximum"),
        ("integer", "minimum"),
    ],
)
def test_everything_is_bounded(kind: str, bound: str) -> None:
    unbounded = [
        place
        for place, node in places(type=kind)
        if bound not in node and "enum" not in node and node.get("format") != "date-time"
    ]
    assert [] == unbounded


def test_every_map_is_bounded() -> None:
    maps = [(place, node) for place, node in OWN if "additionalProperties" in node]
    assert maps
    assert [] == [place for place, node in maps if "maxProperties" not in node]


def test_every_quantity_is_bounded() -> None:
    quantities = places(**{"x-kubernetes-int-or-string": True})
    assert quantities
    assert [] == [place for place, node in quantities if "maxLength" not in node]


@pytest.mark.parametrize(
    "word",
    [
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
        "$ref",
        "nullable",
        "oneOf",
        "allOf",
        "not",
        "const",
        "examples",
        "exclusiveMinimum",
        "uniqueItems",
    ],
)
def test_nowhere_is(word: str) -> None:
    assert [] == [place for place, node in OWN if word in node]


def test_a_choice_is_only_between_a_number_and_a_text() -> None:
    assert {"x-kubernetes-int-or-string"} == {
        key for _, node in OWN if "anyOf" in node for key in node if key.startswith("x-")
    }


def test_the_api_server_fills_in_nothing_in_the_status() -> None:
    # It would break the digest over the status.
    assert [] == [
        place for place, node in OWN if place.startswith(".status.") and "default" in node
    ]


def test_a_build_without_a_status_is_in_init() -> None:
    # The laws about a step look at the status before it, which therefore is always there.
    assert {"phase": "INIT"} == SCHEMA["properties"]["status"]["default"]


def test_the_keys_of_a_list_map_are_always_there() -> None:
    maps = places(**{"x-kubernetes-list-type": "map"})
    assert maps
    assert [] == [
        place
        for place, node in maps
        if not {*node["x-kubernetes-list-map-keys"]} <= {*node["items"]["required"]}
    ]


def test_only_the_phase_must_be_in_a_status() -> None:
    assert ["phase"] == SCHEMA["properties"]["status"]["required"]


def test_everything_in_the_spec_may_be_left_out() -> None:
    assert "required" not in SCHEMA["properties"]["spec"]


def test_kubectl_explain_has_a_sentence_for_everything() -> None:
    named = [(place, node) for place, node in OWN if place and not place.endswith(("[]", "[*]"))]
    assert [] == [place for place, node in named if not node.get("description", "").endswith(".")]


def test_every_law_says_what_is_wrong() -> None:
    laws = [law for _, node in OWN for law in node.get("x-kubernetes-validations", ())]
    assert len(laws) >= len(SCHEMA["x-kubernetes-validations"]) >= 10
    assert [] == [law for law in laws if "message" not in law and "messageExpression" not in law]


def test_the_table_of_transitions_is_in_the_laws_word_for_word() -> None:
    rows = [
        law["rule"]
        for law in SCHEMA["x-kubernetes-validations"]
        if law.get("fieldPath") == ".status.phase"
    ]
    assert any(
        "'BUILD': ['BUILD', 'TEST', 'ERROR'], 'TEST': ['TEST', 'CLEANUP', 'ERROR']" in row
        for row in rows
    )
    assert any("'COMPLETE': ['COMPLETE']" in row for row in rows)


def test_the_words_are_those_of_the_domain() -> None:
    assert list(BuildPhase) == SCHEMA["properties"]["status"]["properties"]["phase"]["enum"]


@pytest.mark.parametrize("column", VERSION["additionalPrinterColumns"], ids=lambda c: c["name"])
def test_every_column_shows_something_that_exists(column: Node) -> None:
    way = column["jsonPath"].partition("[")[0].strip(".").split(".")
    node = SCHEMA
    for name in way if way[0] != "metadata" else ():
        node = node["properties"][name]
    assert node


@pytest.mark.parametrize("field", VERSION["selectableFields"], ids=lambda f: f["jsonPath"])
def test_every_selectable_field_is_plain(field: Node) -> None:
    assert "string" == dict(OWN)[field["jsonPath"]]["type"]


def test_the_status_is_a_subresource() -> None:
    assert {"status": {}} == VERSION["subresources"]


def test_the_model_and_the_schema_have_the_same_fields() -> None:
    spec = BuildStateModel.model_fields["spec"].annotation
    assert spec is not None
    aliases = {field.alias for field in spec.model_fields.values()}
    assert aliases == SCHEMA["properties"]["spec"]["properties"].keys()
