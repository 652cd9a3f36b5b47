"""Stores on real servers: an API server, and an S3 server that is stopped and started."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest
from tests.contract.apis import opened
from tests.stores import states
from tests.stores.clusters import FakeCluster
from tests.stores.contracts import MANIFEST, RECORD, IncompleteContract, StoreContract
from tests.stores.servers import ACCESS_KEY, BUCKET, SECRET_KEY, Versity, versity
from tests.stores.states import a_bundle

from buildstate.domain.errors import Permanent, Transient
from buildstate.kube.client import KubeClient
from buildstate.kube.connections import connect
from buildstate.stores import configmaps
from buildstate.stores.bundles import StateDamage, StateFilter
from buildstate.stores.clouds import CloudStore
from buildstate.stores.configmaps import ConfigMapStore
from buildstate.stores.contracts import Area, Place, Record, Store
from buildstate.stores.persistences import Archived, Loaded, Saved, StatePersistence
from buildstate.stores.registries import UnknownStore, open_stores, stores_of
from buildstate.stores.volumes import VolumeStore
from clusters import Cluster
from clusters.commands import CommandFailed

# What is written at once is a megabyte at most.
LARGE = "ignore:Sending a large body:ResourceWarning"
pytestmark = [pytest.mark.contract, pytest.mark.filterwarnings(LARGE)]

PLACE = Place("team", "uid", "demo")


class TestS3(IncompleteContract):
    """The contract, on a bucket of its own."""

    @pytest.fixture
    def store(self, server: Versity) -> Store:
        return CloudStore("main", server.bucket())


class TestS3BelowAPrefix(IncompleteContract):
    """The contract, below a prefix of a bucket that others use, too."""

    @pytest.fixture
    def store(self, server: Versity) -> Store:
        return CloudStore("main", server.bucket(prefix="teams/blue"))


async def test_what_was_saved_outlives_the_server(tmp_path: Path) -> None:
    with versity(tmp_path) as server:
        store = CloudStore("main", server.bucket())
        await store.save(PLACE, RECORD)
        server.stop()
        with pytest.raises(Transient, match="cannot be reached"):
            await store.load(PLACE, RECORD.name)
        with pytest.raises(Transient, match="check endpoint and network"):
            await store.names(PLACE)
        server.start()
        assert RECORD == await store.load(PLACE, RECORD.name)
        assert [RECORD.name] == await store.names(PLACE)


async def test_a_wrong_secret_is_permanent_and_is_not_told(server: Versity) -> None:
    store = CloudStore("main", server.bucket(secret="mistyped"))
    for act in (store.load(PLACE, RECORD.name), store.names(PLACE), store.save(PLACE, RECORD)):
        with pytest.raises(Permanent, match="SignatureDoesNotMatch") as refused:
            await act
        assert "Forbidden" == refused.value.reason
        assert "StringToSign" not in str(refused.value)


async def test_a_bucket_that_is_not_there_is_permanent(server: Versity) -> None:
    store = CloudStore("main", server.bucket("no-such-bucket"))
    for act in (store.load(PLACE, RECORD.name), store.names(PLACE), store.save(PLACE, RECORD)):
        with pytest.raises(Permanent, match=r"bucket no-such-bucket .* is not there") as refused:
            await act
        assert "NotFound" == refused.value.reason


async def test_a_store_of_the_document_takes_new_credentials_at_once(
    server: Versity, tmp_path: Path
) -> None:
    (tmp_path / "accessKeyId").write_text(ACCESS_KEY)
    (tmp_path / "secretAccessKey").write_text("mistyped")
    store = configured(server, tmp_path)
    with pytest.raises(Permanent, match="SignatureDoesNotMatch"):
        await store.load(PLACE, RECORD.name)
    (tmp_path / "secretAccessKey").write_text(f"{SECRET_KEY}\n")
    place = Place("team", str(uuid4()))
    await store.save(place, RECORD)
    assert RECORD == await store.load(place, RECORD.name)


def configured(server: Versity, credentials: Path) -> Store:
    """The store of a stores document on this server."""
    config = {
        "name": "main",
        "kind": "S3",
        "bucket": BUCKET,
        "prefix": "by-document",
        "endpoint": server.endpoint,
        "allowHttp": True,
        "credentials": str(credentials),
    }
    document = json.dumps({"default": "main", "stores": [config]})
    store = open_stores(stores_of(document), FakeCluster(), "buildstate-system").get()
    assert not isinstance(store, UnknownStore)
    return store


async def test_what_a_stopped_server_refused_is_done_when_it_is_back(
    tmp_path: Path,
) -> None:
    with versity(tmp_path) as server:
        persistence = StatePersistence(CloudStore("main", server.bucket()))
        for sequence in (2, 5):
            await persistence.save_state(a_bundle(sequence))
        server.stop()
        with pytest.raises(Transient):
            await persistence.save_state(a_bundle(5, status="Failed"))
        with pytest.raises(Transient):
            await persistence.archive_state(states.NAMESPACE, states.UID)
        with pytest.raises(Transient):
            await persistence.flush_index()
        server.start()
        await round_trip(persistence, steps=(5,))


@pytest.mark.parametrize("kind", ["s3", "volume"])
async def test_states_outlive_everything_in_every_outside_store(
    server: Versity, tmp_path: Path, kind: str
) -> None:
    bucket = server.bucket(prefix="states")
    store = CloudStore("main", bucket) if kind == "s3" else VolumeStore("shared", tmp_path)
    await round_trip(StatePersistence(store))


async def test_states_can_be_kept_in_the_cluster(in_cluster: ConfigMapStore) -> None:
    await round_trip(StatePersistence(in_cluster), NAMESPACE)


async def round_trip(
    persistence: StatePersistence,
    namespace: str = states.NAMESPACE,
    steps: Sequence[int] = (2, 5),
) -> None:
    """A state saved, loaded, listed, archived and erased."""
    for sequence in steps:
        bundle = a_bundle(sequence)
        bundle["build"]["namespace"] = namespace
        assert isinstance(await persistence.save_state(bundle), Saved)
    await persistence.flush_index()
    assert [f"{namespace}/{states.UID}"] == list(await persistence.index.read() or {})
    found = await persistence.load_state(namespace, states.UID)
    assert isinstance(found, Loaded)
    assert (5, None, "") == (found.document["state"]["sequence"], found.repaired, found.gaps)
    assert isinstance(await persistence.archive_state(namespace, states.UID), Archived)
    assert () == (await persistence.list_states()).states
    put_away = await persistence.list_states(StateFilter(area=Area.ARCHIVED, namespace=namespace))
    assert [states.UID] == [state.uid for state in put_away.states]
    assert await persistence.erase_state(namespace, states.UID)
    assert isinstance(await persistence.load_state(namespace, states.UID), StateDamage)


NAMESPACE = "stores"
GARBAGE_SECONDS = 90.0
"""The garbage collector learns of a new kind of owner within half a minute."""


@pytest.fixture(scope="module")
def cluster(api_cluster: Cluster) -> Iterator[Cluster]:
    """The API server with a namespace for what the stores keep."""
    api_cluster.kubectl("create", "namespace", NAMESPACE)
    yield api_cluster
    api_cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
async def in_cluster(cluster: Cluster) -> AsyncIterator[ConfigMapStore]:
    """The ConfigMap store as cluster-admin."""
    os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
    connection = await connect([])
    yield ConfigMapStore("configmap", KubeClient(connection), NAMESPACE)
    await connection.close()


class TestConfigMap(StoreContract):
    """The contract; without the name of a build, or the garbage collector would look for it."""

    large = configmaps.LIMIT

    @pytest.fixture
    def store(self, in_cluster: ConfigMapStore) -> Store:
        return in_cluster

    @pytest.fixture
    def namespace(self) -> str:
        return NAMESPACE

    @pytest.fixture
    def place(self) -> Place:
        return Place(NAMESPACE, str(uuid4()))


async def test_the_largest_manifest_goes_with_the_largest_payload(
    in_cluster: ConfigMapStore,
) -> None:
    place = Place(NAMESPACE, str(uuid4()))
    payload = os.urandom(configmaps.LIMIT)
    record = Record(RECORD.name, b"x" * configmaps.MANIFEST_LIMIT, payload)
    await in_cluster.save(place, record)
    assert record == await in_cluster.load(place, record.name)
    await in_cluster.replace_manifest(place, record, MANIFEST)
    assert Record(record.name, MANIFEST, payload) == await in_cluster.load(place, record.name)


async def test_the_payload_of_a_checkpoint_cannot_be_changed(
    in_cluster: ConfigMapStore, cluster: Cluster
) -> None:
    place = Place(NAMESPACE, str(uuid4()))
    await in_cluster.save(place, RECORD)
    label = f"buildstate.dev/build-uid={place.uid}"
    name = cluster.kubectl("-n", NAMESPACE, "get", "configmap", "-l", label, "-o", "name").strip()
    for patch in ('{"binaryData":{"payload":"AAAA"}}', '{"immutable":false}'):
        with pytest.raises(CommandFailed, match="immutable"):
            cluster.kubectl("-n", NAMESPACE, "patch", name, "--type=merge", "-p", patch)


async def test_a_checkpoint_goes_with_its_build_and_an_archived_one_stays(
    in_cluster: ConfigMapStore, cluster: Cluster
) -> None:
    async with opened(cluster, NAMESPACE) as api:
        uid = (await api.create("owner", {})).document["metadata"]["uid"]
    active = Place(NAMESPACE, uid, "owner")
    archived = Place(NAMESPACE, uid, "owner", Area.ARCHIVED)
    for place in (active, archived):
        await in_cluster.save(place, RECORD)
    await asyncio.sleep(2)
    assert [RECORD.name] == await in_cluster.names(active)
    cluster.kubectl("-n", NAMESPACE, "delete", "buildstate", "owner")
    async with asyncio.timeout(GARBAGE_SECONDS):
        while await in_cluster.names(active):  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.1)
    assert RECORD == await in_cluster.load(archived, RECORD.name)
