import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from buildstate.kube.traces import Request, tracing, verb_and_resource

BUILDS = "/apis/buildstate.dev/v1alpha1"
MINE = f"{BUILDS}/namespaces/team/buildstates"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", f"{MINE}/demo", "get buildstates"),
        ("GET", MINE, "list buildstates"),
        ("GET", f"{BUILDS}/buildstates?limit=500", "list buildstates"),
        ("GET", f"{BUILDS}/buildstates?watch=true&resourceVersion=5", "watch buildstates"),
        ("GET", f"{MINE}?labelSelector=a%3Db&watch=true", "watch buildstates"),
        ("PUT", f"{MINE}/demo/status", "update buildstates/status"),
        ("PATCH", f"{MINE}/demo/status", "patch buildstates/status"),
        ("POST", "/api/v1/namespaces/team/pods", "create pods"),
        ("DELETE", "/api/v1/namespaces/team/pods/p", "delete pods"),
        ("GET", "/api/v1/namespaces/team/pods/p/log", "get pods/log"),
        ("GET", "/api/v1/pods", "list pods"),
        ("GET", "/api/v1", "get discovery"),
        ("GET", BUILDS, "get discovery"),
        ("GET", "/version", "get discovery"),
        ("GET", "/", "get discovery"),
        ("OPTIONS", MINE, "options buildstates"),
        ("GET", "/api/v1/namespaces/watch/pods/watch", "get pods"),
    ],
)
def test_the_verb_and_the_resource_follow_from_the_path(
    method: str, path: str, expected: str
) -> None:
    assert tuple(expected.split()) == verb_and_resource(method, path)


async def test_each_request_is_told_when_its_answer_begins() -> None:
    told: list[Request] = []
    app = web.Application()
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(trace_configs=[tracing(told.append)]) as session,
    ):
        await session.get(server.make_url("/api/v1/pods?watch=true"))
    (only,) = told
    assert ("watch", "pods", 404) == (only.verb, only.resource, only.code)
    assert 0 <= only.seconds < 5


async def test_a_request_without_an_answer_has_code_0() -> None:
    told: list[Request] = []
    async with TestServer(web.Application()) as server:
        url = server.make_url("/api/v1/pods")
    async with aiohttp.ClientSession(trace_configs=[tracing(told.append)]) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(url)
    assert [("list", "pods", 0)] == [(r.verb, r.resource, r.code) for r in told]
