"""What a checkpoint costs in a store of documents, and in which order it is written and removed."""

from tests.stores.contracts import RECORD

from buildstate.stores.contracts import Blob, Place
from buildstate.stores.memories import MemoryStore

PLACE = Place("team", "uid", "demo")
HOME = "active/team/uid/checkpoints/7-build-1f9b02ac"


class Noting(MemoryStore):
    """Writes down what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []

    async def read(self, path: str) -> Blob | None:
        self.asked.append(("read", path))
        return await super().read(path)

    async def write(self, path: str, data: bytes) -> None:
        """A create and a swap end in this, too."""
        self.asked.append(("write", path))
        await super().write(path, data)

    async def remove(self, path: str) -> None:
        self.asked.append(("remove", path))
        await super().remove(path)

    async def list(self, prefix: str) -> list[str]:
        self.asked.append(("list", prefix))
        return await super().list(prefix)


async def test_a_checkpoint_costs_two_writes_and_the_manifest_is_last() -> None:
    store = Noting()
    await store.save(PLACE, RECORD)
    assert [("write", f"{HOME}.payload"), ("write", f"{HOME}.json")] == store.asked


async def test_the_manifest_is_read_first_and_its_absence_is_enough() -> None:
    store = Noting()
    assert await store.load(PLACE, RECORD.name) is None
    assert [("read", f"{HOME}.json")] == store.asked
    await store.save(PLACE, RECORD)
    store.asked.clear()
    await store.load(PLACE, RECORD.name)
    assert [("read", f"{HOME}.json"), ("read", f"{HOME}.payload")] == store.asked


async def test_the_manifest_goes_first_so_that_no_half_is_seen() -> None:
    store = Noting()
    await store.save(PLACE, RECORD)
    store.asked.clear()
    await store.delete(PLACE, RECORD.name)
    assert [("remove", f"{HOME}.json"), ("remove", f"{HOME}.payload")] == store.asked
