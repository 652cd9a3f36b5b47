"""`keys-in-use`: which keys still open something, so that no other one is ever removed."""

from argparse import Namespace

from buildstate.cli.consoles import table
from buildstate.cli.sessions import Session
from buildstate.cli.verbs import DONE, INCOMPLETE, Verb, store_option
from buildstate.stores.contracts import Store
from buildstate.stores.keyrings import KeyUnusable
from buildstate.stores.rotations import UNENCRYPTED, keys_in_use


async def do(session: Session, _options: Namespace) -> int:
    """Count what each key is needed by; INCOMPLETE where a key that is in use is missing."""
    for problem in session.keyring.problems:
        session.console.tell(f"keyring: {problem}")
    used: dict[tuple[str, str], int] = {}
    for store in session.stores:
        async with session.console.showing(session.reading(f"store {store.name}")):
            used |= await _used(store)
    return report(session, used)


async def _used(store: Store) -> dict[tuple[str, str], int]:
    return {(key, store.name): count for key, count in (await keys_in_use(store)).items()}


def report(session: Session, used: dict[tuple[str, str], int]) -> int:
    """Say which keys are in use, and what that means; `used` counts by key and store."""
    if not used:
        session.console.say("nothing in any store that was looked at: no key is in use")
        return DONE
    rows = [
        (key or "(not encrypted)", store, str(count), _standing(session, key))
        for (key, store), count in sorted(used.items())
    ]
    session.console.say(table(("KEY", "STORE", "NEEDED BY", "STANDING"), rows))
    missing = {key for key, _ in used if key != UNENCRYPTED and not session.keyring.get(key)}
    if missing:
        lost = sum(count for (key, _), count in used.items() if key in missing)
        session.console.tell(
            f"{lost:,} of these cannot be read: put the missing keys back into the keyring, under"
            " their names"
        )
        return INCOMPLETE
    session.console.tell("a key that is not named here, and is not the active one, may be removed")
    return DONE


def _standing(session: Session, key: str) -> str:
    if key == UNENCRYPTED:
        return "-"
    if session.keyring.get(key) is None:
        return "missing"
    return "active" if key == _active(session) else "in the keyring"


def _active(session: Session) -> str:
    try:
        active = session.keyring.active
    except KeyUnusable:
        return ""
    return active.name if active else ""


VERB = Verb(
    name="keys-in-use",
    summary="count what each key is needed by",
    description="""\
Counts the checkpoints and documents in the stores by the key that they need. A key that
is listed must not be removed. Nothing is changed.

Copies that the store keeps by itself (versions of a bucket, snapshots) are not counted.""",
    examples="""\
  buildstate keys-in-use
  buildstate keys-in-use --store s3""",
    options=store_option,
    do=do,
)
