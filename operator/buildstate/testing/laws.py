"""The laws of the CRD as the pretended API server keeps them.

CEL is not evaluated here; the table is the domain's own, and the contract suite holds both worlds
to the same answers.
"""

from collections.abc import Callable, Iterator
from typing import Any

from buildstate.domain.names import MAX_BUILD_NAME
from buildstate.domain.phases import BuildPhase
from buildstate.domain.transitions import decide, requestable
from buildstate.testing.requests import Document

_FROZEN = ("phases", "workspace", "serviceAccountName")


def broken(before: Document | None, after: Document) -> list[str]:
    """Give every law that the step from `before` (None: it is made) to `after` breaks."""
    return [message for law in _LAWS for message in law(before or {}, after)]


def _name_fits_a_label(_before: Document, after: Document) -> Iterator[str]:
    if len(after["metadata"]["name"]) > MAX_BUILD_NAME:
        yield f"metadata.name may have at most {MAX_BUILD_NAME} characters"


def _transitions(before: Document, after: Document) -> Iterator[str]:
    origin = before["status"]["phase"] if before else BuildPhase.INIT
    to = after["status"]["phase"]
    verdict = decide(BuildPhase(origin), BuildPhase(to))
    if origin != to and not verdict.accepted:
        yield f"TransitionViolation: {verdict.message}"


def _counts_grow(before: Document, after: Document) -> Iterator[str]:
    old, new = before.get("status") or {}, after["status"]
    for name in ("sequence", "epoch"):
        if new.get(name, -1) < old.get(name, -1):
            yield f"StateCorruption: status.{name} never goes down; read the object again"


def _target_is_reachable(before: Document, after: Document) -> Iterator[str]:
    if not before:
        return
    phase, wanted = BuildPhase(after["status"]["phase"]), after["spec"].get("phase")
    if wanted != before["spec"].get("phase") and wanted not in requestable(phase):
        yield f"TransitionViolation: no way leads from {phase} to {wanted}"


def _work_is_frozen(before: Document, after: Document) -> Iterator[str]:
    status = after.get("status")
    if not before or status is None or status["phase"] == BuildPhase.ERROR:
        return
    goes_on = any(one.get("result") == "Restored" for one in status.get("phases") or ())
    if status["phase"] == BuildPhase.INIT and not goes_on:
        return
    for name in _FROZEN:
        if before["spec"].get(name) != after["spec"].get(name):
            yield f"spec.{name} cannot change while the build is in {status['phase']}"


def _requests(before: Document, after: Document) -> Iterator[str]:
    old: dict[str, Any] = before.get("spec", {}).get("request") or {}
    new: dict[str, Any] = after["spec"].get("request") or {}
    if not before or not new:
        return
    if new["id"] == old.get("id"):
        if new != old:
            yield "another action or checkpoint is another request: give it a new spec.request.id"
        return
    phase, action = (after.get("status") or {}).get("phase", "INIT"), new["action"]
    leaves = action in ("Restart", "Restore", "Cleanup")
    if leaves and phase not in ("ERROR", "COMPLETE"):
        yield f"TransitionViolation: {action} is possible only in ERROR"
    if leaves and after["spec"].get("phase") == "ERROR":
        yield "TransitionViolation: the request leads out of ERROR, but spec.phase asks for ERROR"
    if phase == "COMPLETE" and action != "Archive":
        yield "TransitionViolation: COMPLETE is final; another run is another BuildState"
    if action == "Archive" and phase not in ("COMPLETE", "ERROR"):
        yield f"TransitionViolation: Archive is possible only in COMPLETE and in ERROR, not {phase}"


_LAWS: tuple[Callable[[Document, Document], Iterator[str]], ...] = (
    _name_fits_a_label,
    _transitions,
    _counts_grow,
    _target_is_reachable,
    _work_is_frozen,
    _requests,
)
