"""What stands around a command in a test: a console that remembers, a cluster, stores in memory."""

import io
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from tests.doubles import RecordingKube, StoppedClock
from tests.worlds import NOW

from buildstate.cli import commands
from buildstate.cli.consoles import Console
from buildstate.cli.sessions import Session
from buildstate.domain.errors import AlreadyExists
from buildstate.kube.ports import Document, Key, Resource
from buildstate.settings import Settings
from buildstate.stores.contracts import Store
from buildstate.stores.keyrings import NO_KEYS, Keyring
from buildstate.stores.memories import MemoryStore
from buildstate.stores.registries import Registry


class Terminal(io.StringIO):
    """Standard input or error of somebody who sits in front of it."""

    def isatty(self) -> bool:
        return True


class Heard:
    """A console, and what was written to it."""

    def __init__(self, *, live: bool = False, typed: str = "") -> None:
        kind = Terminal if live else io.StringIO
        self.stdout, self.stderr, self.stdin = io.StringIO(), kind(), kind(typed)
        self.seconds = 0.0
        self.console = Console(self.stdout, self.stderr, self.stdin, lambda: self.seconds)

    @property
    def out(self) -> str:
        return self.stdout.getvalue()

    @property
    def err(self) -> str:
        return self.stderr.getvalue()


class Cluster(RecordingKube):
    """Keeps what is created; `operator` says which status a new build gets."""

    def __init__(self, *namespaces: str, status: Document | None = None, **failing: Any) -> None:
        made = [{"metadata": {"namespace": "", "name": one, "uid": one}} for one in namespaces]
        super().__init__({Resource.NAMESPACES: made}, **failing)
        self.status = status

    async def create(self, resource: Resource, body: Document) -> Document:
        meta = body["metadata"]
        self._called("create", resource, meta["name"])
        key = (resource, Key(meta.get("namespace", ""), meta["name"]))
        if key in self.objects:
            raise AlreadyExists("taken")
        status = {"status": self.status} if self.status else {}
        self.objects[key] = {**body, "metadata": {**meta, "uid": "made"}, **status}
        return self.objects[key]

    def has(self, build: Document) -> None:
        """Put a build into the cluster."""
        meta = build["metadata"]
        self.objects[Resource.BUILDS, Key(meta["namespace"], meta["name"])] = build

    def builds(self) -> list[Document]:
        """The builds that there are."""
        return [one for (kind, _), one in self.objects.items() if kind is Resource.BUILDS]


def session(
    heard: Heard,
    *stores: Store,
    kube: Cluster | None = None,
    keyring: Keyring = NO_KEYS,
    **settings: Any,
) -> Session:
    """A command at work on stores in memory, of which the first is the default."""
    given = stores or (MemoryStore("main"),)
    registry = Registry(given[0].name, given, keyring, is_encrypted=keyring is not NO_KEYS)
    return Session(
        settings=Settings(**settings),
        stores=given,
        registry=registry,
        kube=kube,
        console=heard.console,
        clock=StoppedClock(NOW),
    )


def options(*arguments: str) -> Namespace:
    """What the command line makes of these words."""
    return commands.parser().parse_args(arguments)


async def done(session: Session, arguments: Sequence[str]) -> int:
    """Do what a command line asks for."""
    given = options(*arguments)
    code: int = await given.do.do(session, given)
    return code
