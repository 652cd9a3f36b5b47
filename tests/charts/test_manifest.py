"""What the chart renders."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import clusters
from buildstate.settings import PREFIX, Settings, settings_of
from buildstate.stores.registries import stores_of
from clusters.commands import CommandFailed, run

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "buildstate"
GOLDEN = Path(__file__).parent / "golden" / "default.yaml"
CRD = ("CustomResourceDefinition", "buildstates.buildstate.dev")
POLICIES = {
    (kind, f"{name}.buildstate.dev")
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    for name in ("acts", "work", "pods", "checkpoints", "finalizers")
}
ROLES = {("ClusterRole", f"buildstate-{who}") for who in ("viewer", "author", "releaser")}
CLUSTER_WIDE = {("ClusterRole", "buildstate"), ("ClusterRoleBinding", "buildstate")}
IN_RED = {("Role", "red/buildstate"), ("RoleBinding", "red/buildstate")}
FOR_INDEX = {("Role", "buildstate-store"), ("RoleBinding", "buildstate-store")}
STORES = [
    {"name": "configmap", "kind": "ConfigMap"},
    {"name": "disk", "kind": "Volume", "claimName": "builds"},
    {"name": "main", "kind": "S3", "bucket": "builds", "region": "r", "credentialsSecret": "s3"},
    {"name": "cloud", "kind": "GCS", "bucket": "builds", "prefix": "a/b"},
]
ALL_STORES = (f"stores.list={json.dumps(STORES)}", 'stores.default="main"')
ENCRYPTED = 'encryption={"activeKey":"2026-11","keysSecret":"keys"}'

Objects = dict[tuple[str, str], dict[str, Any]]
Render = Callable[..., Objects]


def operator(objects: Objects, name: str = "buildstate") -> dict[str, Any]:
    """The spec of the operator's Pod."""
    spec: dict[str, Any] = objects["Deployment", name]["spec"]["template"]["spec"]
    return spec


def test_helm_finds_nothing_to_complain_about() -> None:
    said = run(clusters.tool("helm"), "lint", "--strict", CHART)
    assert "1 chart(s) linted, 0 chart(s) failed" in said


def test_the_default_manifest_is_the_one_reviewed(template: Callable[..., str]) -> None:
    # The CRD is left out: it is compared with its own file below.
    rendered = template("--set-json=crds.install=false")
    again = (
        "helm template buildstate charts/buildstate --namespace buildstate-system"
        f" --set-json=crds.install=false > {GOLDEN.relative_to(ROOT)}"
    )
    assert rendered == GOLDEN.read_text(), f"If the change is meant, write it anew:\n{again}"


def test_the_chart_installs_the_generated_crd_and_keeps_it(render: Render) -> None:
    rendered = render()[CRD]
    generated = yaml.safe_load((ROOT / "crds" / f"{CRD[1]}.yaml").read_text())
    assert rendered["spec"] == generated["spec"]
    annotations = generated["metadata"].get("annotations", {})
    kept = {**annotations, "helm.sh/resource-policy": "keep"}
    assert rendered["metadata"]["annotations"] == kept


@pytest.mark.parametrize(
    ("value", "gone", "new"),
    [
        ("crds.install=false", {CRD}, set()),
        ("policies.enabled=false", POLICIES, set()),
        ("roles.create=false", ROLES, set()),
        ("serviceMonitor.enabled=true", set(), {("ServiceMonitor", "buildstate")}),
        ("networkPolicy.enabled=true", set(), {("NetworkPolicy", "buildstate")}),
        ('watchNamespaces=["red"]', CLUSTER_WIDE, IN_RED | FOR_INDEX),
        (
            'serviceAccount.name="robot"',
            {("ServiceAccount", "buildstate")},
            {("ServiceAccount", "robot")},
        ),
    ],
)
def test_a_switch_takes_away_and_adds_what_it_says(
    value: str, gone: set[tuple[str, str]], new: set[tuple[str, str]], render: Render
) -> None:
    before, after = render().keys(), render(value).keys()
    assert (before - after, after - before) == (gone, new)


def test_the_crd_goes_with_the_release_where_asked(render: Render) -> None:
    rendered = render("crds.keep=false")[CRD]
    assert "helm.sh/resource-policy" not in rendered["metadata"].get("annotations", {})


def test_the_roles_stay_out_of_view_edit_and_admin_where_asked(render: Render) -> None:
    objects = render("roles.aggregate=false")
    assert not any("aggregate-to" in str(objects[role]) for role in ROLES)


def test_every_object_carries_the_standard_labels(render: Render) -> None:
    everything = ("serviceMonitor.enabled=true", "networkPolicy.enabled=true")
    for name, one in render(*everything, 'watchNamespaces=["red"]').items():
        labels = one["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "Helm", name
        assert labels["helm.sh/chart"].startswith("buildstate-"), name


def test_another_release_name_names_everything_of_the_release(template: Callable[..., str]) -> None:
    rendered = template("--set-json=crds.install=false", name="night")
    objects = [one for one in yaml.safe_load_all(rendered) if one]
    names = {one["metadata"]["name"] for one in objects if one["kind"] == "Deployment"}
    assert names == {"night-buildstate"}
    assert "system:serviceaccount:buildstate-system:night-buildstate" in rendered


def test_the_operator_hears_of_its_settings(render: Render) -> None:
    values = ('operator={"logLevel":"debug","workers":3,"sweepSeconds":60,"eraseSeconds":9}',)
    objects = render(*values, 'watchNamespaces=["red","blue"]')
    env = operator(objects)["containers"][0]["env"]
    assert {one["name"]: one["value"] for one in env} == {
        "BUILDSTATE_LOG_LEVEL": "debug",
        "BUILDSTATE_WORKERS": "3",
        "BUILDSTATE_SWEEP_SECONDS": "60",
        "BUILDSTATE_NAMESPACES": "red,blue",
        "BUILDSTATE_HTTP_PORT": "8080",
        "BUILDSTATE_ERASE_SECONDS": "9",
        "BUILDSTATE_STORES": "/etc/buildstate/stores/stores.yaml",
        "BUILDSTATE_STORE_NAMESPACE": "buildstate-system",
        "BUILDSTATE_REPORTER_IMAGE": "buildstate-operator:0.1.0",
        "BUILDSTATE_REPORTER_PULL_POLICY": "IfNotPresent",
        "BUILDSTATE_QUOTA": '{"count/buildstates.buildstate.dev":"100","pods":"20"}',
    }


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((), {"count/buildstates.buildstate.dev": "100", "pods": "20"}),
        (('quota.hard={"pods":null,"count/buildstates.buildstate.dev":null}',), {}),
        (
            ('quota.hard={"pods":1000000,"requests.cpu":"500m"}',),
            {"count/buildstates.buildstate.dev": "100", "pods": "1000000", "requests.cpu": "500m"},
        ),
        (("quota.enabled=false",), None),
    ],
    ids=["by default", "left to the namespaces", "more", "none"],
)
def test_the_size_of_quotas_is_what_the_operator_reads(
    values: tuple[str, ...], expected: dict[str, str] | None, render: Render
) -> None:
    env = operator(render(*values))["containers"][0]["env"]
    found = {one["name"]: one["value"] for one in env if one["name"] == "BUILDSTATE_QUOTA"}
    assert expected == settings_of(found).quota


def test_the_pod_goes_where_and_as_it_is_told(render: Render) -> None:
    values = {
        "priorityClassName": '"high"',
        "nodeSelector": '{"disk":"fast"}',
        "tolerations": '[{"operator":"Exists"}]',
        "affinity": '{"podAntiAffinity":{}}',
    }
    spec = operator(render(*(f"{name}={value}" for name, value in values.items())))
    assert {name: spec[name] for name in values} == {
        name: yaml.safe_load(value) for name, value in values.items()
    }


def test_pod_annotations_labels_environment_and_pull_secrets_are_passed_on(render: Render) -> None:
    objects = render(
        'podAnnotations={"a":"b"}',
        'podLabels={"c":"d"}',
        'extraEnv=[{"name":"E","value":"f"}]',
        'image.pullSecrets=[{"name":"pull"}]',
    )
    meta = objects["Deployment", "buildstate"]["spec"]["template"]["metadata"]
    assert (meta["annotations"]["a"], meta["labels"]["c"]) == ("b", "d")
    assert {"name": "E", "value": "f"} in operator(objects)["containers"][0]["env"]
    assert operator(objects)["imagePullSecrets"] == [{"name": "pull"}]


def test_the_image_is_of_the_charts_version_and_names_no_registry(render: Render) -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert operator(render())["containers"][0]["image"] == f"buildstate-operator:{version}"


def test_more_operators_may_be_let_in(render: Render) -> None:
    user = "system:serviceaccount:team:buildstate"
    objects = render(f'policies.operators=["{user}"]')
    conditions = objects["ValidatingAdmissionPolicy", "pods.buildstate.dev"]["spec"]
    assert f'"{user}"' in str(conditions["matchConditions"])
    for name in ("checkpoints", "finalizers"):
        assert f'"{user}"' in str(objects["ValidatingAdmissionPolicy", f"{name}.buildstate.dev"])


def test_the_limit_of_cpu_can_be_taken_away_and_the_one_of_memory_cannot(render: Render) -> None:
    resources = operator(render("resources.limits.cpu=null"))["containers"][0]["resources"]
    assert resources["limits"].keys() == {"memory"}
    with pytest.raises(CommandFailed, match="memory"):
        render("resources.limits.memory=null")


def documented(objects: Objects) -> Any:
    """What the operator reads as its stores."""
    return yaml.safe_load(objects["ConfigMap", "buildstate-stores"]["data"]["stores.yaml"])


def mounted(objects: Objects) -> dict[str, tuple[Any, bool]]:
    """By path: what is mounted there, and whether it can be written."""
    spec = operator(objects)
    volumes = {one.pop("name"): one for one in spec["volumes"]}
    return {
        one["mountPath"]: (volumes[one["name"]], not one.get("readOnly", False))
        for one in spec["containers"][0]["volumeMounts"]
    }


def test_checkpoints_go_into_configmaps_where_nothing_else_is_said(render: Render) -> None:
    stores = [{"name": "configmap", "kind": "ConfigMap"}]
    assert documented(render()) == {"default": "configmap", "stores": stores}
    assert mounted(render()).keys() == {"/etc/buildstate/stores"}


def test_the_operator_reads_of_each_store_what_it_needs_to_open_it(render: Render) -> None:
    credentials = {"credentials": "/etc/buildstate/credentials/main"}
    assert documented(render(*ALL_STORES, ENCRYPTED)) == {
        "default": "main",
        "stores": [
            {"name": "configmap", "kind": "ConfigMap"},
            {"name": "disk", "kind": "Volume", "path": "/var/lib/buildstate/disk"},
            {"name": "main", "kind": "S3", "bucket": "builds", "region": "r", **credentials},
            {"name": "cloud", "kind": "GCS", "bucket": "builds", "prefix": "a/b"},
        ],
        "encryption": {"activeKey": "2026-11", "keyring": "/etc/buildstate/keyring"},
    }


CLOUD: dict[str, Any] = {"prefix": "a/b", "timeoutSeconds": 5, "credentialsSecret": "keys"}
EVERY_FIELD: list[dict[str, Any]] = [
    {"name": "configmap", "kind": "ConfigMap"},
    {"name": "disk", "kind": "Volume", "claimName": "builds"},
    {"name": "s3", "kind": "S3", "bucket": "builds", "region": "r", "virtualHosted": True, **CLOUD},
    {"name": "plain", "kind": "S3", "bucket": "b-1", "endpoint": "http://s3", "allowHttp": True},
    {"name": "gcs", "kind": "GCS", "bucket": "builds", "endpoint": "https://gcs", **CLOUD},
    {"name": "azure", "kind": "Azure", "account": "builds", "container": "builds", **CLOUD},
]


def test_the_operator_understands_every_field_that_the_chart_takes(render: Render) -> None:
    values = (f"stores.list={json.dumps(EVERY_FIELD)}", ENCRYPTED)
    text = render(*values)["ConfigMap", "buildstate-stores"]["data"]["stores.yaml"]
    understood = stores_of(text)
    assert [one.name for one in understood.stores] == [one["name"] for one in EVERY_FIELD]
    assert understood.encryption is not None
    items = json.loads((CHART / "values.schema.json").read_text())["properties"]["stores"]
    fields = items["properties"]["list"]["items"]["properties"]
    assert {name for one in EVERY_FIELD for name in one} == fields.keys()


def test_the_chart_sets_every_setting_that_the_operator_knows(render: Render) -> None:
    env = {one["name"] for one in operator(render())["containers"][0]["env"]}
    assert env == {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def test_everything_that_the_stores_document_names_is_mounted(render: Render) -> None:
    secret = {"defaultMode": 0o440}
    assert mounted(render(*ALL_STORES, ENCRYPTED)) == {
        "/etc/buildstate/stores": ({"configMap": {"name": "buildstate-stores"}}, False),
        "/etc/buildstate/keyring": ({"secret": {"secretName": "keys", **secret}}, False),
        "/etc/buildstate/credentials/main": ({"secret": {"secretName": "s3", **secret}}, False),
        "/var/lib/buildstate/disk": ({"persistentVolumeClaim": {"claimName": "builds"}}, True),
    }


def test_what_is_mounted_can_be_read_by_the_operators_group(render: Render) -> None:
    security = operator(render(ENCRYPTED))["securityContext"]
    assert (security["runAsGroup"], security["fsGroup"]) == (65532, 65532)


def test_another_store_rolls_the_operator(render: Render) -> None:
    def template(*values: str) -> Any:
        return render(*values)["Deployment", "buildstate"]["spec"]["template"]

    checksum = template()["metadata"]["annotations"]["checksum/stores"]
    assert checksum != template(*ALL_STORES)["metadata"]["annotations"]["checksum/stores"]


def test_a_volume_is_let_go_before_the_next_operator_takes_it(render: Render) -> None:
    deployment = render(*ALL_STORES)["Deployment", "buildstate"]["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
