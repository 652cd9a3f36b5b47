"""The composition root: who gets which collaborator, and what runs."""

import asyncio
import functools
import logging
import os
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from buildstate.api.v1alpha1 import PLURAL
from buildstate.clocks import SystemClock
from buildstate.domain.errors import BuildStateError
from buildstate.engine import orphans, sweeps, wards, workers
from buildstate.engine.allocations import ResourceStateManager
from buildstate.engine.archives import Archives
from buildstate.engine.budgets import BudgetKeeper
from buildstate.engine.caches import Cache
from buildstate.engine.inboxes import Inbox
from buildstate.engine.ledgers import Ledgers
from buildstate.engine.managers import StateManager, TransitionManager
from buildstate.engine.objects import ObjectMeasurer, ReadObject, no_objects
from buildstate.engine.observe import Observer
from buildstate.engine.outboxes import EventOutbox
from buildstate.engine.queues import WorkQueue
from buildstate.engine.reconcile import reconcile
from buildstate.engine.recoveries import RecoveryHandler
from buildstate.engine.reports import Reporter
from buildstate.engine.terms import TermsInbox
from buildstate.engine.validators import StateValidator
from buildstate.engine.vaults import Vaults
from buildstate.engine.volumes import VolumeInspector
from buildstate.handlers import lifecycle
from buildstate.handlers.lifecycle import Prime
from buildstate.kube.client import KubeClient
from buildstate.kube.connections import Connection, connect
from buildstate.kube.ports import Clock, KeepingKube, Key, Resource
from buildstate.kube.traces import Request, tracing
from buildstate.kube.watches import Positions, Watch
from buildstate.kube.wires import Wire
from buildstate.settings import Settings
from buildstate.stores.breakers import spared
from buildstate.stores.ciphers import Entropy
from buildstate.stores.decorators import Operation
from buildstate.stores.objects import Objects
from buildstate.stores.openings import config_of
from buildstate.stores.registries import Registry, open_stores
from buildstate.telemetry.health import WatchHealth
from buildstate.telemetry.metrics import Metrics
from buildstate.telemetry.pages import serve

logger = logging.getLogger(__name__)

T = TypeVar("T")

PRIME_AGAIN_AFTER = 2.0
MIRRORS = 2
FLUSH_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an operator takes from outside of itself: the cluster, its stores, time and chance.

    `watch_builds` follows the builds into an inbox for ever, once the cache has been filled.
    """

    settings: Settings
    wire: Wire
    clock: Clock
    entropy: Entropy
    chance: Callable[[], float]
    open_stores: Callable[[KeepingKube, Callable[[Operation], None]], Registry]
    watch_builds: Callable[[Inbox, Prime], Coroutine[Any, Any, None]]
    read_object: ReadObject = no_objects


class Telemetry:
    """What is told of one operator; it is made within the event loop."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.health = WatchHealth((PLURAL, "pods"), asyncio.get_running_loop().time)

    def told(self, request: Request) -> None:
        """Take note of one request of a watch."""
        self.metrics.requested(request)
        self.health.told(request)


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator with all its parts."""

    surroundings: Surroundings
    kube: KubeClient
    cache: Cache
    queue: WorkQueue[Key]
    manager: StateManager
    terms: TermsInbox
    vaults: Vaults
    archives: Archives
    mirrors: WorkQueue[Key]
    outbox: EventOutbox
    budgets: BudgetKeeper
    metrics: Metrics
    health: WatchHealth
    told: Callable[[Request], None]
    primed: asyncio.Future[Positions]


async def run(settings: Settings) -> None:
    """Run the operator until it is told to stop; raises what ends it otherwise."""
    telemetry = Telemetry()
    connection = await connect([tracing(telemetry.told)])
    operator = assemble(real(settings, connection), telemetry)
    pages = await serve(settings.http_port, operator.metrics, operator.health)
    try:
        await operate(operator)
    finally:
        await pages.cleanup()
        await connection.close()


async def operate(operator: Operator) -> None:
    """Let an operator work until one of its tasks ends; raises what ended it."""
    try:
        await _first_to_end(_tasks(operator))
    finally:
        operator.queue.close()
        operator.mirrors.close()
        operator.budgets.queue.close()


def real(settings: Settings, connection: Connection) -> Surroundings:
    """Give the surroundings of an operator that serves people: a cluster, this machine."""
    return Surroundings(
        settings=settings,
        wire=connection,
        clock=SystemClock(),
        entropy=os.urandom,
        chance=random.random,
        open_stores=lambda kube, tell: open_stores(
            config_of(settings.stores), kube, settings.store_namespace, tell, around=spared
        ),
        watch_builds=lambda inbox, prime: lifecycle.operate(
            connection, inbox, prime, settings.namespaces
        ),
        read_object=Objects(config_of(settings.stores)).measure,
    )


def assemble(surroundings: Surroundings, telemetry: Telemetry) -> Operator:
    """Put the parts together; nothing runs yet."""
    metrics = telemetry.metrics
    kube = KubeClient(surroundings.wire, surroundings.settings.namespaces, metrics.requested)
    queue: WorkQueue[Key] = WorkQueue(chance=surroundings.chance, observe_wait=metrics.waited)
    cache, outbox = Cache(queue.add), EventOutbox(kube)
    mirrors: WorkQueue[Key] = WorkQueue(chance=surroundings.chance)
    metrics.watch_queue(queue.__len__)
    metrics.watch_builds(cache.census)
    vaults = open_vaults(surroundings, kube, metrics)
    manager, archives = _managers(surroundings, kube, cache, vaults, metrics, outbox)
    metrics.resources.watch_lines(manager.ledgers.waiting)
    manager.ledgers.wake = queue.add
    measurer = ObjectMeasurer(surroundings.read_object, surroundings.clock, queue.add)
    manager = replace(manager, told=mirrors.add, object_measurer=measurer)
    budgets = BudgetKeeper(
        kube,
        outbox,
        surroundings.clock,
        WorkQueue(chance=surroundings.chance),
        surroundings.settings.quota,
        surroundings.settings.namespaces,
    )
    return Operator(
        surroundings=surroundings,
        kube=kube,
        cache=cache,
        queue=queue,
        manager=manager,
        terms=TermsInbox(manager.ledgers, kube, budgets.quota),
        vaults=vaults,
        archives=archives,
        mirrors=mirrors,
        outbox=outbox,
        budgets=budgets,
        metrics=metrics,
        health=telemetry.health,
        told=telemetry.told,
        primed=asyncio.get_running_loop().create_future(),
    )


def open_vaults(surroundings: Surroundings, kube: KubeClient, metrics: Metrics) -> Vaults:
    """Open every store, with the keyring that goes with them."""
    told = metrics.checkpoints.operated
    registry = surroundings.open_stores(
        kube, lambda one: told(one.store, one.name, one.result, one.seconds)
    )
    return Vaults(registry, registry.keyring, kube, is_encrypted=registry.is_encrypted)


def _managers(
    surroundings: Surroundings,
    kube: KubeClient,
    cache: Cache,
    vaults: Vaults,
    metrics: Metrics,
    outbox: EventOutbox,
) -> tuple[StateManager, Archives]:
    clock, validator = surroundings.clock, StateValidator(metrics.validated)
    settings = surroundings.settings
    observer, reporter = Observer(cache, kube, validator), Reporter(metrics, outbox)
    resources = ResourceStateManager(kube, cache, clock, reporter)
    handler = RecoveryHandler(vaults, resources, clock, surroundings.entropy, metrics.checkpoints)
    archives = Archives(observer, cache, vaults, handler, clock, settings.erase_seconds)
    manager = StateManager(
        observer=observer,
        transition_manager=TransitionManager(kube, cache, observer, validator, reporter),
        recovery_handler=handler,
        resource_manager=resources,
        volume_inspector=VolumeInspector(kube, clock),
        keeper=archives,
        kube=kube,
        cache=cache,
        ledgers=Ledgers(observer.glance, cache.keys, clock, metrics.resources),
        clock=clock,
        told=lambda _key: None,
        reporter_image=settings.reporter,
    )
    return manager, archives


def _tasks(operator: Operator) -> list[asyncio.Task[None]]:
    # kopf waits for every task that is younger than itself when it stops, so it comes last, and
    # nothing here may begin a task that lasts.
    step = functools.partial(reconcile, manager=operator.manager)
    return [
        *workers.start(
            operator.surroundings.settings.workers,
            operator.queue,
            step,
            operator.metrics.reconciled,
        ),
        *workers.start(
            MIRRORS,
            operator.mirrors,
            operator.archives.mirror,
            operator.metrics.checkpoints.mirrored,
        ),
        asyncio.create_task(_flush(operator), name="indexes"),
        asyncio.create_task(operator.outbox.run(), name="events"),
        asyncio.create_task(_sweep(operator), name="sweep"),
        *(
            asyncio.create_task(_follow_pods(operator, namespace), name="pods")
            for namespace in operator.surroundings.settings.namespaces or ("",)
        ),
        *(
            asyncio.create_task(
                operator.terms.follow(functools.partial(_following, operator), resource, namespace)
            )
            for resource in (Resource.QUOTAS, Resource.LIMITS)
            for namespace in operator.surroundings.settings.namespaces or ("",)
        ),
        *wards.watched(operator.budgets, functools.partial(_following, operator)),
        asyncio.create_task(_watch(operator), name="kopf"),
    ]


def _following(
    operator: Operator,
    resource: Resource,
    taken: Callable[[str, dict[str, Any]], None],
    catch_up: Callable[[], Awaitable[Positions]],
) -> Watch:
    return Watch(
        operator.surroundings.wire,
        resource,
        taken=taken,
        catch_up=catch_up,
        told=operator.told,
        chance=operator.surroundings.chance,
    )


def _watch(operator: Operator) -> Coroutine[Any, Any, None]:
    inbox = Inbox(operator.cache, operator.queue)
    prime = functools.partial(_prime, operator)
    return operator.surroundings.watch_builds(inbox, prime)


async def _follow_pods(operator: Operator, namespace: str) -> None:
    """Follow the Pods of one namespace, or of all, from where the first list ended."""
    taken = Inbox(operator.cache, operator.queue).pod
    catch_up = functools.partial(_catch_up, operator)
    watch = _following(operator, Resource.PODS, taken, catch_up)
    positions = await asyncio.shield(operator.primed)
    await watch.follow(namespace, positions[namespace])


async def _catch_up(operator: Operator) -> Positions:
    mended = await sweeps.catch_up(operator.cache, operator.kube)
    _look_at(operator, mended.dirty)
    return mended.pod_versions


async def _prime(operator: Operator) -> None:
    mended = await _patiently(lambda: sweeps.prime(operator.cache, operator.kube))
    listed = await _patiently(operator.terms.listed)
    # Before anybody is looked at, so that who was first is first.
    operator.terms.begin(listed)
    _look_at(operator, mended.dirty)
    for key in mended.dirty:
        operator.mirrors.add(key)
        operator.manager.recovery_handler.suspects.add(key)
    operator.primed.set_result(mended.pod_versions)
    logger.info("the cache is filled", extra={"builds": operator.cache.count()})


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Give what `ask` gives, however long the API server takes to be there."""
    while True:
        try:
            return await ask()
        except BuildStateError as error:
            logger.warning("the cluster is not there yet, trying again: %s", error)
            await asyncio.sleep(PRIME_AGAIN_AFTER)


def _look_at(operator: Operator, keys: list[Key]) -> None:
    for key in keys:
        operator.queue.add(key)


async def _sweep(operator: Operator) -> None:
    while True:
        # Not all operators of the world at the same time.
        scattered = 0.8 + 0.4 * operator.surroundings.chance()
        await asyncio.sleep(operator.surroundings.settings.sweep_seconds * scattered)
        try:
            changed = await sweeps.sweep(operator.cache, operator.kube)
        except BuildStateError as error:
            logger.warning("the sweep failed, the next one may not: %s", error)
            continue
        _look_at(operator, changed)
        await _collect(operator)
        await operator.budgets.look_again()


async def _flush(operator: Operator) -> None:
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        await operator.archives.flush()


async def _collect(operator: Operator) -> None:
    suspects = operator.manager.recovery_handler.suspects
    asked = set(suspects)
    left = await orphans.collect(asked, operator.manager.observer, operator.vaults)
    suspects -= asked - left


async def _first_to_end(tasks: list[asyncio.Task[None]]) -> None:
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()
