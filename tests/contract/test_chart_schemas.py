"""The chart's objects are what the API server's own schemas say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters import binaries
from clusters.commands import CommandFailed, run
from clusters.providers import Cluster

pytestmark = pytest.mark.contract

CHART = Path(__file__).parents[2] / "charts" / "buildstate"
GVK = "x-kubernetes-group-version-kind"
PREFIX = "#/definitions/"
THERE = ("-n", "restricted")
DRY = ("create", "--dry-run=server", "-f", "-")
STORES = [
    {"name": "configmap", "kind": "ConfigMap"},
    {"name": "disk", "kind": "Volume", "claimName": "disk"},
    {"name": "s3", "kind": "S3", "bucket": "builds", "allowHttp": True, "credentialsSecret": "s3"},
]
EVERYTHING = (
    *("--set=networkPolicy.enabled=true", "--set=podLabels.a=b", "--set=podAnnotations.c=d"),
    *("--set=watchNamespaces={red,blue}", "--set=priorityClassName=high"),
    *("--set=extraEnv[0].name=A", "--set=extraEnv[0].value=b", "--set=nodeSelector.e=f"),
    *("--set=image.pullSecrets[0].name=pull", "--set=tolerations[0].operator=Exists"),
    *("--set=encryption.activeKey=a", "--set=encryption.keysSecret=keys"),
    "--set-json=stores.list=" + json.dumps(STORES),
)


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, with every field that it does not know refused."""
    if schema.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
    if "properties" in schema and "additionalProperties" not in schema:
        return {**schema, "additionalProperties": False}
    return schema


def tightened(node: Any) -> Any:
    """A schema, strict in all its depth."""
    if isinstance(node, dict):
        return strict({key: tightened(value) for key, value in node.items()})
    return [tightened(item) for item in node] if isinstance(node, list) else node


def references(node: Any) -> Iterator[str]:
    """The names of the definitions that a schema leads to directly."""
    if isinstance(node, dict):
        if isinstance(target := node.get("$ref"), str):
            yield target.removeprefix(PREFIX)
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def closure(name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """A definition with all that it leads to, so that a file stands alone."""
    found: dict[str, Any] = {}
    waiting = [name]
    while waiting:
        if (current := waiting.pop()) not in found:
            found[current] = definitions[current]
            waiting.extend(references(definitions[current]))
    return {"$ref": f"{PREFIX}{name}", "definitions": found}


@pytest.fixture(scope="module")
def schemas(api_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a strict JSON schema for every kind that the cluster serves."""
    directory = tmp_path_factory.mktemp("schemas")
    definitions = json.loads(api_cluster.kubectl("get", "--raw", "/openapi/v2"))["definitions"]
    tight = {name: tightened(schema) for name, schema in definitions.items()}
    for name, schema in definitions.items():
        # Kinds of many groups (DeleteOptions) are no objects of a manifest.
        if len(kinds := schema.get(GVK, [])) == 1:
            write(directory, kinds[0], closure(name, tight))
    return directory


def write(directory: Path, kind: dict[str, str], schema: dict[str, Any]) -> None:
    """Put a schema where kubeconform looks for it."""
    parts = (kind["kind"], kind["group"], kind["version"])
    name = "-".join(part for part in parts if part).lower()
    (directory / f"{name}.json").write_text(json.dumps(schema))


def conform(manifest: str, schemas: Path, *options: str) -> dict[str, Any]:
    """What kubeconform says about a manifest."""
    location = f"{schemas}/{{{{.ResourceKind}}}}-{{{{.Group}}}}-{{{{.ResourceAPIVersion}}}}.json"
    core = f"{schemas}/{{{{.ResourceKind}}}}-{{{{.ResourceAPIVersion}}}}.json"
    where = ("-schema-location", location, "-schema-location", core)
    command = ("-strict", "-summary", "-output=json", *where, *options, "-")
    said: dict[str, Any] = json.loads(run(binaries.tool("kubeconform"), *command, stdin=manifest))
    return said


def render(*options: str) -> str:
    """What Helm would send."""
    return run(binaries.tool("helm"), "template", "buildstate", CHART, *options)


@pytest.mark.parametrize("options", [(), EVERYTHING], ids=["defaults", "everything"])
def test_kubeconform_finds_nothing_wrong(options: tuple[str, ...], schemas: Path) -> None:
    manifest = render("--namespace=buildstate-system", *options)
    summary = conform(manifest, schemas)["summary"]
    assert summary == {"valid": manifest.count("\nkind: "), "invalid": 0, "errors": 0, "skipped": 0}


def test_kubeconform_would_find_a_field_that_does_not_exist(schemas: Path) -> None:
    broken = render().replace("replicas: 1", "replicsa: 1")
    with pytest.raises(CommandFailed, match="replicsa"):
        conform(broken, schemas)


@pytest.mark.parametrize("options", [(), EVERYTHING], ids=["defaults", "everything"])
def test_the_api_server_takes_every_object(options: tuple[str, ...], api_cluster: Cluster) -> None:
    manifest = render("--namespace=default", *options)
    manifest = manifest.replace("namespace: red", "namespace: kube-public")
    manifest = manifest.replace("namespace: blue", "namespace: kube-system")
    said = api_cluster.kubectl(
        *("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"),
        stdin=manifest,
    )
    assert said.count("serverside-applied") == manifest.count("\nkind: ")


def test_the_operators_pod_is_restricted(api_cluster: Cluster) -> None:
    level = "pod-security.kubernetes.io/enforce=restricted"
    api_cluster.kubectl("create", "namespace", "restricted")
    api_cluster.kubectl("label", "namespace", "restricted", level)
    api_cluster.kubectl(*THERE, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
    loose = operator_pod().replace("RuntimeDefault", "Unconfined")
    try:
        api_cluster.kubectl(*THERE, *DRY, stdin=operator_pod())
        with pytest.raises(CommandFailed, match="violates PodSecurity"):
            api_cluster.kubectl(*THERE, *DRY, stdin=loose)
    finally:
        api_cluster.kubectl("delete", "namespace", "restricted", "--wait=false")


def operator_pod() -> str:
    """The Pod that the Deployment would make, for the ServiceAccount that is there."""
    objects = [one for one in yaml.safe_load_all(render()) if one]
    spec = next(one for one in objects if one["kind"] == "Deployment")["spec"]["template"]["spec"]
    spec["serviceAccountName"] = "default"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "operator"}, "spec": spec}
    return json.dumps(pod)
