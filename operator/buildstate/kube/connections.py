"""How to reach the API server: one pool of connections for our requests and for kopf."""

import os
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from yarl import URL

POOL_SIZE = 100
_READ_BUFFER = 2**21
"""One line of a watch is one whole object."""

Handler = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]


class NoCluster(Exception):
    """There is no cluster to talk to; the text says what was looked for."""


class Connection:
    """Our own requests, and sessions for kopf, over one pool.

    Only kopf's sessions are traced: we tell of our requests ourselves, which costs less.
    """

    def __init__(self, configuration: Configuration, traces: Sequence[aiohttp.TraceConfig]) -> None:
        self._traces = list(traces)
        self._configuration = configuration
        tls = ApiClient(configuration).rest_client.ssl_context
        self._pool = aiohttp.TCPConnector(limit=POOL_SIZE, ssl=tls)
        self._server_name = configuration.tls_server_name or None
        self._own = aiohttp.ClientSession(
            connector=self._pool,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_READ_BUFFER,
            proxy=configuration.proxy,
        )

    @property
    def server(self) -> str:
        """The address of the API server."""
        return str(self._configuration.host)

    async def ask(
        self,
        method: str,
        path: str,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - it is handed on
        accept: str = "application/json",
        data: bytes | None = None,
    ) -> aiohttp.ClientResponse:
        """Send a request; give its answer as soon as that begins, to be read or closed."""
        headers = {"Accept": accept, **await bearer(self._configuration)}
        if data is not None:
            headers["Content-Type"] = _kind(method, path)
        return await self._own.request(
            method,
            URL(self.server + path, encoded=True),
            headers=headers,
            data=data,
            timeout=timeout,
            server_hostname=self._server_name,
        )

    def session(self) -> aiohttp.ClientSession:
        """Give a new session; whoever asked for it closes it."""
        return aiohttp.ClientSession(
            connector=self._pool,
            connector_owner=False,
            trace_configs=self._traces,
            middlewares=[_authenticating(self._configuration)],
            read_bufsize=_READ_BUFFER,
        )

    async def close(self) -> None:
        """Close the pool, and what was asked over it."""
        await self._own.close()
        await self._pool.close()


async def connect(traces: Sequence[aiohttp.TraceConfig] = ()) -> Connection:
    """Open the way to the API server: that of the Pod we run in, else that of the kubeconfig.

    Raises NoCluster where there is neither.
    """
    configuration = Configuration()
    file = os.environ.get("KUBECONFIG") or config.KUBE_CONFIG_DEFAULT_LOCATION
    try:
        if os.environ.get("KUBERNETES_SERVICE_HOST"):
            config.load_incluster_config(configuration)
        else:
            await config.load_kube_config(file, client_configuration=configuration)
    except config.ConfigException as error:
        message = f"no cluster to talk to: not in a Pod, and {file} does not name one ({error})"
        raise NoCluster(message) from error
    return Connection(configuration, traces)


async def bearer(configuration: Configuration) -> dict[str, str]:
    """Give the header that says who we are; the token is read again when it is old."""
    token = await configuration.get_api_key_with_prefix("BearerToken")
    return {"Authorization": token} if token else {}


def _kind(method: str, path: str) -> str:
    if method != "PATCH":
        return "application/json"
    # It names one container of a list, which a plain merge would put in the place of all of them.
    is_strategic = path.endswith("/resize")
    return f"application/{'strategic-' if is_strategic else ''}merge-patch+json"


def _authenticating(
    configuration: Configuration,
) -> Callable[[aiohttp.ClientRequest, Handler], Awaitable[aiohttp.ClientResponse]]:
    async def middleware(
        request: aiohttp.ClientRequest,
        handler: Handler,
    ) -> aiohttp.ClientResponse:
        request.headers.update(await bearer(configuration))
        return await handler(request)

    return middleware
