"""The client against a server that answers what it is told: paths, headers, bodies, failures."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientTimeout, web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration
from tests.worlds import NAME, NAMESPACE, a_document

from buildstate.domain.errors import (
    AlreadyExists,
    BuildStateError,
    Conflict,
    Permanent,
    QuotaExceeded,
    Transient,
)
from buildstate.kube import client
from buildstate.kube.client import KubeClient
from buildstate.kube.connections import Connection
from buildstate.kube.ports import Key, Resource
from buildstate.kube.traces import Request

KEY = Key(NAMESPACE, NAME)
BUILDS = "/apis/buildstate.dev/v1alpha1/namespaces/team/buildstates"
POD = {"metadata": {"name": "p", "namespace": NAMESPACE}}

Answer = tuple[int, Any, dict[str, str]] | Exception


@dataclass
class ApiServer:
    """What was asked, and what is answered next; `{}` with 200 when nothing is set."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[web.Request] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    sleeps: bool = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.asked.append(request)
        text = await request.text()
        self.bodies.append(json.loads(text) if text else None)
        if self.sleeps:
            await asyncio.Event().wait()
        answer = self.answers.pop(0) if self.answers else (200, {}, {})
        if isinstance(answer, Exception):
            assert request.transport is not None
            request.transport.abort()
            raise answer
        status, body, headers = answer
        return web.json_response(body, status=status, headers=headers)

    def says(self, body: Any, status: int = 200, **headers: str) -> None:
        """Set the next answer."""
        self.answers.append((status, body, headers))

    @property
    def last(self) -> tuple[str, str]:
        """Method and path of the last request."""
        return self.asked[-1].method, self.asked[-1].path


@dataclass
class Line:
    """A client, the server at its other end, and what was told of its requests."""

    server: ApiServer
    kube: KubeClient
    told: list[Request]
    connect: Callable[..., KubeClient]


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """A client that is connected to a server."""
    api = ApiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    async with TestServer(app) as server:
        configuration = Configuration(host=str(server.make_url("")).rstrip("/"))
        configuration.api_key = {"BearerToken": "Bearer secret"}
        connection = Connection(configuration, [])
        told: list[Request] = []

        def connect(*namespaces: str) -> KubeClient:
            return KubeClient(connection, namespaces, told.append)

        yield Line(api, connect(), told, connect)
        await connection.close()


async def test_an_object_is_read_where_it_is(line: Line) -> None:
    line.server.says(a_document())
    assert a_document() == await line.kube.get(Resource.BUILDS, KEY)
    assert ("GET", f"{BUILDS}/demo") == line.server.last


async def test_who_we_are_is_said_in_each_request(line: Line) -> None:
    await line.kube.get(Resource.BUILDS, KEY)
    headers = line.server.asked[-1].headers
    assert ("Bearer secret", "application/json") == (headers["Authorization"], headers["Accept"])


async def test_what_is_not_there_is_none(line: Line) -> None:
    line.server.says({"reason": "NotFound"}, 404)
    assert await line.kube.get(Resource.PODS, KEY) is None


async def test_an_object_is_made_in_its_namespace(line: Line) -> None:
    line.server.says({"made": True}, 201)
    assert {"made": True} == await line.kube.create(Resource.PODS, POD)
    assert (("POST", "/api/v1/namespaces/team/pods"), POD) == (
        line.server.last,
        line.server.bodies[-1],
    )


async def test_a_status_is_written_whole_and_with_the_version_that_it_is_for(line: Line) -> None:
    line.server.says({"written": True})
    build = a_document(7, phase="TEST")
    assert {"written": True} == await line.kube.replace_status(build, {"phase": "INIT"})
    assert (("PUT", f"{BUILDS}/demo/status"), {**build, "status": {"phase": "INIT"}}) == (
        line.server.last,
        line.server.bodies[-1],
    )
    assert "application/json" == line.server.asked[-1].content_type


async def test_a_cached_build_gets_back_what_kind_it_is(line: Line) -> None:
    slim = {name: a_document()[name] for name in ("metadata", "spec")}
    await line.kube.replace_status(slim, {"phase": "INIT"})
    body = line.server.bodies[-1]
    assert ("buildstate.dev/v1alpha1", "BuildState") == (body["apiVersion"], body["kind"])


@pytest.mark.parametrize(
    ("uid", "expected"), [("that-one", {"preconditions": {"uid": "that-one"}}), (None, {})]
)
async def test_exactly_the_named_object_is_deleted(
    line: Line, uid: str | None, expected: dict[str, Any]
) -> None:
    await line.kube.delete(Resource.PODS, Key(NAMESPACE, "p"), uid)
    assert (("DELETE", "/api/v1/namespaces/team/pods/p"), expected) == (
        line.server.last,
        line.server.bodies[-1],
    )


@pytest.mark.parametrize(
    ("status", "reason"), [(404, "NotFound"), (409, "Conflict")], ids=["gone", "another's name"]
)
async def test_deleting_what_is_gone_is_no_error(line: Line, status: int, reason: str) -> None:
    line.server.says({"reason": reason}, status)
    await line.kube.delete(Resource.PODS, Key(NAMESPACE, "p"), "that-one")
    assert 1 == len(line.server.asked)


async def test_what_may_not_be_deleted_is_an_error(line: Line) -> None:
    line.server.says({"reason": "Forbidden", "message": "no"}, 403)
    with pytest.raises(Permanent, match="no"):
        await line.kube.delete(Resource.PODS, Key(NAMESPACE, "p"))


# Lists.


async def test_a_long_list_comes_in_chunks(line: Line) -> None:
    line.server.says({"metadata": {"continue": "token/1"}, "items": [{"n": 1}, {"n": 2}]})
    line.server.says({"metadata": {"continue": ""}, "items": [{"n": 3}]})
    assert [{"n": 1}, {"n": 2}, {"n": 3}] == (await line.kube.list_all(Resource.BUILDS)).items
    assert [{"limit": "500"}, {"limit": "500", "continue": "token/1"}] == [
        dict(request.query) for request in line.server.asked
    ]
    assert ("GET", "/apis/buildstate.dev/v1alpha1/buildstates") == line.server.last


async def test_of_the_pods_only_ours_are_listed(line: Line) -> None:
    line.server.says({"metadata": {}, "items": []})
    await line.kube.list_all(Resource.PODS)
    selector = line.server.asked[-1].query["labelSelector"]
    assert "app.kubernetes.io/managed-by=buildstate-operator" == selector


async def test_a_list_of_names_asks_for_nothing_else(line: Line) -> None:
    line.server.says({"metadata": {}, "items": []})
    await line.kube.list_all(Resource.BUILDS, metadata_only=True)
    assert "as=PartialObjectMetadataList" in line.server.asked[-1].headers["Accept"]


async def test_objects_are_found_by_their_fields_in_one_namespace_or_in_none(line: Line) -> None:
    line.server.says({"metadata": {}, "items": [{"reason": "Failed"}]})
    found = await line.kube.find(Resource.EVENTS, "team", {"involvedObject.uid": "u"})
    asked = line.server.asked[-1]
    assert [{"reason": "Failed"}] == found
    assert "/api/v1/namespaces/team/events" == asked.path
    assert "involvedObject.uid=u" == asked.query["fieldSelector"]
    line.server.says({"metadata": {}, "items": None})
    assert [] == await line.kube.find(Resource.STORAGE_CLASSES, "", {})
    assert "/apis/storage.k8s.io/v1/storageclasses" == line.server.asked[-1].path


async def test_a_look_at_an_object_asks_for_its_metadata_only(line: Line) -> None:
    line.server.says({"metadata": {"name": "demo"}})
    found = await line.kube.peek(Resource.CONFIGMAPS, KEY)
    assert {"metadata": {"name": "demo"}} == found
    assert "as=PartialObjectMetadata;" in line.server.asked[-1].headers["Accept"]
    line.server.says({"reason": "NotFound"}, 404)
    assert await line.kube.peek(Resource.CONFIGMAPS, KEY) is None


async def test_each_namespace_that_is_served_is_listed(line: Line) -> None:
    for number in (1, 2):
        metadata = {"resourceVersion": str(number)}
        line.server.says({"metadata": metadata, "items": [{"n": number}]})
    listing = await line.connect("a", "b").list_all(Resource.PODS)
    assert ([{"n": 1}, {"n": 2}], {"a": "1", "b": "2"}) == listing
    assert ["/api/v1/namespaces/a/pods", "/api/v1/namespaces/b/pods"] == [
        request.path for request in line.server.asked
    ]


# Failures.


@pytest.mark.parametrize(
    ("status", "reason", "message", "expected"),
    [
        (409, "AlreadyExists", "taken", AlreadyExists),
        (409, "Conflict", "modified", Conflict),
        (404, "NotFound", "no such namespace", Conflict),
        (403, "Forbidden", "exceeded quota: q", QuotaExceeded),
        (403, "Forbidden", "violates PodSecurity", Permanent),
        (500, "InternalError", "oh", Transient),
    ],
)
async def test_a_refusal_is_raised(
    line: Line, status: int, reason: str, message: str, expected: type[BuildStateError]
) -> None:
    line.server.says({"reason": reason, "message": message}, status)
    with pytest.raises(BuildStateError, match=message) as error:
        await line.kube.create(Resource.PODS, POD)
    assert expected is type(error.value)


async def test_a_server_that_asks_to_wait_is_heard(line: Line) -> None:
    line.server.answers.append((429, {"message": "slowly"}, {"Retry-After": "7"}))
    with pytest.raises(Transient) as error:
        await line.kube.get(Resource.BUILDS, KEY)
    assert 7.0 == error.value.retry_after


async def test_nothing_is_sent_twice_by_itself(line: Line) -> None:
    line.server.says({"message": "not now"}, 503)
    with pytest.raises(Transient):
        await line.kube.create(Resource.PODS, POD)
    assert 1 == len(line.server.asked)


async def test_a_server_that_does_not_answer_may_answer_later(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "REQUEST_TIMEOUT", ClientTimeout(total=0.02))
    line.server.sleeps = True
    with pytest.raises(Transient, match=r"^GET /apis/.*/demo: .*Timeout"):
        await line.kube.get(Resource.BUILDS, KEY)


async def test_a_line_that_breaks_may_hold_later(line: Line) -> None:
    line.server.answers.append(ConnectionResetError())
    with pytest.raises(Transient, match=r"^POST /api/v1/namespaces/team/pods: "):
        await line.kube.create(Resource.PODS, POD)


async def test_a_failure_does_not_tell_the_token_of_a_list(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "REQUEST_TIMEOUT", ClientTimeout(total=0.02))
    line.server.sleeps = True
    with pytest.raises(Transient) as error:
        await line.kube.list_all(Resource.PODS)
    assert str(error.value).startswith("GET /api/v1/pods: ")


async def test_each_request_is_told(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.server.says({}, 201)
    await line.kube.create(Resource.PODS, POD)
    line.server.says({"reason": "NotFound"}, 404)
    await line.kube.get(Resource.BUILDS, KEY)
    monkeypatch.setattr(client, "REQUEST_TIMEOUT", ClientTimeout(total=0.02))
    line.server.sleeps = True
    with pytest.raises(Transient):
        await line.kube.delete(Resource.PODS, KEY)
    expected = [("create", "pods", 201), ("get", "buildstates", 404), ("delete", "pods", 0)]
    assert expected == [(r.verb, r.resource, r.code) for r in line.told]


async def test_objects_are_chosen_by_their_labels(line: Line) -> None:
    found = {"metadata": {"name": "c"}}
    line.server.says({"metadata": {}, "items": [found]})
    labels = {"buildstate.dev/area": "active", "buildstate.dev/checkpoint": "true"}
    assert [found] == await line.kube.select(Resource.CONFIGMAPS, labels, "team")
    assert ("GET", "/api/v1/namespaces/team/configmaps") == line.server.last
    query = line.server.asked[-1].query
    assert "buildstate.dev/area=active,buildstate.dev/checkpoint=true" == query["labelSelector"]
    assert "PartialObjectMetadataList" in line.server.asked[-1].headers["Accept"]


async def test_an_object_of_no_namespace_is_made_beside_the_others(line: Line) -> None:
    body = {"metadata": {"name": "team"}}
    await line.kube.create(Resource.NAMESPACES, body)
    assert ("POST", "/api/v1/namespaces") == line.server.last


async def test_objects_are_chosen_in_every_namespace_of_ours(line: Line) -> None:
    for _ in range(3):
        line.server.says({"metadata": {}, "items": [POD]})
    assert [POD] == await line.kube.select(Resource.CONFIGMAPS, {"a": "b"})
    assert [POD, POD] == await line.connect("one", "two").select(Resource.CONFIGMAPS, {"a": "b"})
    assert ["/api/v1/configmaps", "/api/v1/namespaces/one/configmaps"] == [
        request.path for request in line.server.asked[:2]
    ]


async def test_none_with_these_labels_are_none(line: Line) -> None:
    line.server.says({"metadata": {}, "items": None})
    assert [] == await line.kube.select(Resource.CONFIGMAPS, {"a": "b"})


async def test_an_object_is_replaced_at_its_version(line: Line) -> None:
    body = {"metadata": {"name": "c", "namespace": "team", "resourceVersion": "7"}, "data": {}}
    await line.kube.replace(Resource.CONFIGMAPS, body)
    assert (("PUT", "/api/v1/namespaces/team/configmaps/c"), body) == (
        line.server.last,
        line.server.bodies[-1],
    )
    line.server.says({"reason": "Conflict"}, 409)
    with pytest.raises(Conflict):
        await line.kube.replace(Resource.CONFIGMAPS, body)
