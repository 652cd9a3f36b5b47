from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.worlds import CLAIM, NOW, UID, a_build, a_ref

from buildstate.api import convert
from buildstate.domain import integrity, validation
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import plan
from buildstate.domain.states import (
    ArtifactRecord,
    DependencyState,
    HeldVolume,
    ResourceState,
)
from buildstate.domain.validation import (
    CHECKS,
    REQUIRED_FIELDS,
    Law,
    ValidationResult,
    validate,
    validate_unsealed,
)

Document = dict[str, Any]

GOOD = convert.document_of(
    a_build().with_work().in_phase(BuildPhase.TEST).written().known,
)


def broken(change: Callable[[Document], object], *, sealed: bool = True) -> Document:
    """GOOD after a change, sealed anew unless a test is about the seal."""
    document = deepcopy(GOOD)
    change(document)
    return {**document, "digest": integrity.digest(document)} if sealed else document


def reasons(result: ValidationResult) -> list[str]:
    """Which laws are broken."""
    return [violation.reason for violation in result.violations]


def fields(result: ValidationResult) -> list[str]:
    """Where the violations are."""
    return [violation.field for violation in result.violations]


def test_a_good_state_has_no_violations() -> None:
    assert ValidationResult() == validate(GOOD, UID)
    assert validate(GOOD, UID)


@pytest.mark.parametrize("name", REQUIRED_FIELDS)
def test_a_required_field_that_is_missing_is_told(name: str) -> None:
    result = validate(broken(lambda document: document.pop(name), sealed=name != "digest"), UID)
    assert (name, "is missing") in [(v.field, v.message) for v in result.violations]


def setting(**values: Any) -> Callable[[Document], object]:
    """Change fields of the state."""
    return lambda document: document.update(values)


def step(number: int, **values: Any) -> Callable[[Document], object]:
    """Change fields of one entry of the history."""
    return lambda document: document["history"][number].update(values)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(setting(id="copied"), ["id"], id="the id of another object"),
        pytest.param(setting(id=None), ["id"], id="no id"),
        pytest.param(setting(timestamp="noon"), ["timestamp"], id="a word for a time"),
        pytest.param(
            setting(timestamp="2026-03-01T12:00:00"), ["timestamp"], id="a time without zone"
        ),
        pytest.param(setting(timestamp=7), ["timestamp"], id="a number for a time"),
        pytest.param(setting(timestamp=None), ["timestamp"], id="null for a time"),
        pytest.param(setting(phase="BREAK"), ["phase", "history"], id="an unknown phase"),
        pytest.param(setting(phase=["TEST"]), ["phase", "history"], id="a list for a phase"),
        pytest.param(setting(status="Happy"), ["status"], id="an unknown status"),
        pytest.param(setting(sequence=-1), ["sequence", "history"], id="a negative sequence"),
        pytest.param(setting(sequence="3"), ["sequence", "history"], id="a text for a sequence"),
        pytest.param(setting(sequence=True), ["sequence", "history"], id="a truth for a sequence"),
        pytest.param(setting(sequence=4), ["history"], id="a sequence ahead of the history"),
        pytest.param(setting(phase="BUILD"), ["history"], id="a phase behind the history"),
        pytest.param(step(1, to="TEST"), ["history", "history"], id="a step that is no edge"),
        pytest.param(step(1, to="ERROR"), ["history"], id="steps that do not meet"),
        pytest.param(step(0, sequence=2), ["history"], id="a sequence that comes twice"),
        pytest.param(step(0, sequence="1"), ["history"], id="a sequence that is a text"),
        pytest.param(
            lambda document: document["history"].pop(1),
            ["history", "history"],
            id="a step that is missing",
        ),
        pytest.param(setting(history={}), ["history"], id="a history that is no list"),
        pytest.param(setting(history=None), ["history"], id="a history that is null"),
        pytest.param(setting(history=["INIT => SETUP"]), ["history"] * 3, id="a history of texts"),
    ],
)
def test_each_broken_law_is_told(change: Callable[[Document], object], expected: list[str]) -> None:
    assert expected == fields(validate(broken(change), UID))


def test_every_violation_is_told_in_the_order_of_the_checks() -> None:
    change = setting(id="copied", timestamp="noon", status="Happy")
    assert ["id", "timestamp", "status"] == fields(validate(broken(change), UID))


def test_an_illegal_path_is_a_transition_violation() -> None:
    result = validate(broken(step(1, to="TEST")), UID)
    assert {ErrorCategory.TRANSITION_VIOLATION} == {v.category for v in result.violations}


def test_an_empty_history_is_fine() -> None:
    assert validate(broken(setting(history=[])), UID)


def test_the_history_may_begin_anywhere_since_older_steps_fall_out_of_the_ring() -> None:
    assert validate(broken(lambda document: document["history"].pop(0)), UID)


def test_a_change_behind_the_seal_is_told() -> None:
    document = broken(setting(attempt=7), sealed=False)
    assert ["digest"] == fields(validate(document, UID))


def test_every_check_of_the_module_is_in_the_list() -> None:
    checks = {
        name
        for name, thing in vars(validation).items()
        if callable(thing) and getattr(thing, "__annotations__", {}).get("_uid") is str
    }
    assert checks | {"id_is_the_uid"} == {check.__name__ for check in CHECKS}


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(document=st.dictionaries(st.sampled_from([*REQUIRED_FIELDS, "other"]), json), uid=st.text())
def test_arbitrary_json_never_raises_and_is_never_a_state(document: Document, uid: str) -> None:
    assert not validate(document, uid)


@given(name=st.sampled_from(sorted(GOOD)), value=json)
def test_arbitrary_json_in_a_good_state_never_raises(name: str, value: object) -> None:
    result = validate({**GOOD, name: value}, UID)
    assert bool(result) == (repr(GOOD[name]) == repr(value))


def places(value: object, way: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a document at which something plain stands."""
    children: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    else:
        return [way]
    return [place for name, child in children for place in places(child, (*way, name))]


def altered(document: Document, way: tuple[str | int, ...], change: Callable[[Any], Any]) -> Any:
    """A document in which one place is changed."""
    copy: Any = deepcopy(document)
    inner = copy
    for name in way[:-1]:
        inner = inner[name]
    inner[way[-1]] = change(inner[way[-1]])
    return copy


def another(value: Any) -> Any:
    """A value of the same type that is as near as can be."""
    return (
        not value
        if isinstance(value, bool)
        else value + 1
        if isinstance(value, int)
        else value[:-1] or "x"
    )


@pytest.mark.parametrize("way", places(GOOD), ids=lambda way: ".".join(map(str, way)))
def test_any_single_field_that_is_altered_breaks_the_seal(way: tuple[str | int, ...]) -> None:
    assert "digest" in fields(validate(altered(GOOD, way, another), UID))


@pytest.mark.parametrize("name", sorted(GOOD.keys() - {"digest"}))
def test_any_field_that_is_removed_breaks_the_seal(name: str) -> None:
    assert "digest" in fields(
        validate(broken(lambda document: document.pop(name), sealed=False), UID)
    )


@given(data=st.data())
def test_any_single_byte_that_is_altered_breaks_the_seal(data: st.DataObject) -> None:
    way = data.draw(st.sampled_from([p for p in places(GOOD) if isinstance(leaf(p), str)]))
    text = leaf(way)
    at = data.draw(st.integers(0, max(0, len(text) - 1)))
    byte = data.draw(st.characters(codec="utf-8").filter(lambda c: c != text[at : at + 1]))
    changed = altered(GOOD, way, lambda old: old[:at] + byte + old[at + 1 :])
    assert "digest" in fields(validate(changed, UID))


def leaf(way: tuple[str | int, ...]) -> Any:
    """What stands at a place of GOOD."""
    value: Any = GOOD
    for name in way:
        value = value[name]
    return value


# What must fit together.

RICH = (
    a_build()
    .with_work()
    .with_workspace()
    .depending_on("lib")
    .in_phase(
        BuildPhase.TEST,
        artifacts=(
            ArtifactRecord(
                name="jar", phase=BuildPhase.BUILD, path="jar", size=0, sha256="a" * 64, time=NOW
            ),
        ),
        dependencies=(
            DependencyState(
                name="lib", uid="u", phase=BuildPhase.COMPLETE, satisfied=True, time=NOW
            ),
        ),
        resources=ResourceState(volumes=(HeldVolume(name=CLAIM, uid="v", size="1Gi"),)),
        checkpoints=(a_ref(1), a_ref(2)),
    )
    .with_pod()
    .written()
    .known
)


def rich() -> Document:
    """A state that has something of everything."""
    return deepcopy(convert.document_of(RICH))


def put(document: Document, path: str, value: object) -> None:
    """Change what a path such as `history.0.to` leads to."""
    *way, last = path.split(".")
    place: Any = document
    for name in way:
        place = place[int(name) if name.isdigit() else name]
    place[int(last) if last.isdigit() else last] = value


def test_a_state_that_has_something_of_everything_fits_together() -> None:
    assert () == validate(rich(), UID).violations


@pytest.mark.parametrize(
    ("path", "value", "law"),
    [
        ("id", "another", Law.ID_FOREIGN),
        ("timestamp", "noon", Law.TIME_INVALID),
        ("status", "Happy", Law.WORD_UNKNOWN),
        ("history.0.to", "TEST", Law.HISTORY_BROKEN),
        ("sequence", 9, Law.HISTORY_ELSEWHERE),
        ("resources.pods", [], Law.RESOURCES_UNBALANCED),
        ("resources.pods", None, Law.RESOURCES_UNBALANCED),
        ("resources.allocated", {"storage": "1Gi"}, Law.RESOURCES_UNBALANCED),
        ("resources.allocated.pods", "2", Law.RESOURCES_UNBALANCED),
        ("resources.allocated.pods", 1, Law.RESOURCES_UNBALANCED),
        ("resources.volumes", [], Law.RESOURCES_UNBALANCED),
        ("resources.volumes.0.name", "theirs", Law.RESOURCES_UNBALANCED),
        ("workspaceClaim", None, Law.RESOURCES_UNBALANCED),
        ("phases.1.result", "Running", Law.ARTIFACT_UNFOUNDED),
        ("phases", [], Law.ARTIFACT_UNFOUNDED),
        ("artifacts.0.phase", "CLEANUP", Law.ARTIFACT_UNFOUNDED),
        ("artifacts.0", "jar", Law.ARTIFACT_UNFOUNDED),
        ("dependencies.0.satisfied", False, Law.DEPENDENCY_UNSATISFIED),
        ("dependencies.0.satisfied", "yes", Law.DEPENDENCY_UNSATISFIED),
        ("dependencies.0", 7, Law.DEPENDENCY_UNSATISFIED),
        ("checkpoints.0.digest", "sha256:0", Law.CHECKPOINT_INVALID),
        ("checkpoints.0.digest", 7, Law.CHECKPOINT_INVALID),
        ("checkpoints.1.name", "2-test-00000000", Law.CHECKPOINT_INVALID),
        ("checkpoints.1.number", 1, Law.CHECKPOINT_INVALID),
        ("checkpoints.1.number", "2", Law.CHECKPOINT_INVALID),
        ("checkpoints.1", None, Law.CHECKPOINT_INVALID),
    ],
)
def test_what_does_not_fit_together_is_told_by_its_law(path: str, value: object, law: Law) -> None:
    document = rich()
    put(document, path, value)
    document["digest"] = integrity.digest(document)
    assert {law} == {*reasons(validate(document, UID))}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("dependencies.0.before", "CLEANUP"),
        ("failure", {"reason": "Error"}),
        ("resources", {}),
    ],
)
def test_what_is_ahead_failed_or_not_known_breaks_no_law(path: str, value: object) -> None:
    document = rich()
    document["dependencies"][0]["satisfied"] = path == "resources"
    put(document, path, value)
    document["digest"] = integrity.digest(document)
    assert () == validate(document, UID).violations


def test_what_is_about_to_be_sealed_need_not_be() -> None:
    document = {**rich(), "digest": "none"}
    assert [Law.DIGEST_MISMATCH] == reasons(validate(document, UID))
    assert () == validate_unsealed(document, UID).violations


def test_a_state_that_breaks_a_law_says_which() -> None:
    broken = validate({**GOOD, "attempt": 9}, UID).violations
    stopped = a_build().in_phase(BuildPhase.TEST).violating(*broken)
    failure = getattr(plan(stopped.observed(), NOW).state, "failure", None)
    assert failure is not None
    assert (
        ErrorCategory.STATE_CORRUPTION,
        "DigestMismatch",
        "digest does not match: the status was changed by somebody else",
    ) == (
        failure.category,
        failure.reason,
        failure.message,
    )
