"""What the chart renders."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import clusters
from clusters.commands import CommandFailed, run

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "buildstate"
GOLDEN = Path(__file__).parent / "golden" / "default.yaml"
CRD = ("CustomResourceDefinition", "buildstates.buildstate.dev")
POLICIES = {
    (kind, f"{name}.buildstate.dev")
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    for name in ("acts", "work", "pods")
}
ROLES = {("ClusterRole", f"buildstate-{who}") for who in ("viewer", "author", "releaser")}
CLUSTER_WIDE = {("ClusterRole", "buildstate"), ("ClusterRoleBinding", "buildstate")}
IN_RED = {("Role", "red/buildstate"), ("RoleBinding", "red/buildstate")}

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
        ('watchNamespaces=["red"]', CLUSTER_WIDE, IN_RED),
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
    values = ('operator={"logLevel":"debug","workers":3,"sweepSeconds":60}',)
    objects = render(*values, 'watchNamespaces=["red","blue"]')
    env = operator(objects)["containers"][0]["env"]
    assert {one["name"]: one["value"] for one in env} == {
        "BUILDSTATE_LOG_LEVEL": "debug",
        "BUILDSTATE_WORKERS": "3",
        "BUILDSTATE_SWEEP_SECONDS": "60",
        "BUILDSTATE_NAMESPACES": "red,blue",
        "BUILDSTATE_HTTP_PORT": "8080",
    }


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


def test_the_limit_of_cpu_can_be_taken_away_and_the_one_of_memory_cannot(render: Render) -> None:
    resources = operator(render("resources.limits.cpu=null"))["containers"][0]["resources"]
    assert resources["limits"].keys() == {"memory"}
    with pytest.raises(CommandFailed, match="memory"):
        render("resources.limits.memory=null")
