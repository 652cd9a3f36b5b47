"""The laws that the API server itself keeps, for everyone, cluster-admin included.

They stand at the root of the object, which always has a status: the schema's default is INIT. So
they also see the first status write, and an attempt to remove the status is a step to INIT without
its counts. The transition table in them is the domain's own.

Each write pays for each field that they look at, so what lets most writes pass comes first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

from buildstate.domain.names import MAX_BUILD_NAME
from buildstate.domain.phases import WAY, WORK_PHASES, BuildPhase, rank
from buildstate.domain.specs import PhasesWork, PhaseWork
from buildstate.domain.transitions import VALID_TRANSITIONS, requestable


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One CEL rule: `message` says what is wrong and what is allowed, as text or as CEL."""

    rule: str
    message: str = ""
    message_expression: str = ""
    field_path: str = ""

    def schema(self) -> JsonDict:
        """Give the entry of `x-kubernetes-validations`."""
        parts: JsonDict = {
            "rule": self.rule,
            "message": self.message,
            "messageExpression": self.message_expression,
            "fieldPath": self.field_path,
        }
        return {name: value for name, value in parts.items() if value}


def _table(table: Mapping[BuildPhase, tuple[BuildPhase, ...]]) -> str:
    rows = (f"'{phase}': [{', '.join(map(_quote, row))}]" for phase, row in table.items())
    return "{" + ", ".join(rows) + "}"


def _sentences(
    current: str,
    begin: str,
    wished: str,
    end: str,
    table: Mapping[BuildPhase, tuple[BuildPhase, ...]],
) -> str:
    """Give CEL for one sentence for each value of `current`."""
    rows = (
        f"{current} == '{phase}' ? '{begin.format(phase)}' + {wished} + "
        f"'{end}{', '.join(row) or 'none, it is final'}'"
        for phase, row in table.items()
    )
    return " : ".join(rows) + " : ''"


def _quote(word: str) -> str:
    return f"'{word}'"


def _has(place: str) -> str:
    """Give CEL for whether a place below `spec` is there, and everything above it."""
    owner, _, rest = place.partition(".spec.")
    names = rest.split(".")
    ways = (".".join(names[: depth + 1]) for depth in range(len(names)))
    return f"({' && '.join(f'has({owner}.spec.{way})' for way in ways)})"


def _unchanged(place: str, parts: tuple[str, ...]) -> str:
    """Give CEL for that a place is as it was, or `parts` of it.

    Optional values would say it in fewer words, but the API server cannot tell what they cost.
    """
    new, old = f"self.{place}", f"oldSelf.{place}"
    same = f"{new} == {old}"
    if parts:
        same = " && ".join(
            f"(has({new}.{part}) ? has({old}.{part}) && {new}.{part} == {old}.{part} "
            f": !has({old}.{part}))"
            for part in parts
        )
    return f"{_has(new)} ? {_has(old)} && {same} : !{_has(old)}"


_REQUESTABLE = {phase: requestable(phase) for phase in BuildPhase}

_PHASE = "self.status.phase"
_OLD_PHASE = "oldSelf.status.phase"
_NEW_REQUEST = (
    "has(self.spec.request) && "
    "(!has(oldSelf.spec.request) || oldSelf.spec.request.id != self.spec.request.id)"
)
_LEAVING = "['Restart', 'Restore', 'Cleanup']"
# What a running phase has to do stays; what it gets for it may change.
_DEEDS = tuple(to_camel(part.name) for part in fields(PhaseWork) if part.name != "resources")
_FROZEN: tuple[tuple[str, tuple[str, ...], str], ...] = (
    *(
        (f"phases.{phase.name}", _DEEDS, " Its resources can change at any time.")
        for phase in fields(PhasesWork)
    ),
    ("workspace", (), ""),
    ("serviceAccountName", (), ""),
    ("artifacts", (), ""),
)
# What a checkpoint holds was held against the work as it was then.
_GOES_ON = "(has(self.status.phases) && self.status.phases.exists(one, one.result == 'Restored'))"
_STAY_OR_GO = {phase: (phase, *following) for phase, following in VALID_TRANSITIONS.items()}

TRANSITIONS = Rule(
    rule=f"{_PHASE} in {_table(_STAY_OR_GO)}[{_OLD_PHASE}]",
    message_expression=_sentences(
        _OLD_PHASE,
        "TransitionViolation: {} -> ",
        _PHASE,
        " is not a valid transition; allowed: ",
        VALID_TRANSITIONS,
    ),
    field_path=".status.phase",
)
COUNTS_GROW = tuple(
    Rule(
        # To take it away is to go down, also from 0: so a status cannot be removed.
        rule=f"self.status.?{name}.orValue(-1) >= oldSelf.status.?{name}.orValue(-1)",
        message=f"StateCorruption: status.{name} never goes down; read the object again",
        field_path=f".status.{name}",
    )
    for name in ("sequence", "epoch")
)
TARGET_IS_REACHABLE = Rule(
    rule=(
        "self.spec.phase == oldSelf.spec.phase || "
        f"self.spec.phase in {_table(_REQUESTABLE)}[{_PHASE}]"
    ),
    message_expression=_sentences(
        _PHASE,
        "TransitionViolation: no way leads from {} to ",
        "self.spec.phase",
        "; from here spec.phase may be: ",
        _REQUESTABLE,
    ),
    field_path=".spec.phase",
)
WORK_IS_FROZEN = tuple(
    Rule(
        # No write changes status and spec together: a step to another phase needs no look at them.
        rule=(
            f"{_PHASE} != {_OLD_PHASE} || {_PHASE} == 'ERROR' || "
            f"({_PHASE} == 'INIT' && !{_GOES_ON}) || "
            f"({_unchanged(f'spec.{name}', parts)})"
        ),
        message_expression=(
            f"'spec.{name} cannot change while the build is in ' + self.status.phase + "
            f"'; it can in ERROR, and in INIT where no phase is Restored.{exception} "
            "For other work make another BuildState'"
        ),
        field_path=f".spec.{name}",
    )
    for name, parts, exception in _FROZEN
)
LEAVES_ERROR_FROM_ERROR = Rule(
    rule=(
        f"!({_NEW_REQUEST}) || !(self.spec.request.action in {_LEAVING}) || "
        f"{_PHASE} in ['ERROR', 'COMPLETE']"
    ),
    message_expression=(
        "'TransitionViolation: ' + self.spec.request.action + "
        f"' is possible only in ERROR, and the build is in ' + {_PHASE} + "
        "'; allowed here: the action Abort, or another spec.phase'"
    ),
    field_path=".spec.request.action",
)
LEAVES_ERROR_FOR_SOMETHING = Rule(
    rule=(
        f"!({_NEW_REQUEST}) || !(self.spec.request.action in {_LEAVING}) || "
        "self.spec.phase != 'ERROR'"
    ),
    message=(
        "TransitionViolation: the request leads out of ERROR, but spec.phase asks for ERROR; "
        "set spec.phase to the phase to reach in the same change"
    ),
    field_path=".spec.phase",
)
COMPLETE_IS_FINAL = Rule(
    rule=(
        f"!({_NEW_REQUEST}) || {_PHASE} != 'COMPLETE' || "
        "self.spec.request.action in ['Archive', 'Verify']"
    ),
    message=(
        "TransitionViolation: COMPLETE is final; another run is another BuildState. "
        "Allowed here: the actions Archive and Verify"
    ),
    field_path=".spec.request",
)
ARCHIVED_WHEN_ENDED = Rule(
    rule=(
        f"!({_NEW_REQUEST}) || self.spec.request.action != 'Archive' || "
        f"{_PHASE} in ['COMPLETE', 'ERROR']"
    ),
    message_expression=(
        f"'TransitionViolation: Archive is possible only in COMPLETE and in ERROR, "
        f"and the build is in ' + {_PHASE} + '; Abort it first, or wait for its end'"
    ),
    field_path=".spec.request.action",
)
DEPENDS_ON_OTHERS = Rule(
    rule=(
        "!has(self.spec.dependencies) || "
        "self.spec.dependencies.all(one, one.name != self.metadata.name)"
    ),
    message="TransitionViolation: a build cannot wait for itself; name another one",
    field_path=".spec.dependencies",
)
_RANKED = "{" + ", ".join(f"'{phase}': {rank(phase)}" for phase in WAY) + "}"


def _keeps_gates(name: str, before: str, after: str) -> Rule:
    """Give the rule that each entry of `before` whose gate is passed stands in `after`."""
    passed = f"{_RANKED}[one.before] <= {_RANKED}[{_PHASE}]"
    return Rule(
        rule=(
            f"!has({before}) || {_PHASE} == 'ERROR' || "
            f"{before}.all(one, !({passed}) || "
            f"(has({after}) && {after}.exists(same, same == one)))"
        ),
        message_expression=(
            f"'spec.dependencies: an entry cannot {name} once the phase that it stands before was "
            "entered, and the build is in ' + self.status.phase + '; it can in ERROR'"
        ),
        field_path=".spec.dependencies",
    )


PASSED_GATES_STAY = (
    _keeps_gates("change or go", "oldSelf.spec.dependencies", "self.spec.dependencies"),
    _keeps_gates("be added", "self.spec.dependencies", "oldSelf.spec.dependencies"),
)
_LACKS_WORK = "has(self.spec.artifacts) && self.spec.artifacts.exists(one, " + " || ".join(
    f"one.phase == '{phase}' && !(has(self.spec.phases) && has(self.spec.phases.{phase.lower()}))"
    for phase in WORK_PHASES
)
ARTIFACTS_HAVE_WORK = Rule(
    rule=f"!({_LACKS_WORK}))",
    message=(
        "an artifact is what the work of its phase leaves behind, and one of spec.artifacts names "
        "a phase without work; name another phase, or give it work in spec.phases"
    ),
    field_path=".spec.artifacts",
)
NAME_FITS_A_LABEL = Rule(
    rule=f"size(self.metadata.name) <= {MAX_BUILD_NAME}",
    message=(
        f"metadata.name may have at most {MAX_BUILD_NAME} characters: "
        "it is the value of a label on the Pods of the build"
    ),
)

ROOT_RULES: tuple[Rule, ...] = (
    NAME_FITS_A_LABEL,
    TRANSITIONS,
    *COUNTS_GROW,
    TARGET_IS_REACHABLE,
    *WORK_IS_FROZEN,
    DEPENDS_ON_OTHERS,
    *PASSED_GATES_STAY,
    LEAVES_ERROR_FROM_ERROR,
    LEAVES_ERROR_FOR_SOMETHING,
    COMPLETE_IS_FINAL,
    ARCHIVED_WHEN_ENDED,
    ARTIFACTS_HAVE_WORK,
)

CHECKPOINT_GOES_WITH_RESTORE = Rule(
    rule="!has(self.checkpoint) || self.action == 'Restore'",
    message="checkpoint goes with the action Restore",
    field_path=".checkpoint",
)
PATH_STAYS_INSIDE = Rule(
    rule=(
        "!has(self.path) || (!self.path.startsWith('/') || self.path.startsWith('/workspace/')) && "
        "!self.path.matches('(^|/)[.][.](/|$)')"
    ),
    message="path is one below /workspace, without '..' in it; for example dist/app.tar",
    field_path=".path",
)
DIGEST_GOES_WITH_ARTIFACT = Rule(
    rule="!has(self.sha256) || has(self.artifact)",
    message="sha256 goes with artifact: name the one that must have it",
    field_path=".sha256",
)
REQUEST_KEEPS_ITS_MEANING = Rule(
    rule=(
        "self.id != oldSelf.id || (self.action == oldSelf.action && "
        "(has(self.checkpoint) ? has(oldSelf.checkpoint) && "
        "self.checkpoint == oldSelf.checkpoint : !has(oldSelf.checkpoint)))"
    ),
    message="another action or checkpoint is another request: give it a new spec.request.id",
)
PATH_OR_URI = Rule(
    rule="has(self.path) != has(self.uri)",
    message="name either a path, for a file in the workspace, or a uri, for an object in a store",
)
ONE_VOLUME = Rule(
    rule="has(self.size) != has(self.claimName)",
    message="name either a size, for a new claim, or a claimName, for one that exists",
)
CLASS_GOES_WITH_SIZE = Rule(
    rule="!has(self.storageClassName) || has(self.size)",
    message="storageClassName goes with size; a claim that exists has its class already",
)
RELEASE_GOES_WITH_SIZE = Rule(
    rule="!has(self.release) || self.release == 'Never' || has(self.size)",
    message="release goes with size; a claim of your own is never deleted",
)
SIZE_IS_POSITIVE = Rule(
    rule=(
        "!has(self.size) || !isQuantity(string(self.size)) || "
        "quantity(string(self.size)).isGreaterThan(quantity('0'))"
    ),
    message="size must be above zero, for example 1Gi",
    field_path=".size",
)
FACTOR_GROWS = Rule(
    rule=(
        "!has(self.factor) || !isQuantity(string(self.factor)) || "
        "quantity(string(self.factor)).compareTo(quantity('1.1')) >= 0"
    ),
    message="factor must be at least 1.1, for example 2",
    field_path=".factor",
)
MAXIMUM_IS_POSITIVE = Rule(
    rule=(
        "!has(self.maximum) || !isQuantity(string(self.maximum)) || "
        "quantity(string(self.maximum)).isGreaterThan(quantity('0'))"
    ),
    message="maximum must be above zero, for example 8Gi",
    field_path=".maximum",
)
ARE_RESOURCES = Rule(
    rule=(
        "self.all(name, name in ['cpu', 'memory', 'ephemeral-storage'] || "
        "name.startsWith('hugepages-') || name.contains('/'))"
    ),
    message="name cpu, memory, ephemeral-storage, hugepages-<size> or an extended resource",
)
REQUESTS_FIT_LIMITS = Rule(
    rule=(
        "!has(self.requests) || !has(self.limits) || self.requests.all(name, "
        "!(name in self.limits) || quantity(string(self.requests[name]))"
        ".compareTo(quantity(string(self.limits[name]))) <= 0)"
    ),
    message="a request may not be above the limit of the same resource",
)
