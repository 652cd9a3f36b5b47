"""What the way to the API server has to be able to do: a request out, an answer back.

`connections` has the real one, `buildstate.testing` one that leads to no network.
"""

from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Protocol, Self

import aiohttp

Timeout = aiohttp.ClientTimeout


class Content(Protocol):
    """The body of an answer while it comes."""

    def iter_any(self) -> AsyncIterator[bytes]:
        """Give what has come, again and again until the end."""


class Answer(Protocol):
    """An answer that has begun."""

    @property
    def status(self) -> int:
        """The HTTP status code."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The HTTP headers."""

    @property
    def content(self) -> Content:
        """The body, to be read as it comes."""

    async def read(self) -> bytes:
        """Give the whole body."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


class Wire(Protocol):
    """The way to one API server."""

    async def ask(
        self,
        method: str,
        path: str,
        timeout: Timeout,  # noqa: ASYNC109 - it is handed on
        accept: str = "application/json",
        data: bytes | None = None,
    ) -> Answer:
        """Send a request; give its answer as soon as that begins, to be read or closed.

        Raises TimeoutError, OSError or aiohttp.ClientError where there is none.
        """
