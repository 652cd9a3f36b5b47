from typing import Any

import pytest

from buildstate.domain.budgets import FoundQuota, Wish
from buildstate.kube.budgets import found_of, manifest, resized, wish_of

LABELS = {"app.kubernetes.io/managed-by": "buildstate-operator"}


def a_namespace(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "team", "uid": "n", **metadata}}


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [
        (None, Wish()),
        (a_namespace(), Wish()),
        (a_namespace(labels={"buildstate.dev/quota": "no"}), Wish()),
        (a_namespace(labels={"buildstate.dev/quota": "managed"}), Wish(is_managed=True)),
        (
            a_namespace(
                labels={"buildstate.dev/quota": "managed"},
                annotations={"buildstate.dev/quota": "{}"},
            ),
            Wish(is_managed=True, text="{}"),
        ),
        (
            a_namespace(labels={"buildstate.dev/quota": "managed"}, deletionTimestamp="now"),
            Wish(),
        ),
    ],
    ids=["none", "plain", "another value", "labelled", "with a size", "ending"],
)
def test_what_a_namespace_asks_for(namespace: dict[str, Any] | None, expected: Wish) -> None:
    assert expected == wish_of(namespace)


def test_the_quota_is_ours_by_name_and_label() -> None:
    expected = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "buildstate", "namespace": "team", "labels": LABELS},
        "spec": {"hard": {"pods": "3"}},
    }
    assert expected == manifest("team", {"pods": "3"})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, FoundQuota(uid="q", hard={"pods": "3"})),
        ({"spec": {}}, FoundQuota(uid="q", hard={})),
        (
            {"spec": {"scopes": ["Terminating"]}},
            FoundQuota(uid="q", hard={}, is_plain=False),
        ),
        (
            {"spec": {"scopeSelector": {"matchExpressions": [1]}}},
            FoundQuota(uid="q", hard={}, is_plain=False),
        ),
        ({"metadata": {"uid": "q"}}, FoundQuota(uid="q", hard={"pods": "3"}, is_ours=False)),
    ],
    ids=["ours", "empty", "scopes", "a scope selector", "without the label"],
)
def test_what_is_seen_of_a_quota(change: dict[str, Any], expected: FoundQuota) -> None:
    quota = manifest("team", {"pods": "3"})
    quota["metadata"]["uid"] = "q"
    assert expected == found_of({**quota, **change})


def test_no_quota_is_seen_where_there_is_none() -> None:
    assert found_of(None) is None


def test_a_resized_quota_keeps_all_but_its_size() -> None:
    quota = manifest("team", {"pods": "3"})
    quota["metadata"]["resourceVersion"] = "7"
    found = resized(quota, {"pods": "4"})
    assert {**quota, "spec": {"hard": {"pods": "4"}}} == found
