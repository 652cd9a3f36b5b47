"""How a run ended, without what may differ: uids, times, versions. Two runs are compared by it.

A run in which something went wrong must end as the undisturbed one, with few more writes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from buildstate.api.v1alpha1 import PLURAL
from buildstate.domain import names
from buildstate.testing.clusters import Cluster
from buildstate.testing.requests import Document
from buildstate.testing.worlds import Run

MORE_WRITES = 4
"""How many more writes of one kind each thing that went wrong may cost a build."""

Ending = Mapping[str, object]


def differences(run: Run, undisturbed: Run, faults: int) -> Iterator[str]:
    """Give in what a run differs from the undisturbed one of the same story, after so many faults.

    What a checkpoint holds, and how many there are, may differ: one that could not be stored is
    not waited for.
    """
    found, wanted = ending(run.cluster), ending(undisturbed.cluster)
    for what in sorted(found.keys() | wanted.keys()):
        if found.get(what) != wanted.get(what) and not what.startswith(run.story.may_differ):
            yield f"{what} is {found.get(what)}, and undisturbed {wanted.get(what)}"
    written, usual = writes(run), writes(undisturbed)
    for what in sorted(written):
        most = usual[what] + MORE_WRITES * faults
        if written[what] > most:
            yield f"{written[what]} writes of {what}, and undisturbed {usual[what]}"


def ending(cluster: Cluster) -> Ending:
    """Give what there is at the end, by what it is."""
    found: dict[str, object] = {}
    for ref, build in cluster.of(PLURAL):
        for name, part in _state(build.get("status") or {}):
            found[f"{name} of {ref.name}"] = part
    found["the Pods"] = sorted(_pods(cluster))
    found["the number of claims"] = sum(1 for _ in cluster.of("persistentvolumeclaims"))
    return found


def _state(status: Document) -> Iterator[tuple[str, object]]:
    yield "the phase", (status.get("phase"), status.get("status"), status.get("attempt"))
    yield "the place", (status.get("sequence"), status.get("epoch"))
    yield "the path", [(one["from"], one["to"], one["reason"]) for one in status.get("history", ())]
    yield (
        "the work",
        sorted((one["phase"], one["result"], one["attempts"]) for one in status.get("phases", ())),
    )
    yield "the failure", _part(status.get("failure"), "category", "phase", "reason", "attempt")
    yield "the answer", _part(status.get("lastRequest"), "id", "action", "outcome", "reason")
    yield "the recovery", _part(status.get("recovery"), "attempts", "exhausted")
    yield (
        "the conditions",
        sorted(
            (one["type"], one["status"], one["reason"])
            for one in status.get("conditions", ())
            if one["type"] != "Checkpointed"
        ),
    )


def _part(document: Mapping[str, Any] | None, *wanted: str) -> tuple[object, ...] | None:
    return None if document is None else tuple(document.get(name) for name in wanted)


def _pods(cluster: Cluster) -> Iterator[tuple[str, ...]]:
    for _, pod in cluster.of("pods"):
        labels = pod["metadata"].get("labels") or {}
        marks = (names.BUILD_LABEL, names.PHASE_LABEL, names.SEQUENCE_LABEL, names.ATTEMPT_LABEL)
        yield (*(labels.get(mark, "") for mark in marks), pod["status"]["phase"])


def writes(run: Run) -> Counter[str]:
    """Count the writes of operators that changed something, by the object's kind and its build."""
    found: Counter[str] = Counter()
    for commit in run.commits:
        if commit.who.startswith("operator"):
            for change in commit.changes:
                found[f"{change.ref.plural} of {_owner(change.after)}"] += 1
    return found


def _owner(document: Document) -> str:
    metadata: Mapping[str, Any] = document["metadata"]
    involved: Mapping[str, Any] = document.get("involvedObject") or {}
    owners: list[Mapping[str, Any]] = metadata.get("ownerReferences") or [{}]
    return str(owners[0].get("name") or involved.get("name") or metadata["name"])
