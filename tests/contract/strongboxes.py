"""The stores of a test: the document that the operator is given, and the same stores for us."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.operators import Build
from tests.stores.servers import ACCESS_KEY, BUCKET, SECRET_KEY

from buildstate.api import convert
from buildstate.domain.checkpoints import CheckpointRef
from buildstate.kube.client import KubeClient
from buildstate.kube.connections import connect
from buildstate.kube.ports import Key, Resource
from buildstate.stores.chains import Checkpoint, Expected, read_checkpoint
from buildstate.stores.contracts import Place, Store
from buildstate.stores.keyrings import NO_KEYS, DirectoryKeyring, Keyring
from buildstate.stores.registries import (
    Registry,
    StoresConfig,
    UnknownStore,
    open_stores,
    stores_of,
)

OUTSIDE = "main"
INSIDE = "configmap"


@dataclass(frozen=True)
class Strongbox:
    """A directory with all that the operator is told of its stores: both kinds, S3 by default."""

    directory: Path
    default: str = INSIDE

    @property
    def document(self) -> Path:
        """The stores document."""
        return self.directory / "stores.json"

    @property
    def keys(self) -> Path:
        """The keyring."""
        return self.directory / "keys"

    @property
    def settings(self) -> dict[str, str]:
        """What the operator's environment says of it."""
        return {"BUILDSTATE_STORES": str(self.document)}

    @property
    def config(self) -> StoresConfig:
        """What the document says."""
        return stores_of(self.document.read_text())

    @property
    def keyring(self) -> Keyring:
        """The keys, as the operator reads them."""
        encryption = self.config.encryption
        return (
            DirectoryKeyring(encryption.keyring, encryption.active_key) if encryption else NO_KEYS
        )

    def write(
        self,
        endpoint: str = "http://127.0.0.1:1",
        prefix: str = "",
        active_key: str = "",
        **store: Any,
    ) -> None:
        """Write the document, with the credentials of the S3 server and the keyring."""
        credentials = self.directory / "credentials"
        credentials.mkdir(parents=True, exist_ok=True)
        self.keys.mkdir(exist_ok=True)
        (credentials / "accessKeyId").write_text(ACCESS_KEY)
        (credentials / "secretAccessKey").write_text(SECRET_KEY)
        outside = {
            "name": OUTSIDE,
            "kind": "S3",
            "bucket": BUCKET,
            "endpoint": endpoint,
            "allowHttp": True,
            "credentials": str(credentials),
            "timeoutSeconds": 2,
            **({"prefix": prefix} if prefix else {}),
            **store,
        }
        stores = [{"name": INSIDE, "kind": "ConfigMap"}, outside]
        encryption = {"activeKey": active_key, "keyring": str(self.keys)} if active_key else None
        document = {"default": self.default, "stores": stores, "encryption": encryption}
        self.document.write_text(json.dumps(document))

    def say_secret(self, secret: str) -> None:
        """Change the secret of the S3 server's credentials."""
        (self.directory / "credentials" / "secretAccessKey").write_text(secret)


@dataclass(frozen=True)
class Opened:
    """The stores of a strongbox, opened by the test."""

    kube: KubeClient
    registry: Registry
    keyring: Keyring

    def store(self, name: str | None = None) -> Store:
        """The store of that name."""
        found = self.registry.get(name)
        assert not isinstance(found, UnknownStore), found.message
        return found

    async def expected(self, build: Build) -> Expected:
        """Whose the checkpoints of that build must be."""
        metadata = build["metadata"]
        found = await self.kube.get(Resource.NAMESPACES, Key("", metadata["namespace"]))
        assert found is not None
        return Expected(
            namespace=metadata["namespace"],
            namespace_uid=found["metadata"]["uid"],
            build_uid=metadata["uid"],
        )

    async def read(self, build: Build, name: str | None = None) -> list[Checkpoint]:
        """Every checkpoint that the status refers to, verified; that is exact to the byte."""
        refs, found = refs_of(build), []
        expected, store = await self.expected(build), self.store(name)
        for ref in refs:
            one = await read_checkpoint(
                store, place_of(build), refs, ref.name, expected, self.keyring
            )
            assert isinstance(one, Checkpoint), one
            found.append(one)
        return found


@asynccontextmanager
async def opened_stores(
    kubeconfig: Path, box: Strongbox, *namespaces: str
) -> AsyncIterator[Opened]:
    """Open the stores of a strongbox as cluster-admin, who looks at those namespaces or at all."""
    os.environ["KUBECONFIG"] = str(kubeconfig)
    connection = await connect([])
    kube = KubeClient(connection, namespaces)
    try:
        yield Opened(kube, open_stores(box.config, kube, "default"), box.keyring)
    finally:
        await connection.close()


def place_of(build: Build) -> Place:
    """Where a store keeps what belongs to that build."""
    metadata = build["metadata"]
    return Place(metadata["namespace"], metadata["uid"], metadata["name"])


def refs_of(build: Build) -> tuple[CheckpointRef, ...]:
    """The references of its status."""
    state = convert.state_of(build)
    assert state is not None
    return state.checkpoints
