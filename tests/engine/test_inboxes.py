from tests.worlds import NAME, NAMESPACE, UID, a_document, a_pod_document

from buildstate.engine.caches import Cache
from buildstate.engine.inboxes import Inbox
from buildstate.engine.queues import WorkQueue
from buildstate.kube.ports import Key

KEY = Key(NAMESPACE, NAME)


class Edge:
    """An inbox with what lies behind it."""

    def __init__(self) -> None:
        self.cache = Cache()
        self.queue: WorkQueue[Key] = WorkQueue()
        self.inbox = Inbox(self.cache, self.queue)

    async def dirty(self) -> list[Key]:
        """What is in the queue; it is taken and given back."""
        keys = [await self.queue.get() for _ in range(len(self.queue))]
        for key in keys:
            self.queue.done(key)
        return keys


async def test_what_is_listed_added_or_modified_makes_its_build_dirty() -> None:
    edge, found = Edge(), []
    for version, event in enumerate([None, "ADDED", "MODIFIED"], 1):
        edge.inbox.build(event, a_document(version))
        found.append(await edge.dirty())
    assert [[KEY], [KEY], [KEY]] == found


async def test_an_echo_makes_nothing_dirty() -> None:
    edge = Edge()
    edge.cache.put_build(a_document(3))
    edge.inbox.build("MODIFIED", a_document(3))
    assert [] == await edge.dirty()


async def test_a_deleted_build_is_looked_at_once_more() -> None:
    edge = Edge()
    edge.cache.put_build(a_document(3))
    edge.inbox.build("DELETED", a_document(4))
    assert ([KEY], None) == (await edge.dirty(), edge.cache.build(KEY))


async def test_a_pod_makes_its_build_dirty_when_it_comes_and_when_it_goes() -> None:
    edge = Edge()
    edge.inbox.pod("ADDED", a_pod_document("p"))
    came = await edge.dirty()
    edge.inbox.pod("DELETED", a_pod_document("p", 2))
    assert ([KEY], [KEY], ()) == (came, await edge.dirty(), edge.cache.pods(UID))


async def test_a_pod_of_nobody_is_none_of_ours() -> None:
    edge = Edge()
    document = a_pod_document("p")
    del document["metadata"]["ownerReferences"]
    edge.inbox.pod("ADDED", document)
    edge.inbox.pod("DELETED", document)
    assert [] == await edge.dirty()
