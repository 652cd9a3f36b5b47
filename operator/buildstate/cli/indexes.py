"""`rebuild-index`: the index of a store is made anew from the states that it is about."""

from argparse import Namespace

from buildstate.cli.consoles import counted
from buildstate.cli.sessions import Session
from buildstate.cli.verbs import DONE, Verb, store_option
from buildstate.stores.persistences import StatePersistence


async def do(session: Session, _options: Namespace) -> int:
    """Make the index of each store anew."""
    for store in session.stores:
        async with session.console.showing(session.reading(f"store {store.name}")):
            count = await StatePersistence(store).rebuild_index()
        session.console.say(f"store {store.name}: the index has {counted(count, 'build')}")
    return DONE


VERB = Verb(
    name="rebuild-index",
    summary="make active/index.json anew",
    description="""\
Makes active/index.json of each store anew from the states that are there. The index is for
whoever wants to look quickly: nothing is ever decided by it, and nothing depends on it.""",
    examples="""\
  buildstate rebuild-index
  buildstate rebuild-index --store s3""",
    options=store_option,
    do=do,
)
