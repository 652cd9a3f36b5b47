"""What must be so of every run, whatever went wrong in it: the invariants, as small checks.

Each gives what it finds wrong, in words. `docs/explanation/proof.md` has the laws by their numbers.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from buildstate.api.convert import UNWRITTEN
from buildstate.api.v1alpha1 import PLURAL
from buildstate.domain import names, validation
from buildstate.domain.phases import BuildPhase
from buildstate.testing.clusters import Change
from buildstate.testing.requests import Document, Ref
from buildstate.testing.servers import Commit
from buildstate.testing.stories import NAMESPACE, build_ref
from buildstate.testing.worlds import QUIET_SECONDS, Run

Oracle = Callable[[Run], Iterator[str]]

_ENDED = ("Succeeded", "Failed")
OWN_NAMESPACES = (NAMESPACE, "default")


def problems(run: Run) -> list[str]:
    """Give everything that is wrong with a run, each with the name of the law that it breaks."""
    found = [f"{name}: {what}" for name, oracle in ORACLES.items() for what in oracle(run)]
    return [*(f"I7 converges: {what}" for what in run.problems), *found]


def _statuses(run: Run) -> Iterator[tuple[Commit, Change, Document]]:
    """Give every status that somebody wrote."""
    for commit in run.commits:
        for change in commit.changes:
            status = change.after.get("status") if change.ref.plural == PLURAL else None
            before = (change.before or {}).get("status")
            if status not in (None, UNWRITTEN, before) and change.kind != "DELETED":
                yield commit, change, status


def _no_transition_is_lost(run: Run) -> Iterator[str]:
    known: dict[str, dict[int, Document]] = {}
    for _, change, status in _statuses(run):
        taken = known.setdefault(change.after["metadata"]["uid"], {})
        if status["sequence"] < max(taken, default=0):
            yield f"{change.ref.name} went from {max(taken)} back to {status['sequence']}"
        for step in status["history"]:
            if taken.setdefault(step["sequence"], step) != step:
                yield f"transition {step['sequence']} of {change.ref.name} became another"


def _the_history_is_a_legal_path(run: Run) -> Iterator[str]:
    for _, change, status in _statuses(run):
        result = validation.validate(status, change.after["metadata"]["uid"])
        for violation in result.violations:
            yield f"{change.ref.name}: {violation.field} {violation.message}"


def _one_pod_at_a_time(run: Run) -> Iterator[str]:
    for commit in run.commits:
        if any(change.ref.plural == "pods" and change.before is None for change in commit.changes):
            living = Counter(
                owner["uid"]
                for _, pod in commit.cluster.of("pods")
                if pod["status"]["phase"] not in _ENDED
                for owner in pod["metadata"].get("ownerReferences", ())
            )
            for uid, number in living.items():
                if number > 1:
                    yield f"{number} Pods of {uid} live at {commit.seconds:.3f} s"


def _no_pod_after_the_end(run: Run) -> Iterator[str]:
    for ref, pod in run.cluster.of("pods"):
        if not pod["metadata"].get("ownerReferences"):
            continue
        build = run.cluster.get(build_ref(pod["metadata"]["labels"][names.BUILD_LABEL]))
        phase = (build or {}).get("status", {}).get("phase")
        is_over = phase in (None, BuildPhase.COMPLETE, BuildPhase.ERROR)
        if is_over and pod["status"]["phase"] not in _ENDED:
            yield f"Pod {ref.name} lives on after the end"


def _nothing_of_the_gone_is_left(run: Run) -> Iterator[str]:
    alive = {document["metadata"]["uid"] for document in run.cluster.objects.values()}
    for ref, document in run.cluster.objects.items():
        for owner in document["metadata"].get("ownerReferences", ()):
            if owner["uid"] not in alive:
                yield f"{ref.plural} {ref.name} is left of a build that is gone"


def _intent_before_effect(run: Run) -> Iterator[str]:
    for commit, ref, pod in _made(run):
        labels = pod["metadata"]["labels"]
        build: Document = commit.cluster.objects[build_ref(labels[names.BUILD_LABEL])]
        yield from _unmeant(ref, labels, build.get("status") or {})


def _made(run: Run) -> Iterator[tuple[Commit, Ref, Document]]:
    """Give the Pods that operators made; one that is made for a build that is gone goes, too."""
    for commit in _of_operators(run):
        for change in commit.changes:
            if change.ref.plural == "pods" and change.before is None:
                owner = change.after["metadata"]["labels"][names.BUILD_LABEL]
                if commit.cluster.get(build_ref(owner)) is not None:
                    yield commit, change.ref, change.after


def _unmeant(ref: Ref, labels: Document, status: Document) -> Iterator[str]:
    meant = (status.get("phase"), status.get("attempt"))
    if meant != (labels[names.PHASE_LABEL], int(labels[names.ATTEMPT_LABEL])):
        yield f"Pod {ref.name} is made while the status says {meant}"


def _who_writes_names_what_he_saw(run: Run) -> Iterator[str]:
    for commit in _of_operators(run):
        method, path, body = commit.request.method, commit.request.path, commit.request.body or {}
        is_change = method in ("PUT", "PATCH") and PLURAL in path
        if is_change and not body.get("metadata", {}).get("resourceVersion"):
            yield f"{method} {path} names no resourceVersion"
        is_end = method == "DELETE" and "/pods/" in path
        if is_end and not body.get("preconditions", {}).get("uid"):
            yield f"DELETE {path} names no uid"


def _nothing_outside_is_touched(run: Run) -> Iterator[str]:
    for commit in _of_operators(run):
        place = commit.request.target.namespace
        if place not in OWN_NAMESPACES:
            yield f"{commit.request.method} {commit.request.path}"


def _of_operators(run: Run) -> Iterator[Commit]:
    return (commit for commit in run.commits if commit.who.startswith("operator"))


def _a_reference_leads_to_a_checkpoint(run: Run) -> Iterator[str]:
    yield from run.damages


def _no_hot_loop(run: Run) -> Iterator[str]:
    began = run.seconds - QUIET_SECONDS
    late = (call for call in run.asked if call.seconds >= began)
    for what, number in Counter((call.verb, call.what) for call in late).items():
        if number > QUIET_SECONDS:
            yield f"{' '.join(what)}: {number} times in {QUIET_SECONDS:.0f} s of rest"


def _a_pod_is_made_once(run: Run) -> Iterator[str]:
    made = Counter(
        (ref.name, pod["metadata"]["ownerReferences"][0]["uid"]) for _, ref, pod in _made(run)
    )
    for (name, _), number in made.items():
        if number > 1:
            yield f"Pod {name} is made {number} times"


ORACLES: Mapping[str, Oracle] = {
    "I1 no transition is lost": _no_transition_is_lost,
    "I2 the history is a legal path": _the_history_is_a_legal_path,
    "I3 one Pod at a time": _one_pod_at_a_time,
    "I3 a Pod is made once": _a_pod_is_made_once,
    "I3 no Pod after the end": _no_pod_after_the_end,
    "I3 intent before effect": _intent_before_effect,
    "I4 a reference leads to a checkpoint": _a_reference_leads_to_a_checkpoint,
    "I7 nothing of the gone is left": _nothing_of_the_gone_is_left,
    "I8 who writes names what he saw": _who_writes_names_what_he_saw,
    "I9 nothing outside is touched": _nothing_outside_is_touched,
    "I12 no hot loop": _no_hot_loop,
}
