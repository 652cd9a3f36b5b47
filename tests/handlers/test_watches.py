import inspect
from typing import Any

import kopf
import pytest
from kopf._core.intents import causes
from tests.worlds import NAME, NAMESPACE, a_document

from buildstate.engine.caches import Cache
from buildstate.engine.inboxes import Inbox
from buildstate.engine.queues import WorkQueue
from buildstate.handlers import lifecycle, watches
from buildstate.kube.ports import Key

KEY = Key(NAMESPACE, NAME)


class Edge:
    """Everything that is registered at kopf, with a queue behind it."""

    def __init__(self) -> None:
        self.registry = kopf.OperatorRegistry()
        self.queue: WorkQueue[Key] = WorkQueue()
        watches.register(self.registry, Inbox(Cache(), self.queue))
        lifecycle.register(self.registry, None, self.prime)  # type: ignore[arg-type]

    async def prime(self) -> None:
        """Nothing to fill here."""

    def watching(self) -> dict[str, Any]:
        """The handlers of events by the resource that they are for."""
        handlers = self.registry._watching.get_all_handlers()
        return {str(one.selector.any_name): one for one in handlers if one.selector}


def test_only_events_are_handled_since_the_storages_store_nothing() -> None:
    registry = Edge().registry
    assert 1 == len(registry._watching.get_all_handlers())
    assert [] == [
        *registry._changing.get_all_handlers(),
        *registry._spawning.get_all_handlers(),
        *registry._indexing.get_all_handlers(),
        *registry._webhooks.get_all_handlers(),
    ]


def test_of_the_life_only_start_and_login_are_handled() -> None:
    activities = {handler.activity for handler in Edge().registry._activities.get_all_handlers()}
    assert {causes.Activity.STARTUP, causes.Activity.AUTHENTICATION} == activities


def test_handlers_are_short_and_decide_nothing() -> None:
    functions = [handler.fn for handler in Edge().registry._watching.get_all_handlers()]
    sources = [inspect.getsource(function) for function in functions]
    assert [] == [source for source in sources if len(source.splitlines()) > 10]
    assert [] == [source for source in sources if " if " in source or "await" in source]


@pytest.mark.parametrize("event", [None, "ADDED", "MODIFIED"])
async def test_an_event_goes_to_the_queue_and_nothing_to_kopf(event: str | None) -> None:
    edge = Edge()
    told = {"type": event, "object": a_document()}
    answer = await edge.watching()["buildstates"].fn(event=told)
    assert (None, KEY) == (answer, await edge.queue.get())
