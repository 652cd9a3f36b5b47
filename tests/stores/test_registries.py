"""The stores document: what it says, what is wrong with it, and who gets which store."""

import base64
import json
from pathlib import Path

import pytest
from tests.stores.clusters import FakeCluster
from tests.stores.contracts import RECORD
from tests.stores.lines import NEW
from tests.stores.servers import free_port

from buildstate.domain.errors import Permanent, Transient
from buildstate.stores.contracts import Place
from buildstate.stores.decorators import Operation
from buildstate.stores.keyrings import KeyUnusable
from buildstate.stores.registries import (
    AzureConfig,
    BadStores,
    GCSConfig,
    Registry,
    S3Config,
    StoresConfig,
    UnknownStore,
    bucket_of,
    open_stores,
    stores_of,
)

PLACE = Place("team", "uid", "demo")

EVERYTHING = """
default: main
stores:
- {name: configmap, kind: ConfigMap}
- {name: shared, kind: Volume, path: /var/lib/buildstate/shared}
- {name: main, kind: S3, bucket: checkpoints, prefix: teams/blue, endpoint: "http://127.0.0.1:9",
   region: eu-central-1, allowHttp: true, virtualHosted: false, timeoutSeconds: 2,
   credentials: /etc/buildstate/credentials/main}
- {name: gcs, kind: GCS, bucket: checkpoints}
- {name: azure, kind: Azure, account: blue, container: checkpoints}
encryption: {activeKey: "2026-11", keyring: /etc/buildstate/keyring}
"""


def opened(config: StoresConfig) -> Registry:
    return open_stores(config, FakeCluster(), "buildstate-system")


def test_without_a_document_checkpoints_are_beside_the_build() -> None:
    registry = opened(StoresConfig())
    store = registry.get()
    assert not isinstance(store, UnknownStore)
    assert ("configmap", False) == (store.name, store.is_outside)
    assert stores_of("{}") == StoresConfig()


def test_every_kind_of_store_is_understood() -> None:
    config = stores_of(EVERYTHING)
    assert config.encryption is not None
    assert "2026-11" == config.encryption.active_key
    registry = opened(config)
    assert ("azure", "configmap", "gcs", "main", "shared") == registry.names
    outside = [getattr(registry.get(name), "is_outside", None) for name in registry.names]
    assert [True, False, True, True, True] == outside


def test_no_name_and_an_empty_one_mean_the_default() -> None:
    registry = opened(stores_of(EVERYTHING))
    assert registry.get() is registry.get("main") is registry.get("")


def test_a_store_that_is_not_there_is_answered_with_those_that_are() -> None:
    answer = opened(stores_of(EVERYTHING)).get("mian")
    assert isinstance(answer, UnknownStore)
    assert "there is no store mian, only azure, configmap, gcs, main, shared" in answer.message


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("stores: [", "is no YAML"),
        ("[]", "is no object"),
        ("defualt: x", "defualt: Extra inputs are not permitted"),
        ("default: x", "default is x, but there is only configmap"),
        (
            "{stores: [{name: a, kind: ConfigMap}, {name: a, kind: ConfigMap}], default: a}",
            "two stores are named a: give each its own name",
        ),
        ("stores: [{name: a, kind: Tape}]", "store a: .*'ConfigMap', 'Volume', 'S3'"),
        ("stores: [{kind: S3, bucket: b}]", "store number 1: name: Field required"),
        ("stores: [{name: a, kind: S3}]", "store a: bucket: Field required"),
        ("stores: [{name: a, kind: S3, bucket: b, buckett: c}]", "store a: buckett: Extra"),
        ("stores: [{name: A_B, kind: ConfigMap}]", "store A_B: name: String should match"),
        ("stores: [7]", "store number 1: "),
        (
            "stores: [{name: a, kind: S3, bucket: b, endpoint: 'http://x'}]",
            "store a: its endpoint has no TLS: use https://, or set allowHttp: true",
        ),
        ("stores: [{name: a, kind: S3, bucket: b, prefix: ../c}]", "store a: prefix: String"),
        ("encryption: {activeKey: k}", "encryption.keyring: Field required"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(document: str, complaint: str) -> None:
    with pytest.raises(BadStores, match=complaint):
        stores_of(document)


def test_a_bucket_says_in_words_where_it_is() -> None:
    titles = [
        bucket_of(config).title
        for config in (
            S3Config(kind="S3", name="a", bucket="b", region="eu-west-1"),
            S3Config(kind="S3", name="a", bucket="b", endpoint="https://s3.example"),
            GCSConfig(kind="GCS", name="a", bucket="b"),
            AzureConfig(kind="Azure", name="a", account="c", container="b"),
        )
    ]
    assert [
        "bucket b at S3 in eu-west-1",
        "bucket b at https://s3.example",
        "bucket b at Google Cloud Storage",
        "container b at Azure account c",
    ] == titles


def test_a_bucket_of_every_cloud_is_opened(tmp_path: Path) -> None:
    for name, value in {
        "accessKeyId": "a",
        "secretAccessKey": "s",
        "accountKey": "a2V5",
        "..data": "Kubernetes' own",
    }.items():
        (tmp_path / name).write_text(f"{value}\n")
    s3 = S3Config(kind="S3", name="a", bucket="b", prefix="x/y", credentials=tmp_path)
    azure = AzureConfig(kind="Azure", name="a", account="c", container="b", credentials=tmp_path)
    assert "S3Store" == type(bucket_of(s3).open()).__name__
    assert "AzureStore" == type(bucket_of(azure).open()).__name__
    gcs = GCSConfig(kind="GCS", name="a", bucket="b")
    assert "GCSStore" == type(bucket_of(gcs).open()).__name__


def test_credentials_differ_when_a_file_does(tmp_path: Path) -> None:
    bucket = bucket_of(S3Config(kind="S3", name="a", bucket="b", credentials=tmp_path))
    (tmp_path / "accessKeyId").write_text("one")
    before = bucket.credentials()
    assert before == bucket.credentials()
    (tmp_path / "accessKeyId").write_text("two")
    assert before != bucket.credentials()


async def test_credentials_under_other_names_are_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "AWS_ACCESS_KEY_ID").write_text("a")
    config = {"kind": "S3", "name": "a", "bucket": "b", "credentials": str(tmp_path)}
    document = json.dumps({"default": "a", "stores": [config]})
    store = opened(stores_of(document)).get()
    assert not isinstance(store, UnknownStore)
    with pytest.raises(Permanent, match="none of the files accessKeyId, secretAccessKey"):
        await store.load(PLACE, "x")


async def test_an_opened_store_is_patient_and_tells(tmp_path: Path) -> None:
    for name in ("accessKeyId", "secretAccessKey"):
        (tmp_path / name).write_text("x")
    endpoint = f"http://127.0.0.1:{free_port()}"
    config = {
        "kind": "S3",
        "name": "a",
        "bucket": "b",
        "endpoint": endpoint,
        "allowHttp": True,
        "credentials": str(tmp_path),
    }
    told: list[Operation] = []
    document = json.dumps({"default": "a", "stores": [config]})
    store = open_stores(stores_of(document), FakeCluster(), "ns", told.append).get()
    assert not isinstance(store, UnknownStore)
    with pytest.raises(Transient, match=f"store a: bucket b at {endpoint} cannot be reached"):
        await store.save(PLACE, RECORD)
    assert [("a", "save", "transient")] == [(one.store, one.name, one.result) for one in told]
    assert 0.2 < told[0].seconds < 5


def encrypting(directory: Path) -> StoresConfig:
    """A volume, with encryption."""
    for name in ("store", "keys"):
        (directory / name).mkdir(exist_ok=True)
    config = {"kind": "Volume", "name": "a", "path": str(directory / "store")}
    encryption = {"activeKey": NEW.name, "keyring": str(directory / "keys")}
    document = {"default": "a", "stores": [config], "encryption": encryption}
    return stores_of(json.dumps(document))


async def test_without_its_key_an_opened_store_takes_no_document(tmp_path: Path) -> None:
    store = opened(encrypting(tmp_path)).get()
    assert not isinstance(store, UnknownStore)
    with pytest.raises(KeyUnusable, match=f"active key '{NEW.name}' is not usable"):
        await store.create("active/team/uid/current_state.json", b"{}")
    assert [] == await store.list("active/")


async def test_an_opened_store_encrypts_where_that_is_on(tmp_path: Path) -> None:
    registry = opened(encrypting(tmp_path))
    (tmp_path / "keys" / NEW.name).write_bytes(base64.b64encode(NEW.secret))
    store = registry.get()
    assert not isinstance(store, UnknownStore)
    await store.create("active/team/uid/current_state.json", b'{"a":1}')
    blob = await store.read("active/team/uid/current_state.json")
    assert blob is not None
    assert b'{"a":1}' == blob.data
    (file,) = (path for path in (tmp_path / "store").rglob("current_state.json"))
    assert b'{"a":1}' not in file.read_bytes()
    assert (True, NEW) == (registry.is_encrypted, registry.keyring.active)
    # Who takes encryption out of the document learns that a key is needed.
    unencrypted = encrypting(tmp_path).model_copy(update={"encryption": None})
    without = opened(unencrypted).get()
    assert not isinstance(without, UnknownStore)
    with pytest.raises(KeyUnusable, match="put it back"):
        await without.read("active/team/uid/current_state.json")


async def test_an_opened_store_does_not_encrypt_where_that_is_off(tmp_path: Path) -> None:
    config = encrypting(tmp_path).model_copy(update={"encryption": None})
    registry = opened(config)
    store = registry.get()
    assert not isinstance(store, UnknownStore)
    await store.create("active/team/uid/current_state.json", b'{"a":1}')
    (file,) = (path for path in (tmp_path / "store").rglob("current_state.json"))
    assert b'{"a":1}' == file.read_bytes()
    assert (False, None) == (registry.is_encrypted, registry.keyring.active)
