"""Object stores: the contract in memory, and servers that are away, slow, unwell or unwilling."""

import asyncio
import time
from itertools import count

import pytest
from obstore.store import MemoryStore
from tests.stores.contracts import Act, IncompleteContract
from tests.stores.servers import Crank, cranky, free_port, s3

from buildstate.domain.errors import AlreadyExists, BuildStateError, Permanent, Transient
from buildstate.stores.clouds import Bucket, CloudStore
from buildstate.stores.contracts import Store

PATH = "active/team/uid/current_state.json"
DENIED = """<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>secret words</Message>
<StringToSign>what was signed</StringToSign></Error>"""
QUICKLY = 8.0
"""Seconds; a client is given 1 s for a request here."""


def acts(store: Store) -> list[Act]:
    """Everything that can be asked of a store of documents."""
    return [
        lambda: store.read(PATH),
        lambda: store.create(PATH, b"body"),
        lambda: store.write(PATH, b"body"),
        lambda: store.swap(PATH, b"body", '{"e_tag": "old"}'),
        lambda: store.remove(PATH),
        lambda: store.list("active/"),
    ]


async def failures(store: Store) -> list[BuildStateError]:
    """What everything that is asked fails with, and quickly."""
    began = time.monotonic()
    found = await asyncio.gather(*(act() for act in acts(store)), return_exceptions=True)
    assert time.monotonic() - began < QUICKLY
    failed = [one for one in found if isinstance(one, BuildStateError)]
    assert len(failed) == len(found), found
    return failed


class TestCloud(IncompleteContract):
    """The contract."""

    @pytest.fixture
    def store(self) -> Store:
        return CloudStore("main", Bucket("a bucket in memory", MemoryStore))


async def test_a_server_that_is_away_is_transient() -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    for error in await failures(CloudStore("main", s3(endpoint))):
        assert type(error) is Transient
        assert f"store main: bucket checkpoints at {endpoint} cannot be reached" in str(error)
        assert "(Connection refused); check endpoint and network" in str(error)


@pytest.mark.parametrize("code", [500, 502, 503, 429])
async def test_a_server_that_is_unwell_is_transient(code: int) -> None:
    async with cranky(Crank(code, "<Error><Code>SlowDown</Code></Error>")) as endpoint:
        for error in await failures(CloudStore("main", s3(endpoint))):
            assert type(error) is Transient
            assert str(error).startswith("store main: bucket checkpoints at http://127.0.0.1:")
            assert f"is not well: {code} " in str(error)
            assert "SlowDown" in str(error)


async def test_few_requests_are_made_to_a_server_that_is_unwell() -> None:
    crank = Crank(503)
    async with cranky(crank) as endpoint:
        with pytest.raises(Transient):
            await CloudStore("main", s3(endpoint)).create(PATH, b"body")
    assert 2 == len(crank.asked)


async def test_a_server_that_does_not_answer_is_transient() -> None:
    async with cranky(Crank(None)) as endpoint:
        for error in await failures(CloudStore("main", s3(endpoint))):
            assert type(error) is Transient
            assert "(it did not answer in time)" in str(error)


async def test_a_call_ends_at_its_deadline_whatever_the_client_hopes() -> None:
    async with cranky(Crank(None)) as endpoint:
        store = CloudStore("main", s3(endpoint), deadline=0.2)
        with pytest.raises(Transient, match=r"did not answer within 0\.2 s"):
            await store.read(PATH)


async def test_a_bucket_that_denies_us_is_permanent_and_tells_no_secrets() -> None:
    async with cranky(Crank(403, DENIED)) as endpoint:
        for error in await failures(CloudStore("main", s3(endpoint))):
            assert isinstance(error, Permanent)
            assert "Forbidden" == error.reason
            assert "403 Forbidden AccessDenied" in str(error)
            assert "check the credentials" in str(error)
            assert "secret words" not in str(error)
            assert "signed" not in str(error)


async def test_a_bucket_that_is_not_there_is_not_an_empty_one() -> None:
    async with cranky(Crank(404, "<Error><Code>NoSuchBucket</Code></Error>")) as endpoint:
        for error in await failures(CloudStore("main", s3(endpoint))):
            assert isinstance(error, Permanent)
            assert "NotFound" == error.reason
            assert "is not there: make it" in str(error)


async def test_a_request_that_makes_no_sense_is_permanent() -> None:
    async with cranky(Crank(400, "<Error><Code>InvalidRequest</Code></Error>")) as endpoint:
        for error in await failures(CloudStore("main", s3(endpoint))):
            assert isinstance(error, Permanent)
            assert "400 Bad Request InvalidRequest; check endpoint, region" in str(error)


async def test_another_region_is_permanent() -> None:
    async with cranky(Crank(301)) as endpoint:
        with pytest.raises(Permanent, match="check endpoint, region and bucket"):
            await CloudStore("main", s3(endpoint)).read(PATH)


async def test_a_bucket_is_opened_again_when_its_credentials_change() -> None:
    opened = count()
    secrets = ["one", "one", "two", "two"]

    def open_bucket() -> MemoryStore:
        next(opened)
        return MemoryStore()

    bucket = Bucket("a bucket", open_bucket, lambda: secrets.pop(0))
    store = CloudStore("main", bucket)
    await store.create(PATH, b"")
    with pytest.raises(AlreadyExists):
        await store.create(PATH, b"")
    await store.create(PATH, b"")
    assert 2 == next(opened)


async def test_credentials_that_cannot_be_read_may_be_there_later() -> None:
    def missing() -> str:
        raise PermissionError("no such Secret")

    store = CloudStore("main", Bucket("a bucket", MemoryStore, missing))
    with pytest.raises(Transient, match="no such Secret"):
        await store.read(PATH)
