"""`restore-from-store`: lost builds are made again, and the operator takes them up."""

import asyncio
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace

from buildstate.cli import comebacks
from buildstate.cli.candidates import Candidate, Choice, Wish, choose, titles
from buildstate.cli.comebacks import EXISTS, FAILED, RESTORED, Result
from buildstate.cli.consoles import counted, table
from buildstate.cli.sessions import Misused, Session
from buildstate.cli.states import age
from buildstate.cli.verbs import DONE, INCOMPLETE, Verb, store_option
from buildstate.domain.names import ORIGIN_ANNOTATION
from buildstate.kube.ports import Document, Key, Resource

MISSING = "missing"
TERMINATING = "being deleted"
ROLE = "buildstate-author"

_HEADER = ("NAMESPACE", "NAME", "WAS", "AGE", "UID", "STORE", "WHAT TO DO")
_RESULTS = ("NAMESPACE", "NAME", "RESULT", "NOW", "REASON")


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done about one lost build: it is made again, unless `verdict` is given."""

    candidate: Candidate
    verdict: Result | None = None
    needs_namespace: bool = False


def options(parser: ArgumentParser) -> None:
    """Add what is to be restored, and how."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--namespace", "-n", metavar="NS", help="lost builds of this namespace")
    where.add_argument(
        "--all-namespaces", "-A", action="store_true", help="every lost build in the stores"
    )
    parser.add_argument("--build", metavar="NAME", help="only this build; goes with --namespace")
    parser.add_argument(
        "--uid", metavar="UID", help="this very one, where several had the name (see: states)"
    )
    store_option(parser)
    parser.add_argument("--archived", action="store_true", help="also builds that were put away")
    parser.add_argument(
        "--create-namespaces", action="store_true", help="make the namespaces that are missing"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--yes", "-y", action="store_true", help="do it without asking")
    parser.add_argument(
        "--wait",
        type=float,
        default=120,
        metavar="SECONDS",
        help="how long to wait for the operator when nothing moves any more (default: 120)",
    )


async def do(session: Session, given: Namespace) -> int:
    """Restore; INCOMPLETE where one that was asked for could not be."""
    if given.build and not given.namespace:
        raise Misused("--build goes with --namespace: the same name may be in several")
    wish = Wish(
        namespace=given.namespace, build=given.build, uid=given.uid, archived=given.archived
    )
    choice = await choose(session, wish)
    _tell(session, choice)
    if not choice.chosen:
        return _nothing(session, wish)
    steps = await _steps(session, choice.chosen, create_namespaces=given.create_namespaces)
    wanted = [step for step in steps if step.verdict is None]
    if given.dry_run or not wanted:
        session.console.say(_plan(session, steps))
        return _verdict(session, steps, choice, is_dry=given.dry_run)
    if not given.yes:
        _ask(session, steps, len(wanted))
    results = await _restore(session, wanted, given.wait)
    results += [step.verdict for step in steps if step.verdict is not None]
    return _report(session, results, choice)


def _tell(session: Session, choice: Choice) -> None:
    for damage in choice.damaged:
        session.console.tell(f"damaged: {damage.namespace}/{damage.uid}: {damage.message}")
    for one in choice.chosen:
        if one.remark:
            session.console.tell(f"{one.title}: {one.remark}")
    if choice.older:
        session.console.tell(
            f"{counted(len(choice.older), 'older state')} of the same names left alone"
            f" ({titles(choice.older)}): --uid restores one of them"
        )


def _nothing(session: Session, wish: Wish) -> int:
    what = f"{wish.namespace}/{wish.build or '*'}" if wish.namespace else "any namespace"
    named = ", ".join(store.name for store in session.stores)
    hint = "" if wish.archived else ", or --archived for what was put away"
    session.console.tell(
        f"nothing found of {what} in {named}. See what is there with: states{hint}."
        " A store in the cluster (kind ConfigMap) loses builds with their objects"
    )
    return INCOMPLETE


# What is to be done.


async def _steps(
    session: Session, chosen: Sequence[Candidate], *, create_namespaces: bool
) -> list[Step]:
    spaces = {
        name: await _namespace(session, name) for name in {one.summary.namespace for one in chosen}
    }
    gate = asyncio.Semaphore(comebacks.AT_ONCE)

    async def step(one: Candidate) -> Step:
        space = spaces[one.summary.namespace]
        if space == MISSING and create_namespaces:
            return _judged(session, Step(one, needs_namespace=True))
        if space:
            return Step(one, Result.failed(one, _without(one.summary.namespace, space)))
        async with gate:
            key = Key(one.summary.namespace, one.summary.name)
            found = await session.cluster.get(Resource.BUILDS, key)
        return Step(one, _present(one, found)) if found else _judged(session, Step(one))

    return await asyncio.gather(*(step(one) for one in chosen))


async def _namespace(session: Session, name: str) -> str:
    """Say what is wrong with a namespace; empty where nothing is."""
    found = await session.cluster.get(Resource.NAMESPACES, Key("", name))
    if found is None:
        return MISSING
    return TERMINATING if found["metadata"].get("deletionTimestamp") else ""


def _without(namespace: str, wrong: str) -> str:
    if wrong == MISSING:
        return f"namespace {namespace} is missing: make it, or say --create-namespaces"
    return f"namespace {namespace} is {wrong}: wait until it is gone, and make it anew"


def _present(one: Candidate, found: Document) -> Result:
    known = found["metadata"]
    origin = (known.get("annotations") or {}).get(ORIGIN_ANNOTATION)
    if known["uid"] == one.summary.uid:
        said = "it is not lost"
    elif origin == one.summary.uid:
        said = "it was restored before"
    else:
        said = f"another build of that name is there ({known['uid']})"
    return Result(one, EXISTS, reason=f"{said}: left alone")


def _judged(session: Session, step: Step) -> Step:
    served = session.settings.namespaces
    namespace = step.candidate.summary.namespace
    if served and namespace not in served:
        reason = f"this operator serves only {', '.join(served)}"
        return replace(step, verdict=Result.failed(step.candidate, reason))
    return step


def _plan(session: Session, steps: Sequence[Step]) -> str:
    now = session.clock.now()
    rows = []
    for step in steps:
        was = step.candidate.summary
        todo = step.verdict.reason if step.verdict else "make it again"
        if step.needs_namespace:
            todo = "make the namespace, and make it again"
        standing = (f"{was.phase} {was.status}", age(now - was.time), was.uid)
        rows.append((was.namespace, was.name, *standing, step.candidate.store.name, todo))
    return table(_HEADER, rows)


def _verdict(session: Session, steps: Sequence[Step], choice: Choice, *, is_dry: bool) -> int:
    failed = [one for one in steps if one.verdict is not None and one.verdict.word == FAILED]
    count = sum(step.verdict is None for step in steps)
    if is_dry:
        session.console.tell(f"nothing was done; {counted(count, 'build')} would be made again")
    else:
        session.console.tell("there is nothing to be made again")
    return INCOMPLETE if failed or choice.damaged else DONE


def _ask(session: Session, steps: Sequence[Step], count: int) -> None:
    session.console.tell(_plan(session, steps))
    if not session.console.can_ask:
        raise Misused("nothing was done: look with --dry-run, and say --yes to do it")
    if not session.console.agrees(f"Make {counted(count, 'build')} again?"):
        raise Misused("nothing was done")


# Doing it.


async def _restore(session: Session, steps: Sequence[Step], patience: float) -> list[Result]:
    new = sorted({one.candidate.summary.namespace for one in steps if one.needs_namespace})
    for name in new:
        await comebacks.make_namespace(session, name)
    if new:
        session.console.tell(f"made {counted(len(new), 'namespace')}: {', '.join(new)}")
        await asyncio.sleep(comebacks.SETTLE_SECONDS)
    return await comebacks.bring_back(session, [one.candidate for one in steps], patience)


def _report(session: Session, results: Sequence[Result], choice: Choice) -> int:
    ordered = sorted(results, key=lambda one: one.candidate.title)
    rows = [
        (one.candidate.summary.namespace, one.candidate.summary.name, one.word, one.now, one.reason)
        for one in ordered
    ]
    session.console.say(table(_RESULTS, rows))
    counts = {word: sum(one.word == word for one in results) for word in (RESTORED, EXISTS, FAILED)}
    session.console.tell(
        f"{counts[RESTORED]:,} restored, {counts[EXISTS]:,} there already, {counts[FAILED]:,} not"
    )
    for line in _advice(session, ordered):
        session.console.tell(line)
    return INCOMPLETE if counts[FAILED] or choice.damaged else DONE


def _advice(session: Session, results: Sequence[Result]) -> list[str]:
    refused = sorted({one.candidate.summary.namespace for one in results if one.is_forbidden})
    account = f"{session.settings.store_namespace}:buildstate"
    lines = [
        f"give the right for the time: kubectl -n {name} create rolebinding restore-from-store"
        f" --clusterrole={ROLE} --serviceaccount={account} (or the operator's own, if it is"
        " another), and ask again"
        for name in refused
    ]
    done = sorted({one.candidate.summary.namespace for one in results if one.word == RESTORED})
    lines += [f"see how they go on: kubectl -n {name} get buildstates" for name in done]
    if done and not refused:
        lines.append(
            "take back what was granted for this: kubectl delete rolebinding restore-from-store"
        )
    return lines


VERB = Verb(
    name="restore-from-store",
    summary="make lost builds again from what a store holds of them",
    description="""\
Makes every build again that a store holds and the cluster does not, and waits until the
operator has taken it up. It goes on where its newest sound checkpoint was: phases that are done
are not run again. A build that is there is left alone, so this may be asked for again.

A store does not know whether a build was lost or deleted on purpose: look with --dry-run.
Who asks needs the right to create builds and the verb restore, for example ClusterRole
buildstate-author, where they are made; with --create-namespaces also to create namespaces.""",
    examples="""\
  buildstate restore-from-store --namespace team --dry-run
  buildstate restore-from-store --namespace team --build nightly --yes
  buildstate restore-from-store --all-namespaces --yes""",
    options=options,
    do=do,
    needs_cluster=True,
)
