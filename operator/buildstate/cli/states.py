"""`states`: which builds the stores know, and how each stood."""

import argparse
import json
import re
from argparse import ArgumentParser, Namespace
from datetime import datetime, timedelta
from typing import Any

from buildstate.api.fields import rfc3339
from buildstate.cli.consoles import counted, table
from buildstate.cli.sessions import Session
from buildstate.cli.verbs import DONE, INCOMPLETE, Verb, store_option
from buildstate.domain.phases import BuildPhase, BuildStatus
from buildstate.stores.bundles import StateDamage, StateFilter, StateSummary
from buildstate.stores.contracts import Area
from buildstate.stores.persistences import StatePersistence

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_HEADER = ("STORE", "NAMESPACE", "NAME", "PHASE", "STATUS", "SEQUENCE", "AGE", "UID")

Listed = tuple[str, StateSummary]


def options(parser: ArgumentParser) -> None:
    """Add what the listing is filtered by."""
    store_option(parser)
    parser.add_argument("--namespace", "-n", metavar="NS", help="only builds of this namespace")
    phases, statuses = [one.value for one in BuildPhase], [one.value for one in BuildStatus]
    parser.add_argument(
        "--phase", type=str.upper, choices=phases, metavar="P", help=", ".join(phases)
    )
    parser.add_argument(
        "--status", type=str.title, choices=statuses, metavar="S", help=", ".join(statuses)
    )
    parser.add_argument(
        "--archived", action="store_true", help="those that were put away, instead of the others"
    )
    parser.add_argument(
        "--older-than",
        type=duration,
        metavar="AGE",
        help="only those that did not change since, such as 90s, 30m, 12h, 7d, 4w",
    )
    parser.add_argument(
        "-l",
        "--selector",
        type=labels,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only builds with these labels",
    )
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table", help="form")


def duration(text: str) -> timedelta:
    """Give what is said as a number and a unit."""
    found = re.fullmatch(r"([0-9]{1,6})([smhdw])", text)
    if found is None:
        message = f"{text!r} is no age: write a number and s, m, h, d or w, such as 7d"
        raise argparse.ArgumentTypeError(message)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def labels(text: str) -> dict[str, str]:
    """Give the labels of `key=value,key=value`."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name and sign for name, sign, _ in pairs):
        message = f"{text!r} selects nothing: write KEY=VALUE, with commas between more of them"
        raise argparse.ArgumentTypeError(message)
    return {name.strip(): value.removeprefix("=").strip() for name, _, value in pairs}


async def do(session: Session, given: Namespace) -> int:
    """List what fits; INCOMPLETE where a state could not be read."""
    chosen, found, damaged = _filter(session, given), list[Listed](), list[StateDamage]()
    for store in session.stores:
        async with session.console.showing(session.reading(f"store {store.name}")):
            listing = await StatePersistence(store).list_states(chosen)
        found += [(store.name, state) for state in listing.states]
        damaged += listing.damaged
    if given.output == "json":
        session.console.say(json.dumps([_document(*one) for one in found], indent=2))
    elif found:
        session.console.say(table(_HEADER, [_row(*one, session.clock.now()) for one in found]))
    else:
        session.console.tell(f"no state fits in {_places(session)}")
    for one in damaged:
        session.console.tell(f"{one.namespace}/{one.uid} cannot be read: {one.message}")
    return INCOMPLETE if damaged else DONE


def _filter(session: Session, given: Namespace) -> StateFilter:
    selected: dict[str, str] = {}
    for part in given.selector:
        selected |= part
    return StateFilter(
        phase=given.phase,
        status=given.status,
        namespace=given.namespace,
        older_than=session.clock.now() - given.older_than if given.older_than else None,
        labels=selected,
        area=Area.ARCHIVED if given.archived else Area.ACTIVE,
    )


def _places(session: Session) -> str:
    named = ", ".join(store.name for store in session.stores)
    return f"{counted(len(session.stores), 'store')} ({named})"


def _row(store: str, state: StateSummary, now: datetime) -> tuple[str, ...]:
    standing = (state.phase, state.status, str(state.sequence), age(now - state.time))
    return (store, state.namespace, state.name, *standing, state.uid)


def age(passed: timedelta) -> str:
    """Give how long ago something was, in its largest unit."""
    seconds = max(0, int(passed.total_seconds()))
    sizes = (("d", 86400), ("h", 3600), ("m", 60))
    return next(
        (f"{seconds // size}{unit}" for unit, size in sizes if seconds >= size), f"{seconds}s"
    )


def _document(store: str, state: StateSummary) -> dict[str, Any]:
    return {
        "store": store,
        "namespace": state.namespace,
        "name": state.name,
        "uid": state.uid,
        "phase": state.phase,
        "status": state.status,
        "sequence": state.sequence,
        "time": rfc3339(state.time),
        "labels": dict(state.labels),
        "archived": state.area is Area.ARCHIVED,
    }


VERB = Verb(
    name="states",
    summary="list the builds that the stores know",
    description="""\
Lists the states that the stores hold, as they are there: also of builds that the cluster has
lost, or that somebody has deleted. A store in the cluster (kind ConfigMap) has those only that
were archived.""",
    examples="""\
  buildstate states
  buildstate states --namespace team --phase ERROR
  buildstate states --archived --older-than 90d -o json
  buildstate states -l app=shop,tier=front""",
    options=options,
    do=do,
)
