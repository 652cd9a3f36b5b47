"""How to reach the API server: one pool of connections for the engine and for kopf's watches."""

import os
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

POOL_SIZE = 100
_READ_BUFFER = 2**21
"""One line of a watch is one whole object."""

Handler = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]


class NoCluster(Exception):
    """There is no cluster to talk to; the text says what was looked for."""


class Connection:
    """The client for the engine and sessions for kopf, over one pool.

    Only the sessions are traced: the client tells of its requests itself, which costs less.
    """

    def __init__(self, configuration: Configuration, traces: Sequence[aiohttp.TraceConfig]) -> None:
        self._traces = list(traces)
        self._configuration = configuration
        self.api = ApiClient(configuration)
        self._pool = aiohttp.TCPConnector(limit=POOL_SIZE, ssl=self.api.rest_client.ssl_context)
        # Reading proxy settings from the environment at each request costs more than the request.
        configuration.client_session_kwargs = {"connector": self._pool, "trust_env": False}

    @property
    def server(self) -> str:
        """The address of the API server."""
        return str(self._configuration.host)

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
        """Close the client, and the pool under it."""
        await self.api.close()
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
