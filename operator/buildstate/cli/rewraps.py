"""`rewrap`: every data key is wrapped under the active key, and no payload is touched."""

import os
from argparse import ArgumentParser, Namespace
from collections import Counter

from buildstate.cli import keys
from buildstate.cli.consoles import counted, table
from buildstate.cli.sessions import Misused, Session
from buildstate.cli.verbs import DONE, INCOMPLETE, Verb, store_option
from buildstate.domain.checkpoints import Damage
from buildstate.stores.contracts import Store
from buildstate.stores.rotations import Outcome, Report, Step, rewrap_all


def options(parser: ArgumentParser) -> None:
    """Add which stores, and what else is to be done to them."""
    store_option(parser)
    parser.add_argument(
        "--seal-plain",
        action="store_true",
        help="also encrypt the documents that are plain, from before there was a key; you vouch"
        " for them, as nobody can tell who wrote them",
    )


async def do(session: Session, given: Namespace) -> int:
    """Rewrap what the stores hold, and say which keys are in use then."""
    if not session.is_encrypted:
        raise Misused("there is no key to wrap under: the stores document has no encryption")
    key = session.keyring.active  # Raises before anything is looked at.
    is_complete = True
    for store in session.stores:
        report = await _rewrap(session, store, seal_plain=given.seal_plain)
        is_complete = is_complete and report.is_complete
        _say(session, store, report, key.name if key else "")
    return max(await keys.do(session, given), DONE if is_complete else INCOMPLETE)


async def _rewrap(session: Session, store: Store, *, seal_plain: bool) -> Report:
    last: list[Step] = []
    counts: Counter[Outcome] = Counter()

    def told(step: Step) -> None:
        last[:] = [step]
        counts[Outcome.DAMAGED if isinstance(step.outcome, Damage) else step.outcome] += 1

    def words() -> str:
        if not last:
            return session.reading(f"store {store.name}")()
        return (
            f"store {store.name}: {last[0].done:,} of {last[0].known:,},"
            f" {counts[Outcome.REWRAPPED]:,} wrapped anew, {counts[Outcome.DAMAGED]:,} damaged"
        )

    async with session.console.showing(words):
        return await rewrap_all(store, session.keyring, told, os.urandom, seal_plain=seal_plain)


def _say(session: Session, store: Store, report: Report, key: str) -> None:
    counts = report.counts
    session.console.say(
        f"store {store.name}: {counted(counts.get(Outcome.REWRAPPED, 0), 'data key')} wrapped under"
        f" {key}, {counts.get(Outcome.CURRENT, 0):,} were already,"
        f" {counts.get(Outcome.SEALED, 0):,} encrypted that were plain,"
        f" {counts.get(Outcome.UNENCRYPTED, 0):,} left plain, {len(report.damaged):,} damaged"
    )
    if not report.is_settled:
        session.console.tell(
            f"store {store.name}: others go on saving under another key: let every operator have"
            " the same active key, and ask again"
        )
    rows = [
        (place.namespace, place.uid, one.name, one.damage.reason, one.damage.message)
        for place, one in report.damaged
    ]
    if rows:
        session.console.say(table(("NAMESPACE", "UID", "NAME", "REASON", "MESSAGE"), rows))


VERB = Verb(
    name="rewrap",
    summary="wrap every data key under the active key",
    description="""\
Wraps the data key of every checkpoint and document under the active key, and says which keys
are in use afterwards. What is encrypted is not touched, and builds go on meanwhile. It may be
stopped at any time and asked for again: what is done stays done.""",
    examples="""\
  buildstate rewrap
  buildstate rewrap --store s3""",
    options=options,
    do=do,
)
