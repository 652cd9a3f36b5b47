"""The keeper of our ResourceQuotas: one in each namespace that is labelled for it.

The watches leave here what they see, and what is news wakes the namespace. What is done about it
is decided upon what stands at the API server then.
"""

import logging
from collections.abc import Mapping
from typing import Any

from buildstate.domain import names
from buildstate.domain.budgets import (
    Decision,
    FoundQuota,
    Grievance,
    RemoveQuota,
    SetQuota,
    Size,
    Wish,
    decide,
)
from buildstate.domain.errors import BuildStateError, Permanent
from buildstate.engine.queues import WorkQueue
from buildstate.engine.reports import Outbox
from buildstate.kube import budgets, events
from buildstate.kube.ports import BudgetKube, Clock, Document, Key, Resource

logger = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds after which a quota is put back: who sets it again and again is met once a second."""


class BudgetKeeper:
    """Keeps the quotas of namespaces.

    `usual` is the size where a namespace names none; with None no quotas are kept at all.
    `namespaces` are those that are served. None is all of them: then their labels are watched, else
    they are read at each look.
    """

    def __init__(
        self,
        kube: BudgetKube,
        outbox: Outbox,
        clock: Clock,
        queue: WorkQueue[Key],
        usual: Size | None,
        namespaces: tuple[str, ...] = (),
    ) -> None:
        self._kube = kube
        self._outbox = outbox
        self._clock = clock
        self._usual = usual or {}
        self.is_wanted = usual is not None
        self.namespaces = namespaces
        self._wishes: dict[str, Wish] = {}
        self._quotas: dict[str, FoundQuota] = {}
        self._refused: set[str] = set()
        self.queue = queue

    def namespace(self, event: str, document: dict[str, Any]) -> None:
        """Take one event of a labelled namespace; the label's going is a deletion to a watch."""
        wish = Wish() if event == "DELETED" else budgets.wish_of(document)
        self._note_wish(document["metadata"]["name"], wish)

    def quota(self, key: Key, document: Document | None) -> None:
        """Take any ResourceQuota as it stands, None where it is gone; what is used is no news."""
        if key.name == names.QUOTA_NAME and self.is_wanted:
            self._note_quota(key.namespace, budgets.found_of(document))

    async def look_again(self) -> None:
        """Look at every labelled namespace, in case something was not heard of."""
        if self.is_wanted:
            try:
                await self.look_at_namespaces()
            except BuildStateError as error:
                logger.warning("the namespaces were not looked at, next time they may: %s", error)

    async def look_at_namespaces(self) -> Mapping[str, str]:
        """Look at every labelled namespace, and say up to which version they are known."""
        if self.namespaces:
            self.wake_served()
            return {}
        listed = await self._kube.list_all(Resource.NAMESPACES, metadata_only=True)
        known = {one["metadata"]["name"]: budgets.wish_of(one) for one in listed.items}
        for name in known.keys() | self._wishes.keys():
            self._note_wish(name, known.get(name, Wish()))
        return listed.versions

    def wake_served(self) -> None:
        """Have those namespaces read whose labels nobody watches."""
        for namespace in self.namespaces:
            self._wake(namespace)

    async def keep(self, key: Key) -> None:
        """Bring one namespace closer to what it asks for; raises Transient to try it again."""
        namespace = await self._kube.get(Resource.NAMESPACES, key)
        quota = await self._kube.get(Resource.QUOTAS, Key(key.name, names.QUOTA_NAME))
        decision = decide(budgets.wish_of(namespace), budgets.found_of(quota), self._usual)
        self._refused.discard(key.name)
        if namespace is None:
            return
        if decision.grievance is not None:
            self._complain(namespace, decision.grievance)
        try:
            await self._do(namespace, quota, decision)
        except Permanent as error:
            self._refused.add(key.name)
            grievance = Grievance("QuotaRefused", f"ResourceQuota buildstate is refused: {error}")
            self._complain(namespace, grievance)

    async def _do(self, namespace: Document, quota: Document | None, decision: Decision) -> None:
        name = namespace["metadata"]["name"]
        match decision.act:
            case SetQuota(hard) if quota is None:
                await self._kube.create(Resource.QUOTAS, budgets.manifest(name, hard))
                self._tell(namespace, "QuotaSet", _words(hard))
            case SetQuota(hard):
                assert quota is not None
                await self._kube.replace(Resource.QUOTAS, budgets.resized(quota, hard))
                self._tell(namespace, "QuotaSet", _words(hard))
            case RemoveQuota(uid):
                await self._kube.delete(Resource.QUOTAS, Key(name, names.QUOTA_NAME), uid)
                self._tell(namespace, "QuotaRemoved", "ResourceQuota buildstate is removed")

    def _note_wish(self, namespace: str, wish: Wish) -> None:
        known = self._wishes.pop(namespace, Wish())
        if wish.is_managed:
            self._wishes[namespace] = wish
        if wish != known or namespace in self._refused:
            self._wake(namespace)

    def _note_quota(self, namespace: str, found: FoundQuota | None) -> None:
        known = self._quotas.pop(namespace, None)
        if found is not None:
            self._quotas[namespace] = found
        is_concerned = namespace in self._wishes or bool(self.namespaces)
        if found != known and (is_concerned or (found is not None and found.is_ours)):
            self.queue.add_after(Key("", namespace), PAUSE)

    def _wake(self, namespace: str) -> None:
        self.queue.add(Key("", namespace))

    def _complain(self, namespace: Document, grievance: Grievance) -> None:
        logger.warning("namespace %s: %s", namespace["metadata"]["name"], grievance.message)
        self._tell(namespace, grievance.reason, grievance.message, is_warning=True)

    def _tell(
        self, namespace: Document, reason: str, message: str, *, is_warning: bool = False
    ) -> None:
        event = events.of_namespace(
            namespace,
            reason=reason,
            message=message,
            is_warning=is_warning,
            time=self._clock.now(),
        )
        self._outbox.put(event)


def _words(hard: Size) -> str:
    limits = ", ".join(f"{name}: {quantity}" for name, quantity in sorted(hard.items()))
    return f"ResourceQuota buildstate is set to {limits}"
