"""The command line: which verbs there are, and what becomes of what goes wrong."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence

from buildstate import __version__
from buildstate.cli import indexes, keys, restores, rewraps, states, verifications
from buildstate.cli.consoles import Console
from buildstate.cli.sessions import Misused, opened
from buildstate.cli.verbs import INCOMPLETE, MISUSED, Verb
from buildstate.domain.errors import BuildStateError
from buildstate.kube.connections import NoCluster
from buildstate.settings import BadSettings, Settings, settings_of
from buildstate.stores.registries import BadStores

VERBS: tuple[Verb, ...] = (
    restores.VERB,
    verifications.VERB,
    states.VERB,
    rewraps.VERB,
    keys.VERB,
    indexes.VERB,
)

_EPILOG = """\
Settings are those of the operator: environment variables that begin with BUILDSTATE_. In the
operator's own container all of them are set:

  kubectl -n buildstate-system exec deployment/buildstate -- python -m buildstate VERB ...

Results go to standard output, progress and advice to standard error.
Exit code 0: all is well; 1: something is not, or was stopped; 2: nothing was tried."""


def main(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    operate: Callable[[Settings], int],
    console: Console | None = None,
) -> int:
    """Do what was asked for, and give the exit code; `operate` runs the operator."""
    given = parser().parse_args(arguments)
    console = console or Console(sys.stdout, sys.stderr, sys.stdin)
    try:
        settings = settings_of(environment)
        return operate(settings) if given.verb == "run" else _ask(given, settings, console)
    except BadSettings as error:
        return _complain(console, f"bad setting: {error}", MISUSED)
    except (Misused, NoCluster, BadStores) as error:
        return _complain(console, str(error), MISUSED)
    except BuildStateError as error:
        return _complain(console, f"{error}", INCOMPLETE)
    except KeyboardInterrupt:
        return _complain(console, "stopped; what is done stays done: ask again", INCOMPLETE)


def parser() -> argparse.ArgumentParser:
    """Give what understands the command line."""
    top = argparse.ArgumentParser(
        prog="buildstate",
        description="Keeps the state of builds true.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=__version__)
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("run", help="run the operator until it is told to stop")
    for verb in VERBS:
        one = verbs.add_parser(
            verb.name,
            help=verb.summary,
            description=verb.description,
            epilog=f"examples:\n{verb.examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.options(one)
        one.set_defaults(do=verb)
    return top


def _ask(given: argparse.Namespace, settings: Settings, console: Console) -> int:
    return asyncio.run(_done(given.do, given, settings, console))


async def _done(verb: Verb, given: argparse.Namespace, settings: Settings, console: Console) -> int:
    async with opened(
        settings,
        console,
        store=given.store,
        namespace=getattr(given, "namespace", None),
        needs_cluster=verb.needs_cluster,
    ) as session:
        return await verb.do(session, given)


def _complain(console: Console, message: str, code: int) -> int:
    console.tell(f"buildstate: {message}")
    return code
