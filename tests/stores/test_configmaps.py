"""The ConfigMap store: what it makes, what that costs, and what does not fit."""

import pytest
from tests.stores.clusters import FakeCluster
from tests.stores.contracts import MANIFEST, RECORD, StoreContract

from buildstate.domain.errors import AlreadyExists, Conflict, Permanent
from buildstate.kube.ports import Key
from buildstate.stores import configmaps
from buildstate.stores.configmaps import ConfigMapStore
from buildstate.stores.contracts import Area, Place, Record, Store

PLACE = Place("team", "uid", "demo")
ARCHIVED = Place("team", "uid", "demo", Area.ARCHIVED)


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def store(cluster: FakeCluster) -> ConfigMapStore:
    return ConfigMapStore("configmap", cluster, "buildstate-system")


class TestConfigMap(StoreContract):
    """The contract."""

    large = configmaps.LIMIT

    @pytest.fixture
    def store(self, cluster: FakeCluster) -> Store:
        return ConfigMapStore("configmap", cluster, "buildstate-system")


async def test_a_checkpoint_costs_one_create(store: ConfigMapStore, cluster: FakeCluster) -> None:
    await store.save(PLACE, RECORD)
    assert ["create"] == cluster.calls


async def test_a_checkpoint_is_immutable_and_belongs_to_its_build(
    store: ConfigMapStore, cluster: FakeCluster
) -> None:
    await store.save(PLACE, RECORD)
    (found,) = cluster.objects.values()
    assert found["immutable"] is True
    assert found["metadata"]["name"].startswith("checkpoint-7-build-1f9b02ac-")
    assert {
        "app.kubernetes.io/managed-by": "buildstate-operator",
        "buildstate.dev/build": "demo",
        "buildstate.dev/build-uid": "uid",
        "buildstate.dev/area": "active",
        "buildstate.dev/checkpoint": "true",
    } == found["metadata"]["labels"]
    (owner,) = found["metadata"]["ownerReferences"]
    assert ("BuildState", "demo", "uid") == (owner["kind"], owner["name"], owner["uid"])
    assert MANIFEST.decode() == found["metadata"]["annotations"]["buildstate.dev/manifest"]


async def test_an_archived_checkpoint_belongs_to_nobody(
    store: ConfigMapStore, cluster: FakeCluster
) -> None:
    await store.save(ARCHIVED, RECORD)
    (found,) = cluster.objects.values()
    assert [] == found["metadata"]["ownerReferences"]


async def test_documents_of_a_build_lie_beside_it_and_the_index_beside_us(
    store: ConfigMapStore, cluster: FakeCluster
) -> None:
    await store.create("active/team/uid/current_state.json", b"{}")
    await store.create("active/index.json", b"{}")
    assert {"team", "buildstate-system"} == {key.namespace for key in cluster.objects}
    assert ["active/index.json", "active/team/uid/current_state.json"] == await store.list("active")
    assert ["active/index.json"] == await store.list("active/i")


async def test_what_does_not_fit_is_refused_before_it_is_sent(
    store: ConfigMapStore, cluster: FakeCluster
) -> None:
    large = Record(RECORD.name, MANIFEST, bytes(configmaps.LIMIT + 1))
    with pytest.raises(Permanent, match=r"1,000,001 bytes, and the limit .* 1,000,000: use") as no:
        await store.save(PLACE, large)
    assert "TooLarge" == no.value.reason
    wordy = Record(RECORD.name, b"x" * (configmaps.MANIFEST_LIMIT + 1), b"")
    with pytest.raises(Permanent, match="manifest"):
        await store.save(PLACE, wordy)
    assert [] == cluster.calls


async def test_a_checkpoint_without_a_manifest_is_invisible_but_named(
    store: ConfigMapStore, cluster: FakeCluster
) -> None:
    await store.save(PLACE, RECORD)
    (found,) = cluster.objects.values()
    del found["metadata"]["annotations"]["buildstate.dev/manifest"]
    assert await store.load(PLACE, RECORD.name) is None
    assert [RECORD.name] == await store.names(PLACE)
    with pytest.raises(AlreadyExists):
        await store.save(PLACE, RECORD)
    with pytest.raises(Conflict):
        await store.replace_manifest(PLACE, RECORD, b"{}")
    await store.delete(PLACE, RECORD.name)
    assert {} == cluster.objects


async def test_a_checkpoint_without_data_is_invisible(
    store: ConfigMapStore, cluster: FakeCluster
) -> None:
    await store.save(PLACE, RECORD)
    (found,) = cluster.objects.values()
    del found["binaryData"]
    assert await store.load(PLACE, RECORD.name) is None


async def test_a_place_says_what_its_build_is_called_where_that_is_known(
    store: ConfigMapStore,
) -> None:
    await store.save(PLACE, RECORD)
    await store.create("active/team/uid/current_state.json", b"{}")
    assert ["demo"] == [place.build for place in await store.places(Area.ACTIVE)]


async def test_a_write_among_writers_gives_up_in_the_end(
    store: ConfigMapStore, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stale(*_args: object) -> None:
        raise Conflict("stale")

    monkeypatch.setattr(cluster, "create", stale)
    with pytest.raises(Conflict, match="again and again"):
        await store.write("active/index.json", b"{}")


async def test_what_somebody_else_labelled_is_no_place(
    store: ConfigMapStore, cluster: FakeCluster
) -> None:
    await store.save(PLACE, RECORD)
    (found,) = cluster.objects.values()
    cluster.objects[Key("team", "foreign")] = {
        "metadata": {
            "name": "foreign",
            "namespace": "team",
            "labels": {**found["metadata"]["labels"], "buildstate.dev/build-uid": ""},
        }
    }
    assert [PLACE] == await store.places(Area.ACTIVE)
    assert [RECORD.name] == await store.names(PLACE)
