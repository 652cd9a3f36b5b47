"""Stores on real servers: S3 by a process of its own, stopped and started as the test likes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stores.contracts import RECORD, IncompleteContract
from tests.stores.servers import Versity, versity

from buildstate.domain.errors import Permanent, Transient
from buildstate.stores.base import Place, Store
from buildstate.stores.clouds import CloudStore

pytestmark = pytest.mark.contract

PLACE = Place("team", "uid", "demo")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Versity]:
    with versity(tmp_path_factory.mktemp("versity")) as server:
        yield server


class TestS3(IncompleteContract):
    """The contract, on a bucket of its own."""

    @pytest.fixture
    def store(self, server: Versity) -> Store:
        return CloudStore("main", server.bucket())


class TestS3BelowAPrefix(IncompleteContract):
    """The contract, below a prefix of a bucket that others use, too."""

    @pytest.fixture
    def store(self, server: Versity) -> Store:
        return CloudStore("main", server.bucket(prefix="teams/blue"))


async def test_what_was_saved_outlives_the_server(tmp_path: Path) -> None:
    with versity(tmp_path) as server:
        store = CloudStore("main", server.bucket())
        await store.save(PLACE, RECORD)
        server.stop()
        with pytest.raises(Transient, match="cannot be reached"):
            await store.load(PLACE, RECORD.name)
        with pytest.raises(Transient, match="check endpoint and network"):
            await store.names(PLACE)
        server.start()
        assert RECORD == await store.load(PLACE, RECORD.name)
        assert [RECORD.name] == await store.names(PLACE)


async def test_a_wrong_secret_is_permanent_and_is_not_told(server: Versity) -> None:
    store = CloudStore("main", server.bucket(secret="mistyped"))
    for act in (store.load(PLACE, RECORD.name), store.names(PLACE), store.save(PLACE, RECORD)):
        with pytest.raises(Permanent, match="SignatureDoesNotMatch") as refused:
            await act
        assert "Forbidden" == refused.value.reason
        assert "StringToSign" not in str(refused.value)


async def test_a_bucket_that_is_not_there_is_permanent(server: Versity) -> None:
    store = CloudStore("main", server.bucket("no-such-bucket"))
    for act in (store.load(PLACE, RECORD.name), store.names(PLACE), store.save(PLACE, RECORD)):
        with pytest.raises(Permanent, match=r"bucket no-such-bucket .* is not there") as refused:
            await act
        assert "NotFound" == refused.value.reason
