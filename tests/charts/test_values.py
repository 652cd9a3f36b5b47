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


def store(**fields: object) -> str:
    """The value of a list with one store."""
    return f"stores.list={json.dumps([fields])}"


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
    "no store": ("stores.list=[]", "/stores/list"),
    "a store without a name": (store(kind="ConfigMap"), "name"),
    "a store in capitals": (store(name="S3", kind="S3", bucket="builds"), "/stores/list/0/name"),
    "a store of an unknown kind": (store(name="a", kind="Tape"), "/stores/list/0/kind"),
    "a volume without a claim": (store(name="a", kind="Volume"), "claimName"),
    "a volume at a path of one's own": (
        store(name="a", kind="Volume", claimName="c", path="/var"),
        "path",
    ),
    "a ConfigMap with credentials": (
        store(name="a", kind="ConfigMap", credentialsSecret="b"),
        "credentialsSecret",
    ),
    "an S3 store without a bucket": (store(name="a", kind="S3"), "bucket"),
    "a GCS store with a region": (
        store(name="a", kind="GCS", bucket="builds", region="here"),
        "region",
    ),
    "an Azure store without an account": (
        store(name="a", kind="Azure", container="builds"),
        "account",
    ),
    "an endpoint without a scheme": (
        store(name="a", kind="S3", bucket="builds", endpoint="s3.example"),
        "/stores/list/0/endpoint",
    ),
    "an endpoint without TLS that is not meant": (
        store(name="a", kind="S3", bucket="builds", endpoint="http://s3.example"),
        "allowHttp",
    ),
    "an endpoint without TLS that is denied": (
        store(name="a", kind="GCS", bucket="builds", endpoint="http://gcs", allowHttp=False),
        "allowHttp",
    ),
    "a request that may take for ever": (
        store(name="a", kind="Azure", account="abc", container="builds", timeoutSeconds=0),
        "/stores/list/0/timeoutSeconds",
    ),
    "a prefix that leads elsewhere": (
        store(name="a", kind="S3", bucket="builds", prefix="a/../b"),
        "/stores/list/0/prefix",
    ),
    "a prefix that begins with a slash": (
        store(name="a", kind="S3", bucket="builds", prefix="/builds"),
        "/stores/list/0/prefix",
    ),
    "credentials in the values": (
        store(name="a", kind="S3", bucket="builds", secretAccessKey="k"),
        "secretAccessKey",
    ),
    "a quota that is no quantity": ('quota.hard={"pods":"many"}', "/quota/hard/pods"),
    "a quota below nothing": ('quota.hard={"pods":-1}', "/quota/hard/pods"),
    "a quota of something with a space": ('quota.hard={"a b":"1"}', "a b"),
    "a key with a slash": ('encryption.activeKey="../key"', "/encryption/activeKey"),
    "a key in the values": ('encryption.keys={"a":"b"}', "keys"),
    "a user that breaks out of its quotes": (
        """policies.operators=["a' || true"]""",
        "/policies/operators/0",
    ),
}


CONTRADICTIONS = {
    "a default that is no store": (
        'stores.default="s3"',
        'stores.default is "s3", but stores.list has only: configmap',
    ),
    "two stores of one name": (
        'stores.list=[{"name":"configmap","kind":"ConfigMap"},'
        '{"name":"configmap","kind":"S3","bucket":"builds"}]',
        'stores.list has two stores named "configmap": give each its own name',
    ),
    "a key of no Secret": (
        'encryption.activeKey="2026-11"',
        'encryption.activeKey is "2026-11": name the Secret that holds it in encryption.keysSecret',
    ),
    "a Secret without a key for new checkpoints": (
        'encryption.keysSecret="keys"',
        'encryption.keysSecret is "keys": name the key in it for new checkpoints',
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


@pytest.mark.parametrize(("value", "said"), CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_values_that_contradict_each_other_are_refused_in_words(
    value: str, said: str, template: Callable[..., str]
) -> None:
    with pytest.raises(CommandFailed) as refused:
        template(f"--set-json={value}")
    assert said in str(refused.value)


def test_the_schema_knows_exactly_the_values_that_there_are() -> None:
    # `global` is Helm's; ephemeral-storage is possible, not preset.
    extra = {"global", *(f"resources.{of}.ephemeral-storage" for of in ("requests", "limits"))}
    values = yaml.safe_load(VALUES.read_text())
    values["quota"]["hard"] = {}  # What it may limit is without end.
    assert set(known(SCHEMA)) - extra == set(settings(values))


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
