"""The ConfigMap store: what it makes, what that costs, and what does not fit."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.stores.clusters import FakeCluster
from tests.stores.contracts import MANIFEST, RECORD, StoreContract

from buildstate.domain.errors import AlreadyExists, Conflict, Permanent
from buildstate.kube.ports import Document, Key
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


# Whoever may make ConfigMaps in a namespace can give them any name, but not our labels.


MARKS = ["app.kubernetes.io/managed-by", "buildstate.dev/document"]
DOCUMENT = "active/team/uid/current_state.json"


@pytest.mark.parametrize("mark", MARKS)
async def test_a_document_that_lacks_our_labels_is_not_believed(
    store: ConfigMapStore, cluster: FakeCluster, mark: str
) -> None:
    await store.create(DOCUMENT, b"planted")
    (found,) = cluster.objects.values()
    del found["metadata"]["labels"][mark]
    await is_in_the_way(store, found)


@pytest.mark.parametrize("labels", [None, {}])
async def test_a_document_without_any_label_is_not_believed(
    store: ConfigMapStore, cluster: FakeCluster, labels: dict[str, str] | None
) -> None:
    await store.create(DOCUMENT, b"planted")
    (found,) = cluster.objects.values()
    # The fake server selects by labels, and the real one leaves out what is empty.
    found["metadata"]["labels"] = labels or {}
    if labels is None:
        del found["metadata"]["annotations"]
    await is_in_the_way(store, found)


async def test_a_document_that_says_that_it_is_another_is_not_believed(
    store: ConfigMapStore, cluster: FakeCluster
) -> None:
    await store.create(DOCUMENT, b"planted")
    (found,) = cluster.objects.values()
    found["metadata"]["annotations"]["buildstate.dev/path"] = "active/team/other/current_state.json"
    await is_in_the_way(store, found)


async def is_in_the_way(store: ConfigMapStore, planted: Document) -> None:
    """It counts as not there, so nobody learns its version, and nothing takes its place."""
    assert await store.read(DOCUMENT) is None
    version = planted["metadata"]["resourceVersion"]
    for act in (
        store.create(DOCUMENT, b"ours"),
        store.write(DOCUMENT, b"ours"),
        store.swap(DOCUMENT, b"ours", None),
    ):
        with pytest.raises(Permanent, match=r"team/document-\S+ has the name .* Delete it") as no:
            await act
        assert "Foreign" == no.value.reason
    assert version == planted["metadata"]["resourceVersion"]
    await store.remove(DOCUMENT)
    await store.create(DOCUMENT, b"ours")
    blob = await store.read(DOCUMENT)
    assert blob is not None
    assert b"ours" == blob.data


@pytest.mark.parametrize(
    "change",
    [
        lambda metadata: metadata.update(labels={}),
        lambda metadata: metadata["labels"].pop("app.kubernetes.io/managed-by"),
        lambda metadata: metadata["labels"].pop("buildstate.dev/checkpoint"),
        lambda metadata: metadata["labels"].update({"buildstate.dev/build-uid": "other"}),
        lambda metadata: metadata["labels"].update({"buildstate.dev/area": "archived"}),
        lambda metadata: metadata["annotations"].update({"buildstate.dev/checkpoint-name": "x"}),
    ],
)
async def test_a_checkpoint_that_is_not_marked_as_that_of_ours_is_not_believed(
    store: ConfigMapStore, cluster: FakeCluster, change: Callable[[Any], Any]
) -> None:
    await store.save(PLACE, RECORD)
    (found,) = cluster.objects.values()
    change(found["metadata"])
    assert await store.load(PLACE, RECORD.name) is None
    assert await store.manifest(PLACE, RECORD.name) is None
    for act in (store.save(PLACE, RECORD), store.replace_manifest(PLACE, RECORD, b"{}")):
        with pytest.raises(Permanent, match=r"team/checkpoint-7-build-\S+ has the name") as no:
            await act
        assert "Foreign" == no.value.reason
    assert MANIFEST.decode() == found["metadata"]["annotations"]["buildstate.dev/manifest"]


async def test_a_manifest_alone_costs_no_payload(
    store: ConfigMapStore, cluster: FakeCluster
) -> None:
    await store.save(PLACE, RECORD)
    assert MANIFEST == await store.manifest(PLACE, RECORD.name)
    assert ["create", "peek"] == cluster.calls
