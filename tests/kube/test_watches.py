"""The reader of a watch against a server that sends, and breaks off, as it is told."""

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration
from tests.worlds import a_pod_document

from buildstate.domain.errors import Transient
from buildstate.kube import watches
from buildstate.kube.connections import Connection
from buildstate.kube.ports import Resource
from buildstate.kube.traces import Request
from buildstate.kube.watches import Watch

HOLD, CUT = "hold", "cut"
"""What a server does after its last line, if it does not just end the stream."""

GONE = {"code": 410, "reason": "Expired", "message": "too old resource version: 5 (9)"}


def line(kind: str, version: int, name: str = "p", **status: Any) -> bytes:
    """One line of a stream."""
    return json.dumps({"type": kind, "object": a_pod_document(name, version, **status)}).encode()


def bookmark(version: int) -> bytes:
    """A line that says how far the stream is."""
    metadata = {"resourceVersion": str(version)}
    return json.dumps({"type": "BOOKMARK", "object": {"metadata": metadata}}).encode()


def error(**status: Any) -> bytes:
    """The line with which a server ends a stream that it cannot go on with."""
    return json.dumps({"type": "ERROR", "object": {"kind": "Status", **status}}).encode()


@dataclass
class ApiServer:
    """Answers each watch with the next of `streams`, or `refusals` before them; then holds."""

    streams: list[tuple[bytes | str, ...]] = field(default_factory=list)
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    asked: list[web.Request] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one watch."""
        self.asked.append(request)
        if self.refusals:
            code, headers = self.refusals.pop(0)
            return web.json_response({"message": "no"}, status=code, headers=headers)
        stream = web.StreamResponse()
        await stream.prepare(request)
        for step in self.streams.pop(0) if self.streams else (HOLD,):
            if step == HOLD:
                await asyncio.Event().wait()
            elif step == CUT:
                assert request.transport is not None
                request.transport.abort()
            else:
                assert isinstance(step, bytes)
                await stream.write(step)
        return stream

    def positions(self) -> list[str]:
        """The versions from which was watched, in their order."""
        return [request.query["resourceVersion"] for request in self.asked]


@dataclass
class Reader:
    """A watch at work, and what came of it."""

    connection: Connection
    events: list[tuple[str, str]] = field(default_factory=list)
    told: list[Request] = field(default_factory=list)
    gaps: int = 0
    catch_up_fails: int = 0

    @asynccontextmanager
    async def at_work(self, **positions: str) -> AsyncIterator[None]:
        """Follow from these positions, or from 5 in all namespaces."""
        watch = Watch(
            self.connection,
            Resource.PODS,
            taken=self.take,
            catch_up=self.catch_up,
            told=self.told.append,
        )
        task = asyncio.create_task(watch.run(positions or {"": "5"}))
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def take(self, kind: str, document: dict[str, Any]) -> None:
        self.events.append((kind, document["metadata"]["resourceVersion"]))
        if document["metadata"]["name"] == "bad":
            raise LookupError

    async def catch_up(self) -> dict[str, str]:
        self.gaps += 1
        if self.gaps <= self.catch_up_fails:
            message = "no list today"
            raise Transient(message)
        return {"": "50", "a": "51"}

    def codes(self) -> list[int]:
        """The codes of what was told, all of them of watches of Pods."""
        assert {("watch", "pods")} == {(one.verb, one.resource) for one in self.told}
        return [one.code for one in self.told]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    """A server that nobody asked anything yet, and a reader that is not patient."""
    monkeypatch.setattr(watches, "FIRST_DELAY", 0.001)
    return ApiServer()


@pytest.fixture
async def reader(server: ApiServer) -> AsyncIterator[Reader]:
    """A reader of that server."""
    app = web.Application()
    app.router.add_get("/{path:.*}", server.handle)
    async with TestServer(app) as running:
        configuration = Configuration(host=str(running.make_url("")).rstrip("/"))
        connection = Connection(configuration, [])
        yield Reader(connection)
        await connection.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the condition is of many kinds
            await asyncio.sleep(0.001)


# What goes wrong.


async def test_after_410_in_a_stream_it_goes_on_from_a_new_list(
    server: ApiServer, reader: Reader
) -> None:
    server.streams = [(line("ADDED", 6) + b"\n", error(**GONE) + b"\n", HOLD)]
    async with reader.at_work():
        await until(lambda: len(reader.told) == 3)
    assert (["5", "50"], 1) == (server.positions(), reader.gaps)
    assert [200, 410, 200] == reader.codes()


async def test_after_410_as_an_answer_it_goes_on_from_a_new_list(
    server: ApiServer, reader: Reader
) -> None:
    server.refusals = [(410, {})]
    async with reader.at_work():
        await until(lambda: len(reader.told) == 2)
    assert (["5", "50"], [410, 200]) == (server.positions(), reader.codes())


async def test_a_list_that_fails_is_tried_again(server: ApiServer, reader: Reader) -> None:
    server.refusals, reader.catch_up_fails = [(410, {})], 2
    async with reader.at_work():
        await until(lambda: len(server.asked) == 2)
    assert (["5", "50"], 3) == (server.positions(), reader.gaps)


async def test_after_another_error_it_does_not_trust_its_position_either(
    server: ApiServer, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    server.streams = [(error(code=500, message="etcd is ill") + b"\n",)]
    async with reader.at_work():
        await until(lambda: len(reader.told) == 3)
    assert (["5", "50"], [200, 500, 200]) == (server.positions(), reader.codes())
    assert "etcd is ill" in caplog.text


async def test_an_error_without_words_is_an_error(server: ApiServer, reader: Reader) -> None:
    server.streams = [(b'{"type":"ERROR","object":{}}\n',)]
    async with reader.at_work():
        await until(lambda: len(reader.told) == 3)
    assert [200, 0, 200] == reader.codes()


@pytest.mark.parametrize("code", [401, 403, 429, 500, 503])
async def test_a_refused_watch_is_asked_for_again_from_where_it_was(
    server: ApiServer, reader: Reader, code: int
) -> None:
    server.refusals = [(code, {})]
    async with reader.at_work():
        await until(lambda: len(reader.told) == 2)
    assert (["5", "5"], 0, [code, 200]) == (server.positions(), reader.gaps, reader.codes())


async def test_a_server_that_asks_to_wait_is_heard(
    server: ApiServer, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    server.refusals = [(429, {"Retry-After": "7"})]
    async with reader.at_work():
        await until(lambda: "again in" in caplog.text)
        await asyncio.sleep(0.02)
    assert "again in 7.0 s" in caplog.text
    assert 1 == len(server.asked)


async def test_a_cut_line_is_read_again_from_the_last_whole_one(
    server: ApiServer, reader: Reader
) -> None:
    whole, half = line("ADDED", 6) + b"\n", line("MODIFIED", 7)[:40]
    server.streams = [(whole, half, CUT), (line("MODIFIED", 7) + b"\n", HOLD)]
    async with reader.at_work():
        await until(lambda: len(reader.events) == 2)
    assert [("ADDED", "6"), ("MODIFIED", "7")] == reader.events
    assert (["5", "6"], 0) == (server.positions(), reader.gaps)


async def test_a_half_line_at_the_end_of_a_stream_is_dropped(
    server: ApiServer, reader: Reader
) -> None:
    server.streams = [(line("ADDED", 6)[:40],), (line("ADDED", 6) + b"\n", HOLD)]
    async with reader.at_work():
        await until(lambda: len(reader.events) == 1)
    assert ["5", "5"] == server.positions()


async def test_a_silent_stream_is_given_up_without_a_warning(
    server: ApiServer,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(watches, "TIMEOUT", aiohttp.ClientTimeout(total=None, sock_read=0.02))
    server.streams = [(bookmark(8) + b"\n", HOLD)]
    async with reader.at_work():
        await until(lambda: len(server.asked) >= 2)
    assert ["5", "8"] == server.positions()[:2]
    assert [] == [one for one in caplog.records if one.levelname == "WARNING"]


@pytest.mark.parametrize(
    "garbage",
    [b"<html>", b"[]", b'{"type":"ADDED"}', b'{"type":"ADDED","object":{}}', b"7", b""],
    ids=["no JSON", "a list", "no object", "no version", "a number", "nothing"],
)
async def test_a_line_that_is_no_event_ends_the_stream_and_not_the_reader(
    server: ApiServer, reader: Reader, caplog: pytest.LogCaptureFixture, garbage: bytes
) -> None:
    server.streams = [(line("ADDED", 6) + b"\n", garbage + b"\n", line("ADDED", 7) + b"\n")]
    async with reader.at_work():
        await until(lambda: len(server.asked) == 2)
    assert (["5", "6"], [("ADDED", "6")]) == (server.positions(), reader.events)
    assert "a line that is no event" in caplog.text


async def test_an_event_that_cannot_be_taken_is_passed_over_and_said_so(
    server: ApiServer, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    server.streams = [(line("ADDED", 6, "bad") + b"\n", line("ADDED", 7) + b"\n", HOLD)]
    async with reader.at_work():
        await until(lambda: len(reader.events) == 2)
    assert 1 == len(server.asked)
    assert "an event of pods was passed over" in caplog.text


async def test_what_fails_at_once_is_tried_later_and_later(
    server: ApiServer,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(watches, "FIRST_DELAY", 0.0005)
    monkeypatch.setattr(watches, "LONGEST_DELAY", 0.02)
    server.refusals = [(500, {})] * 8
    began = asyncio.get_running_loop().time()
    async with reader.at_work():
        await until(lambda: len(server.asked) == 9)
    assert asyncio.get_running_loop().time() - began > 0.5 * (0.001 + 0.002 + 0.004 + 0.008 + 0.016)


async def test_a_stream_that_ends_at_once_is_no_hot_loop(
    server: ApiServer, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "FIRST_DELAY", 0.02)
    server.streams = [()] * 100
    async with reader.at_work():
        await asyncio.sleep(0.2)
    assert 1 < len(server.asked) < 8


async def test_without_a_server_it_goes_on_trying(
    reader: Reader, caplog: pytest.LogCaptureFixture, unused_tcp_port: int
) -> None:
    configuration = Configuration(host=f"http://127.0.0.1:{unused_tcp_port}")
    nowhere = Reader(Connection(configuration, []))
    async with nowhere.at_work():
        await until(lambda: len(nowhere.told) >= 3)
    assert {0} == set(nowhere.codes())
    assert "the watch of pods broke" in caplog.text
    await nowhere.connection.close()


async def test_it_can_be_stopped_in_the_middle_of_a_stream(
    server: ApiServer, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "buildstate")
    server.streams = [(line("ADDED", 6) + b"\n", HOLD)]
    async with reader.at_work():
        await until(lambda: bool(reader.events))
    await asyncio.sleep(0.01)
    assert (1, "") == (len(server.asked), caplog.text)


# What goes well.


async def test_it_begins_where_the_list_ended_and_lists_nothing(
    server: ApiServer, reader: Reader
) -> None:
    async with reader.at_work():
        await until(lambda: bool(server.asked))
    assert ("/api/v1/pods", 0) == (server.asked[0].path, reader.gaps)
    assert {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "5",
        "timeoutSeconds": "290",
        "labelSelector": "app.kubernetes.io/managed-by=buildstate-operator",
    } == dict(server.asked[0].query)


async def test_each_event_is_handed_over_in_its_order(server: ApiServer, reader: Reader) -> None:
    kinds = ["ADDED", "MODIFIED", "DELETED"]
    lines = [line(kind, version) + b"\n" for version, kind in enumerate(kinds, 6)]
    server.streams = [(*lines, HOLD)]
    async with reader.at_work():
        await until(lambda: len(reader.events) == 3)
    assert [("ADDED", "6"), ("MODIFIED", "7"), ("DELETED", "8")] == reader.events


async def test_a_bookmark_is_a_position_and_no_event(server: ApiServer, reader: Reader) -> None:
    server.streams = [(line("ADDED", 6) + b"\n", bookmark(30) + b"\n")]
    async with reader.at_work():
        await until(lambda: len(server.asked) == 2)
    assert (["5", "30"], [("ADDED", "6")]) == (server.positions(), reader.events)


@pytest.mark.parametrize("size", [1, 7, 4096])
async def test_lines_come_in_pieces_of_any_size(
    server: ApiServer, reader: Reader, size: int
) -> None:
    text = b"".join(line("MODIFIED", version) + b"\n" for version in (6, 7, 8))
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    server.streams = [(*pieces, HOLD)]
    async with reader.at_work():
        await until(lambda: len(reader.events) == 3)
    assert ["6", "7", "8"] == [version for _, version in reader.events]


async def test_a_line_may_be_longer_than_any_buffer(server: ApiServer, reader: Reader) -> None:
    server.streams = [(line("ADDED", 6, message="x" * 6_000_000) + b"\n", HOLD)]
    async with reader.at_work():
        await until(lambda: len(reader.events) == 1)
    assert (1, [("ADDED", "6")]) == (len(server.asked), reader.events)


async def test_each_namespace_is_followed_from_its_own_position(
    server: ApiServer, reader: Reader
) -> None:
    server.refusals = [(410, {})]
    async with reader.at_work(a="1", b="2"):
        await until(lambda: len(server.asked) == 3)
    asked = {
        (request.path.split("/")[4], request.query["resourceVersion"]) for request in server.asked
    }
    assert {("a", "1"), ("b", "2"), ("a", "51")} == asked


async def test_a_life_that_was_long_enough_is_opened_again_soon(
    server: ApiServer, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "SHORT_LIFE", 0.0)
    server.streams = [(bookmark(version) + b"\n",) for version in range(6, 26)]
    began = asyncio.get_running_loop().time()
    async with reader.at_work():
        await until(lambda: len(server.asked) == 21)
    assert asyncio.get_running_loop().time() - began < 2
    assert all(int(a) < int(b) for a, b in itertools.pairwise(server.positions()))
