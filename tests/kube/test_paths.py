import pytest

from buildstate.kube.paths import collection_path, object_path, ours
from buildstate.kube.ports import Key, Resource


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [("", "/api/v1/pods"), ("team", "/api/v1/namespaces/team/pods")],
    ids=["all namespaces", "one"],
)
def test_objects_of_one_kind_are_in_one_place(namespace: str, expected: str) -> None:
    assert expected == collection_path(Resource.PODS, namespace)


def test_an_object_is_where_its_kind_is() -> None:
    path = object_path(Resource.BUILDS, Key("team", "demo"))
    assert "/apis/buildstate.dev/v1alpha1/namespaces/team/buildstates/demo" == path


def test_only_our_pods_are_asked_for() -> None:
    selector = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Dbuildstate-operator"
    assert f"/api/v1/pods?limit=5&{selector}" == ours(Resource.PODS, "", {"limit": "5"})


def test_every_build_is_ours() -> None:
    builds = "/apis/buildstate.dev/v1alpha1/buildstates?limit=5"
    assert builds == ours(Resource.BUILDS, "", {"limit": "5"})


def test_only_namespaces_that_ask_for_a_quota_are_asked_for() -> None:
    expected = "/api/v1/namespaces?labelSelector=buildstate.dev%2Fquota%3Dmanaged"
    assert expected == ours(Resource.NAMESPACES, "", {})


def test_every_resource_quota_is_asked_for() -> None:
    assert "/api/v1/namespaces/team/resourcequotas?" == ours(Resource.QUOTAS, "team", {})
