"""The values: each is known, explained, and refused when it is wrong."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters.commands import CommandFailed

CHART = Path(__file__).parents[2] / "charts" / "buildstate"
VALUES = CHART / "values.yaml"
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())

WRONG = {
    "a name that is not there": ("replicas=2", "replicas"),
    "a name deep inside": ('image.host="here"', "host"),
    "no boolean": ('crds.install="yes"', "/crds/install"),
    "an unknown level": ('operator.logLevel="loud"', "/operator/logLevel"),
    "no worker": ("operator.workers=0", "/operator/workers"),
    "a sweep all the time": ("operator.sweepSeconds=1", "/operator/sweepSeconds"),
    "a namespace in capitals": ('watchNamespaces=["Red"]', "/watchNamespaces/0"),
    "a namespace twice": ('watchNamespaces=["red","red"]', "/watchNamespaces"),
    "a port out of range": ("service.port=70000", "/service/port"),
    "a tag with a space": ('image.tag="1 0"', "/image/tag"),
    "an image without a name": ('image.repository=""', "/image/repository"),
    "an unknown pull policy": ('image.pullPolicy="Sometimes"', "/image/pullPolicy"),
    "no limits": ("resources.limits=null", "limits"),
    "a memory that is no quantity": ('resources.limits.memory="lots"', "/resources/limits/memory"),
    "an interval without unit": ('serviceMonitor.interval="30"', "/serviceMonitor/interval"),
    "a setting of the chart's own": (
        'extraEnv=[{"name":"BUILDSTATE_WORKERS","value":"1"}]',
        "/extraEnv/0/name",
    ),
    "a label that selects the Pod": (
        'podLabels={"app.kubernetes.io/name":"x"}',
        "app.kubernetes.io/name",
    ),
    "a user that breaks out of its quotes": (
        """policies.operators=["a' || true"]""",
        "/policies/operators/0",
    ),
}


def settings(node: dict[str, Any], path: str = "") -> Iterator[str]:
    """The paths of all values that are no further maps."""
    for name, value in node.items():
        if isinstance(value, dict) and value:
            yield from settings(value, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def known(node: dict[str, Any], path: str = "") -> Iterator[str]:
    """The paths of all values that the schema describes."""
    for name, schema in node["properties"].items():
        if "properties" in schema:
            yield from known(schema, f"{path}{name}.")
        else:
            yield f"{path}{name}"


@pytest.mark.parametrize(("value", "named"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_value_is_refused_by_name(
    value: str, named: str, template: Callable[..., str]
) -> None:
    with pytest.raises(CommandFailed) as refused:
        template(f"--set-json={value}")
    assert "values don't meet the specifications of the schema" in str(refused.value)
    assert named in str(refused.value)


def test_the_schema_knows_exactly_the_values_that_there_are() -> None:
    # `global` is Helm's; ephemeral-storage is possible, not preset.
    extra = {"global", *(f"resources.{of}.ephemeral-storage" for of in ("requests", "limits"))}
    assert set(known(SCHEMA)) - extra == set(settings(yaml.safe_load(VALUES.read_text())))


def test_every_value_is_explained_in_values_yaml() -> None:
    explained = False
    for line in VALUES.read_text().splitlines():
        if line.lstrip().startswith("#"):
            explained = True
        elif not line:
            explained = False
        # A map is explained by what it holds; podLabels and the like follow their first line.
        elif not line.endswith(":"):
            assert explained, f"no comment above: {line}"


def test_every_value_is_explained_in_the_schema() -> None:
    silent = [
        name for name, schema in SCHEMA["properties"].items() if not schema.get("description")
    ]
    assert silent == []
