"""No role of the chart holds more than it should."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

Objects = dict[tuple[str, str], dict[str, Any]]
Render = Callable[..., Objects]

NEVER_VERBS = {"*", "escalate", "bind", "impersonate"}
NEVER_RESOURCES = {
    *("*", "secrets", "pods/exec", "pods/attach", "pods/portforward", "nodes/proxy"),
    *("serviceaccounts/token", "leases", "validatingadmissionpolicies", "clusterroles"),
}
OPERATOR = {
    "buildstate.dev/buildstates": {"get", "list", "watch", "patch"},
    "buildstate.dev/buildstates/status": {"update"},
    "/pods": {"get", "list", "watch", "create", "delete"},
    "/pods/resize": {"patch"},
    "/persistentvolumeclaims": {"get", "create", "delete"},
    "/events": {"create", "list"},
    "/limitranges": {"list", "watch"},
    "/namespaces": {"get"},
    "/resourcequotas": {"list", "watch", "create"},
    "/resourcequotas=buildstate": {"get", "update", "delete"},
    "/configmaps": {"get", "list", "create", "update", "delete"},
}
EVERYWHERE = {
    **OPERATOR,
    "/namespaces": {"get", "list", "watch"},
    "storage.k8s.io/storageclasses": {"list"},
}
READ = {"get", "list", "watch"}
WRITE = {"create", "update", "patch", "delete", "deletecollection"}
PEOPLE = {
    "viewer": READ,
    "author": READ | WRITE | {"abort", "restart", "restore", "checkpoint", "verify"},
    "releaser": READ
    | {"update", "patch", "transition", "abort", "restart", "cleanup"}
    | {"restore", "checkpoint", "archive", "verify"},
}
AGGREGATED = {"viewer": "view", "author": "edit", "releaser": "admin"}
SCOPES = {"everywhere": (), "two namespaces": ('watchNamespaces=["red","blue"]',)}


def rules(role: dict[str, Any]) -> dict[str, set[str]]:
    """The verbs of a role by group and resource, and by the name where it is for one only."""
    held: dict[str, set[str]] = {}
    for rule in role["rules"]:
        names = [f"={name}" for name in rule.get("resourceNames", ())] or [""]
        for group, resource, name in product(rule["apiGroups"], rule["resources"], names):
            held.setdefault(f"{group}/{resource}{name}", set()).update(rule["verbs"])
    return held


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES.keys())
def test_no_role_holds_a_wildcard_a_secret_or_a_way_up(
    scope: tuple[str, ...], render: Render
) -> None:
    roles = [one for (kind, _), one in render(*scope).items() if kind in ("Role", "ClusterRole")]
    assert len(roles) >= 4
    for role in roles:
        for rule in role["rules"]:
            assert not NEVER_VERBS & {*rule["verbs"]}, rule
            assert not NEVER_RESOURCES & {*rule["resources"]}, rule
            assert "*" not in rule["apiGroups"], rule
            assert "nonResourceURLs" not in rule, rule


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES.keys())
def test_the_operator_holds_exactly_what_it_needs(scope: tuple[str, ...], render: Render) -> None:
    roles = {
        name: rules(one)
        for (kind, name), one in render(*scope).items()
        if kind in ("Role", "ClusterRole") and name.endswith("buildstate")
    }
    assert roles
    expected = OPERATOR if scope else EVERYWHERE
    assert all(held == expected for held in roles.values())


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES.keys())
def test_without_quotas_of_its_own_it_may_not_write_any(
    scope: tuple[str, ...], render: Render
) -> None:
    objects = render("quota.enabled=false", *scope)
    for (kind, name), one in objects.items():
        if kind in ("Role", "ClusterRole") and name.endswith("buildstate"):
            held = rules(one)
            assert "/resourcequotas=buildstate" not in held
            assert not WRITE & held.get("/resourcequotas", set())
            assert held["/namespaces"] == {"get"}


def test_a_list_of_namespaces_leaves_nothing_cluster_wide(render: Render) -> None:
    objects = render('watchNamespaces=["red","blue"]')
    bound = {name for kind, name in objects if kind == "RoleBinding"}
    assert bound == {"red/buildstate", "blue/buildstate", "buildstate-store"}
    assert not [name for kind, name in objects if kind == "ClusterRoleBinding"]


def test_the_index_of_the_configmap_store_is_all_that_is_open_beside_the_list(
    render: Render,
) -> None:
    store = {"/configmaps": OPERATOR["/configmaps"]}
    assert rules(render('watchNamespaces=["red"]')["Role", "buildstate-store"]) == store
    watched = render('watchNamespaces=["red","buildstate-system"]')
    assert ("Role", "buildstate-store") not in watched
    assert rules(watched["Role", "buildstate"]) == OPERATOR


def test_without_a_configmap_store_no_configmap_is_touched(render: Render) -> None:
    values = ('stores={"default":"d","list":[{"name":"d","kind":"Volume","claimName":"c"}]}',)
    held = {name: verbs for name, verbs in OPERATOR.items() if name != "/configmaps"}
    everywhere = {name: verbs for name, verbs in EVERYWHERE.items() if name != "/configmaps"}
    assert rules(render(*values)["ClusterRole", "buildstate"]) == everywhere
    listed = render(*values, 'watchNamespaces=["red"]')
    assert rules(listed["Role", "red/buildstate"]) == held
    assert ("Role", "buildstate-store") not in listed


@pytest.mark.parametrize("who", PEOPLE)
def test_people_hold_the_verbs_of_their_job(who: str, render: Render) -> None:
    role = render()["ClusterRole", f"buildstate-{who}"]
    assert rules(role) == {"buildstate.dev/buildstates": PEOPLE[who]}
    label = f"rbac.authorization.k8s.io/aggregate-to-{AGGREGATED[who]}"
    assert role["metadata"]["labels"][label] == "true"


def test_only_the_operators_pod_mounts_a_token(render: Render) -> None:
    objects = render()
    pod = objects["Deployment", "buildstate"]["spec"]["template"]["spec"]
    account = objects["ServiceAccount", "buildstate"]
    assert (pod["automountServiceAccountToken"], account["automountServiceAccountToken"]) == (
        True,
        False,
    )


@pytest.mark.parametrize("name", ["acts", "work", "pods", "checkpoints", "finalizers"])
def test_a_policy_that_cannot_answer_refuses(name: str, render: Render) -> None:
    objects = render()
    policy = objects["ValidatingAdmissionPolicy", f"{name}.buildstate.dev"]["spec"]
    binding = objects["ValidatingAdmissionPolicyBinding", f"{name}.buildstate.dev"]["spec"]
    assert policy["failurePolicy"] == "Fail"
    assert binding["validationActions"] == ["Deny"]
    assert binding["policyName"] == f"{name}.buildstate.dev"
