"""What every verb has at hand: the settings of the operator, its stores, its keys, its cluster."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from buildstate.cli.consoles import Console, counted
from buildstate.clocks import SystemClock
from buildstate.kube.client import KubeClient
from buildstate.kube.connections import Connection, NoCluster, connect
from buildstate.kube.ports import Clock, KeepingKube, Kube
from buildstate.settings import Settings
from buildstate.stores.contracts import Store
from buildstate.stores.decorators import Operation
from buildstate.stores.keyrings import Keyring
from buildstate.stores.openings import config_of
from buildstate.stores.registries import Registry, StoresConfig, UnknownStore, open_stores


class Misused(Exception):
    """What was asked for cannot be done in this way; the text says why, and what to ask instead."""


@dataclass(slots=True)
class Effort:
    """How often the stores were asked so far."""

    requests: int = 0

    def told(self, _operation: Operation) -> None:
        """Count one operation."""
        self.requests += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One command at work. `kube` is None where there is no cluster, and none is needed."""

    settings: Settings
    stores: tuple[Store, ...]
    registry: Registry
    kube: Kube | None
    console: Console
    clock: Clock = field(default_factory=SystemClock)
    effort: Effort = field(default_factory=Effort)

    @property
    def keyring(self) -> Keyring:
        """The keys of the stores."""
        return self.registry.keyring

    @property
    def is_encrypted(self) -> bool:
        """Say whether all that is stored must be encrypted."""
        return self.registry.is_encrypted

    @property
    def cluster(self) -> Kube:
        """The cluster; raises NoCluster where there is none."""
        if self.kube is None:
            raise NoCluster("no cluster to talk to")
        return self.kube

    def reading(self, what: str) -> Callable[[], str]:
        """Give what is shown while the stores are read."""
        return lambda: f"reading {what}: {counted(self.effort.requests, 'request')} so far"


@asynccontextmanager
async def opened(
    settings: Settings,
    console: Console,
    *,
    store: str | None,
    namespace: str | None,
    needs_cluster: bool,
) -> AsyncIterator[Session]:
    """Open the stores, only that one where it is named, and the way to the cluster.

    Raises Misused, BadStores and NoCluster. Nothing is asked of anybody yet.
    """
    config = config_of(settings.stores)
    known = [one.name for one in config.stores]
    if store is not None and store not in known:
        raise Misused(f"there is no store {store}, only {', '.join(sorted(known))}")
    connection = await _connection(config, store, needs_cluster=needs_cluster)
    namespaces = (namespace,) if namespace else settings.namespaces
    kube = KubeClient(connection, namespaces) if connection else None
    try:
        yield _session(settings, console, config, store, kube)
    finally:
        if connection:
            await connection.close()


def _session(
    settings: Settings,
    console: Console,
    config: StoresConfig,
    store: str | None,
    kube: KubeClient | None,
) -> Session:
    effort = Effort()
    # Without a cluster only stores outside of it are asked.
    keeping = cast("KeepingKube", kube)
    registry = open_stores(config, keeping, settings.store_namespace, effort.told)
    chosen = (registry.get(name) for name in ((store,) if store else registry.names))
    return Session(
        settings=settings,
        stores=tuple(one for one in chosen if not isinstance(one, UnknownStore)),
        registry=registry,
        kube=kube,
        console=console,
        effort=effort,
    )


async def _connection(
    config: StoresConfig, store: str | None, *, needs_cluster: bool
) -> Connection | None:
    inside = [
        one.name for one in config.stores if one.kind == "ConfigMap" and store in (None, one.name)
    ]
    if not inside and not needs_cluster:
        return None
    try:
        return await connect()
    except NoCluster as error:
        if needs_cluster:
            raise
        message = f"{error}; store {inside[0]} is in the cluster: name another one with --store"
        raise NoCluster(message) from error
