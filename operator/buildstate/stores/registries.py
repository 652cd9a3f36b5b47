"""The stores that the platform team configured, by name: a file says them, and nobody's object."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from obstore.store import AzureStore, GCSStore, S3Store
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from buildstate.kube.ports import KeepingKube
from buildstate.stores.ciphers import Entropy
from buildstate.stores.clouds import Bucket, CloudStore
from buildstate.stores.configmaps import ConfigMapStore
from buildstate.stores.contracts import Store
from buildstate.stores.decorators import Operation, Retrying, Telling
from buildstate.stores.keyrings import NO_KEYS, DirectoryKeyring, Keyring
from buildstate.stores.sealings import Sealing
from buildstate.stores.volumes import VolumeStore

StoreName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
Text = Annotated[str, Field(min_length=1, max_length=1024)]
Prefix = Annotated[str, Field(max_length=512, pattern=r"^[^/.]([^/]|/[^/.])*$")]


class _Model(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, use_attribute_docstrings=True
    )


class ConfigMapConfig(_Model):
    """Checkpoints beside the build, and gone with it."""

    kind: Literal["ConfigMap"]
    name: StoreName


class VolumeConfig(_Model):
    """Files below a directory, which is there: a mounted volume."""

    kind: Literal["Volume"]
    name: StoreName
    path: Path


class _CloudConfig(_Model):
    name: StoreName
    prefix: Prefix | None = None
    """Everything is kept below it, so that a bucket may be shared."""
    endpoint: Text | None = None
    """Where the server is, if not where its maker says."""
    allow_http: bool = False
    """Whether the endpoint may be spoken to without TLS."""
    credentials: Path | None = None
    """The directory of a mounted Secret; without it the Pod's own identity is used."""
    timeout_seconds: Annotated[float, Field(ge=0.1, le=120)] = 10
    """How long one request may take."""

    @model_validator(mode="after")
    def _http_is_meant(self) -> "_CloudConfig":
        if self.endpoint and self.endpoint.startswith("http://") and not self.allow_http:
            raise ValueError("its endpoint has no TLS: use https://, or set allowHttp: true")
        return self


class S3Config(_CloudConfig):
    """A bucket of Amazon S3, or of a server that speaks its protocol."""

    kind: Literal["S3"]
    bucket: Text
    region: Text = "us-east-1"
    virtual_hosted: bool = False
    """Whether the bucket is a part of the host's name; the endpoint then has it already."""


class GCSConfig(_CloudConfig):
    """A bucket of Google Cloud Storage."""

    kind: Literal["GCS"]
    bucket: Text


class AzureConfig(_CloudConfig):
    """A container of Azure Blob Storage."""

    kind: Literal["Azure"]
    account: Text
    container: Text


StoreConfig = Annotated[
    ConfigMapConfig | VolumeConfig | S3Config | GCSConfig | AzureConfig,
    Field(discriminator="kind"),
]


class EncryptionConfig(_Model):
    """Which key wraps the data keys of new checkpoints, and where all keys are."""

    active_key: Text
    keyring: Path


class StoresConfig(_Model):
    """The stores document."""

    default: StoreName = "configmap"
    stores: tuple[StoreConfig, ...] = (ConfigMapConfig(kind="ConfigMap", name="configmap"),)
    encryption: EncryptionConfig | None = None

    @model_validator(mode="after")
    def _names_are_known(self) -> "StoresConfig":
        names = [store.name for store in self.stores]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two stores are named {twice[0]}: give each its own name")
        if self.default not in names:
            raise ValueError(f"default is {self.default}, but there is only {', '.join(names)}")
        return self


class BadStores(Exception):
    """The stores document cannot be used; the text says which store, which field, and why."""


def stores_of(text: str) -> StoresConfig:
    """Give what a stores document says, YAML or JSON; raises BadStores."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadStores(f"the stores document is no YAML: {error}") from error
    if not isinstance(document, dict):
        raise BadStores("the stores document is no object: it has default, stores and encryption")
    try:
        return StoresConfig.model_validate(document)
    except ValidationError as error:
        lines = (_complaint(document, one["loc"], one["msg"]) for one in error.errors())
        raise BadStores("; ".join(lines)) from error


@dataclass(frozen=True, slots=True)
class UnknownStore:
    """What is said to a build that names a store that is not there."""

    name: str
    message: str


class Registry:
    """The stores by their names, and the keyring that goes with them.

    `is_encrypted` says that all that is stored must be.
    """

    def __init__(
        self,
        default: str,
        stores: Sequence[Store],
        keyring: Keyring = NO_KEYS,
        *,
        is_encrypted: bool = False,
    ) -> None:
        self.default = default
        self.keyring = keyring
        self.is_encrypted = is_encrypted
        self._stores = {store.name: store for store in stores}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all stores, sorted."""
        return tuple(sorted(self._stores))

    def get(self, name: str | None = None) -> Store | UnknownStore:
        """Give the store of that name, or the default one for None or nothing."""
        wanted = name or self.default
        if wanted in self._stores:
            return self._stores[wanted]
        return UnknownStore(
            wanted,
            f"there is no store {wanted}, only {', '.join(self.names)}: name one of them in"
            " spec.checkpoints.store, or let the platform team add it",
        )


def open_stores(
    config: StoresConfig,
    kube: KeepingKube,
    namespace: str,
    tell: Callable[[Operation], None] = lambda _operation: None,
    entropy: Entropy = os.urandom,
    around: Callable[[Store], Store] = lambda store: store,
) -> Registry:
    """Open every store with its keyring, patient, telling of what it is asked, and encrypting.

    Nothing is asked of them yet. `namespace` is our own, for the index of a ConfigMap store.
    `around` gives what stands around each of them.
    """
    encryption = config.encryption
    keyring = DirectoryKeyring(encryption.keyring, encryption.active_key) if encryption else NO_KEYS
    is_encrypted = encryption is not None
    stores = [
        Sealing(
            around(Telling(Retrying(_opened(each, kube, namespace)), tell)),
            keyring,
            entropy,
            must_be_encrypted=is_encrypted,
        )
        for each in config.stores
    ]
    return Registry(config.default, stores, keyring, is_encrypted=is_encrypted)


def _opened(config: StoreConfig, kube: KeepingKube, namespace: str) -> Store:
    match config:
        case ConfigMapConfig():
            return ConfigMapStore(config.name, kube, namespace)
        case VolumeConfig():
            return VolumeStore(config.name, config.path)
        case S3Config() | GCSConfig() | AzureConfig():
            # Time for one request that hangs, and one more.
            return CloudStore(config.name, bucket_of(config), 2.5 * config.timeout_seconds)


def bucket_of(config: S3Config | GCSConfig | AzureConfig) -> Bucket:
    """Give the bucket that a store's part of the document describes."""
    match config:
        case S3Config():
            title = f"bucket {config.bucket} at {config.endpoint or f'S3 in {config.region}'}"
            return Bucket(title, lambda: _s3(config), lambda: _secrets(config))
        case GCSConfig():
            title = f"bucket {config.bucket} at {config.endpoint or 'Google Cloud Storage'}"
            return Bucket(title, lambda: _gcs(config), lambda: _secrets(config))
        case AzureConfig():
            place = config.endpoint or f"Azure account {config.account}"
            title = f"container {config.container} at {place}"
            return Bucket(title, lambda: _azure(config), lambda: _secrets(config))


def _s3(config: S3Config) -> S3Store:
    known = {
        "accessKeyId": "access_key_id",
        "secretAccessKey": "secret_access_key",
        "sessionToken": "session_token",
    }
    options = _options(config, known, {"endpoint": config.endpoint})
    return S3Store(
        config.bucket,
        region=config.region,
        virtual_hosted_style_request=config.virtual_hosted,
        # Not every server knows how to delete many at once, and we never do.
        disable_bulk_delete=True,
        **options,
    )


def _gcs(config: GCSConfig) -> GCSStore:
    known = {"serviceAccountKey": "service_account_key"}
    return GCSStore(config.bucket, **_options(config, known, {"base_url": config.endpoint}))


def _azure(config: AzureConfig) -> AzureStore:
    known = {
        "accountKey": "account_key",
        "sasToken": "sas_key",
        "clientId": "client_id",
        "clientSecret": "client_secret",
        "tenantId": "tenant_id",
    }
    options = _options(config, known, {"endpoint": config.endpoint})
    return AzureStore(config.container, account_name=config.account, **options)


def _options(
    config: _CloudConfig, known: Mapping[str, str], place: Mapping[str, str | None]
) -> dict[str, Any]:
    secrets = {known[name]: value for name, value in _secrets(config) if name in known}
    if config.credentials and not secrets:
        # Another identity, found somewhere in the environment, would be a surprise.
        raise ValueError(f"{config.credentials} has none of the files {', '.join(known)}")
    return {
        "prefix": config.prefix,
        "client_options": {
            "allow_http": config.allow_http,
            "timeout": timedelta(seconds=config.timeout_seconds),
            "connect_timeout": timedelta(seconds=min(3.0, config.timeout_seconds)),
        },
        "retry_config": {
            "max_retries": 1,
            "retry_timeout": timedelta(seconds=config.timeout_seconds),
            "backoff": {"init_backoff": timedelta(milliseconds=100)},
        },
        **{name: value for name, value in place.items() if value is not None},
        **secrets,
    }


def _secrets(config: _CloudConfig) -> tuple[tuple[str, str], ...]:
    # Small files in memory: looked at before each call, so that a rotated Secret counts at once.
    if config.credentials is None:
        return ()
    files = sorted(config.credentials.iterdir())
    # Names that begin with a dot are Kubernetes' own.
    return tuple(
        (file.name, file.read_text().strip()) for file in files if not file.name.startswith(".")
    )


def _complaint(document: Mapping[str, Any], place: tuple[int | str, ...], message: str) -> str:
    said = re.sub(r"^Value error, ", "", message)
    match place:
        case ("stores", int(number), *rest):
            named = document["stores"][number]
            name = named.get("name") if isinstance(named, dict) else None
            # The kind that pydantic puts in between says nothing more.
            field = ".".join(str(part) for part in rest[1:])
            return f"store {name or f'number {number + 1}'}: {f'{field}: ' if field else ''}{said}"
        case ():
            return said
        case _:
            return f"{'.'.join(map(str, place))}: {said}"
