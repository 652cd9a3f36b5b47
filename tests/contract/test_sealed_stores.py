"""Encrypted documents on real servers, and what somebody else puts in their place there."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.contract.test_stores import LARGE, round_trip
from tests.stores.clusters import FakeCluster
from tests.stores.contracts import MANIFEST, RECORD, IncompleteContract
from tests.stores.lines import KEYS, NEW, OLD, counted
from tests.stores.servers import ACCESS_KEY, BUCKET, SECRET_KEY, Versity, versity
from tests.stores.states import CURRENT, NAMESPACE, UID, a_bundle

from buildstate.domain.errors import Permanent
from buildstate.kube.client import KubeClient
from buildstate.kube.connections import connect
from buildstate.stores.clouds import CloudStore
from buildstate.stores.configmaps import ConfigMapStore
from buildstate.stores.contracts import Place, Store
from buildstate.stores.decorators import Retrying
from buildstate.stores.keyrings import MemoryKeyring
from buildstate.stores.persistences import Loaded, Saved, StatePersistence
from buildstate.stores.registries import Registry, open_stores, stores_of
from buildstate.stores.rotations import Outcome, keys_in_use, rewrap_all
from buildstate.stores.sealings import Sealing
from clusters import Cluster

pytestmark = [pytest.mark.contract, pytest.mark.filterwarnings(LARGE)]

TEAM = "sealed"


def sealing(store: Store) -> Sealing:
    """The store with encryption around it."""
    return Sealing(store, KEYS, counted(), must_be_encrypted=True)


class TestSealedS3(IncompleteContract):
    """The contract, around a bucket."""

    @pytest.fixture
    def store(self, server: Versity) -> Store:
        return sealing(Retrying(CloudStore("main", server.bucket(prefix="sealed"))))


@pytest.fixture(scope="module")
def cluster(api_cluster: Cluster) -> Iterator[Cluster]:
    """The API server with a namespace for what the stores keep."""
    api_cluster.kubectl("create", "namespace", TEAM)
    yield api_cluster
    api_cluster.kubectl("delete", "namespace", TEAM, "--wait=false")


@pytest.fixture
async def in_cluster(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ConfigMapStore]:
    """The ConfigMap store as cluster-admin."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    connection = await connect([])
    yield ConfigMapStore("configmap", KubeClient(connection), TEAM)
    await connection.close()


async def test_encrypted_states_can_be_kept_in_the_cluster(in_cluster: ConfigMapStore) -> None:
    await round_trip(StatePersistence(sealing(in_cluster)), TEAM)


async def test_nothing_that_a_bucket_holds_can_be_read(tmp_path: Path) -> None:
    """By the stores document, as the operator opens it."""
    (tmp_path / "keys").mkdir()
    for key in (OLD, NEW):
        (tmp_path / "keys" / key.name).write_text(base64.b64encode(key.secret).decode())
    with versity(tmp_path / "server") as server:
        store = only(configured(server, tmp_path, OLD.name))
        persistence = StatePersistence(store)
        for sequence in (2, 5):
            assert isinstance(await persistence.save_state(a_bundle(sequence)), Saved)
        await persistence.flush_index()
        files = list((server.objects / BUCKET).rglob("*.json"))
        assert 5 == len(files)
        for path in files:
            assert b"phase" not in path.read_bytes()
            assert UID.encode() not in path.read_bytes()
        # Encryption was not on when this one was written.
        await CloudStore("main", server.bucket(prefix="by-document")).write(CURRENT, b"{}")
        await persistence.save_state(a_bundle(5))
        rotated = configured(server, tmp_path, NEW.name)
        count = len(await only(rotated).list(""))
        report = await rewrap_all(only(rotated), rotated.keyring, lambda _step: None, counted())
        assert {Outcome.REWRAPPED: count} == report.counts
        assert {NEW.name: count} == await keys_in_use(only(rotated))
        (tmp_path / "keys" / OLD.name).unlink()
        last = StatePersistence(only(configured(server, tmp_path, NEW.name)))
        found = await last.load_state(NAMESPACE, UID)
        assert isinstance(found, Loaded)
        assert (5, None, "") == (found.document["state"]["sequence"], found.repaired, found.gaps)


def configured(server: Versity, directory: Path, active: str) -> Registry:
    """The stores of a stores document on this server, with encryption."""
    credentials = directory / "credentials"
    credentials.mkdir(exist_ok=True)
    (credentials / "accessKeyId").write_text(ACCESS_KEY)
    (credentials / "secretAccessKey").write_text(SECRET_KEY)
    config = {
        "name": "main",
        "kind": "S3",
        "bucket": BUCKET,
        "prefix": "by-document",
        "endpoint": server.endpoint,
        "allowHttp": True,
        "credentials": str(credentials),
    }
    encryption = {"activeKey": active, "keyring": str(directory / "keys")}
    document = {"default": "main", "stores": [config], "encryption": encryption}
    return open_stores(stores_of(json.dumps(document)), FakeCluster(), "buildstate-system")


def only(registry: Registry) -> Store:
    """The store of a registry that has one."""
    store = registry.get()
    assert isinstance(store, Sealing)
    return store


async def test_what_somebody_else_named_like_ours_is_in_the_way_and_not_believed(
    in_cluster: ConfigMapStore, cluster: Cluster
) -> None:
    place = Place(TEAM, str(uuid4()))
    path = f"active/{TEAM}/{place.uid}/current_state.json"
    await in_cluster.save(place, RECORD)
    await in_cluster.create(path, b"{}")
    assert MANIFEST == await in_cluster.manifest(place, RECORD.name)
    ours = f"buildstate.dev/build-uid={place.uid}"
    cluster.kubectl("-n", TEAM, "label", "configmap", "-l", ours, "app.kubernetes.io/managed-by-")
    assert await in_cluster.load(place, RECORD.name) is None
    assert await in_cluster.manifest(place, RECORD.name) is None
    assert await in_cluster.read(path) is None
    for act in (in_cluster.save(place, RECORD), in_cluster.write(path, b"")):
        with pytest.raises(Permanent, match=f"ConfigMap {TEAM}/.* has the name of one of ours"):
            await act


async def test_keys_are_rotated_in_the_cluster(in_cluster: ConfigMapStore) -> None:
    old = Sealing(in_cluster, MemoryKeyring([OLD], OLD.name), counted(), must_be_encrypted=True)
    bundle = a_bundle(3)
    bundle["build"]["namespace"] = TEAM
    await StatePersistence(old).save_state(bundle)
    before = (await keys_in_use(in_cluster))[OLD.name]
    report = await rewrap_all(in_cluster, KEYS, lambda _step: None, counted())
    assert before == report.counts[Outcome.REWRAPPED]
    assert OLD.name not in await keys_in_use(in_cluster)
    new = Sealing(in_cluster, MemoryKeyring([NEW], NEW.name), counted(), must_be_encrypted=True)
    found = await StatePersistence(new).load_state(TEAM, UID)
    assert isinstance(found, Loaded)
    assert found.repaired is None
