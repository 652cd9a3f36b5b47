from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError
from tests.strategies import states
from tests.worlds import NOW, UID, a_build, a_document

from buildstate.api import convert, statuses
from buildstate.domain import integrity
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.phases import BuildPhase, BuildStatus
from buildstate.domain.specs import (
    Action,
    BuildSpec,
    EnvVar,
    OnExhausted,
    PhasesWork,
    PhaseWork,
    RecoveryPolicy,
    RecoveryStrategy,
    Request,
    WorkResources,
    Workspace,
)
from buildstate.domain.states import (
    BuildState,
    Condition,
    RequestOutcome,
    WorkResult,
)

OWN = (statuses.BuildStatusModel.__name__,)
TWINS = [pytest.param(model, twin, id=model.__name__) for model, twin in convert._DOMAIN.items()]


@pytest.mark.parametrize(("model", "twin"), TWINS)
def test_each_field_of_a_model_has_its_twin_in_the_domain(model: Any, twin: Any) -> None:
    assert sorted(model.model_fields) == sorted(field.name for field in fields(twin))


# A stored state is parsed with what is missing, and then judged; so it has defaults of its own.
@pytest.mark.parametrize(("model", "twin"), [twins for twins in TWINS if twins.id not in OWN])
def test_a_field_that_may_be_left_out_has_the_same_default_in_the_domain(
    model: Any, twin: Any
) -> None:
    optional = {name: f for name, f in model.model_fields.items() if not f.is_required()}
    required = {name: example(twin, name) for name in model.model_fields.keys() - optional.keys()}
    ours, theirs = twin(**required), convert._lift(model(**required))
    assert {name: getattr(ours, name) for name in optional} == {
        name: getattr(theirs, name) for name in optional
    }


def example(twin: Any, name: str) -> Any:
    """A value that a required field may have."""
    kind: Any = {field.name: field.type for field in fields(twin)}[name]
    if kind is str:
        return "False" if (twin, name) == (Condition, "status") else "demo"
    return {int: 1, datetime: NOW}.get(kind) or next(iter(kind))


@given(states)
def test_a_state_that_is_written_and_read_again_is_the_same(state: BuildState) -> None:
    document = convert.document_of(state)
    read = convert.state_of({"status": document})
    assert read is not None
    assert (state, document["digest"]) == (replaced(read), read.digest)


def replaced(state: BuildState) -> BuildState:
    """A state without its digest."""
    return BuildState(**{**{f.name: getattr(state, f.name) for f in fields(state)}, "digest": ""})


@given(states)
def test_what_is_written_is_sealed(state: BuildState) -> None:
    assert integrity.verify(convert.document_of(state))


@given(states)
def test_a_document_holds_no_null(state: BuildState) -> None:
    assert "null" not in repr(convert.document_of(state)).replace("'null'", "")
    assert None not in values(convert.document_of(state))


def values(node: object) -> list[object]:
    """Everything in a document."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [node, *(value for child in inner for value in values(child))]


def test_a_document_speaks_the_language_of_the_api() -> None:
    document = convert.document_of(a_build().with_work().in_phase(BuildPhase.BUILD).written().known)
    assert {"from": "INIT", "to": "SETUP"}.items() <= document["history"][0].items()
    assert "2026-03-01T12:00:00.000Z" == document["startTime"]
    assert "Ready" == document["conditions"][1]["type"]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (datetime(2026, 3, 1, 12, 0, 0, 7000, UTC), "2026-03-01T12:00:00.007Z"),
        (datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2))), "2026-03-01T10:00:00.000Z"),
        (datetime(999, 3, 1, 12, tzinfo=UTC), "0999-03-01T12:00:00.000Z"),
    ],
    ids=["milliseconds", "another zone", "long ago"],
)
def test_a_time_is_written_in_utc_as_rfc_3339_says(time: datetime, expected: str) -> None:
    state = a_build().in_phase(BuildPhase.INIT, start_time=time).known
    assert expected == convert.document_of(state)["startTime"]


def test_the_intent_has_its_defaults() -> None:
    assert BuildSpec() == convert.spec_of(a_document())


@pytest.mark.parametrize("build", [{}, {"spec": None}, {"spec": {}}], ids=repr)
def test_an_empty_intent_is_an_intent(build: dict[str, Any]) -> None:
    assert BuildSpec() == convert.spec_of(build)


def test_the_whole_intent_is_read() -> None:
    work = {
        "image": "busybox",
        "command": ["sh", "-c"],
        "args": ["make"],
        "env": [{"name": "A", "value": "1"}, {"name": "B"}],
        "workingDir": "/src",
        "resources": {"requests": {"cpu": 1}, "limits": {"memory": "1Gi"}},
        "timeoutSeconds": 60,
        "backoffLimit": 2,
    }
    build = a_document(
        phase="TEST",
        suspend=True,
        phases={"build": work},
        serviceAccountName="builder",
        workspace={"size": 5, "storageClassName": "fast"},
        recovery={
            "strategy": "Restart",
            "limit": 1,
            "backoffSeconds": 0,
            "onExhausted": "Cleanup",
        },
        request={"id": "r1", "action": "Abort"},
        metadata={"commit": "abc"},
        ofTomorrow={"unknown": True},
    )
    expected = BuildSpec(
        phase=BuildPhase.TEST,
        suspend=True,
        phases=PhasesWork(
            build=PhaseWork(
                image="busybox",
                command=("sh", "-c"),
                args=("make",),
                env=(EnvVar(name="A", value="1"), EnvVar(name="B")),
                working_dir="/src",
                resources=WorkResources(requests={"cpu": "1"}, limits={"memory": "1Gi"}),
                timeout_seconds=60,
                backoff_limit=2,
            )
        ),
        service_account_name="builder",
        workspace=Workspace(size="5", storage_class_name="fast"),
        recovery=RecoveryPolicy(
            strategy=RecoveryStrategy.RESTART,
            limit=1,
            backoff_seconds=0,
            on_exhausted=OnExhausted.CLEANUP,
        ),
        request=Request(id="r1", action=Action.ABORT),
        metadata={"commit": "abc"},
    )
    assert expected == convert.spec_of(build)


@pytest.mark.parametrize("status", [None, {}, {"conditions": []}, {"phase": "INIT"}], ids=repr)
def test_before_the_first_write_there_is_no_state(status: dict[str, Any] | None) -> None:
    assert convert.state_of({"status": status}) is None


def test_of_a_state_that_cannot_be_read_is_known_where_it_is() -> None:
    build = {**a_document(), "status": {"phase": "TEST", "sequence": 3, "startTime": "noon"}}
    expected = BuildState(
        id=UID, timestamp=NOW, phase=BuildPhase.TEST, status=BuildStatus.PENDING, sequence=3
    )
    assert expected == convert.bare_state(build)


def test_what_cannot_be_read_is_a_violation_that_says_where() -> None:
    with pytest.raises(ValidationError) as error:
        convert.state_of({"status": {"phase": "TEST", "history": [{"sequence": "x"}]}})
    violation = convert.unreadable(error.value)
    assert (ErrorCategory.STATE_CORRUPTION, "history.0.sequence") == (
        violation.category,
        violation.field,
    )


def test_a_digest_that_is_wrong_stays_wrong() -> None:
    state = a_build().in_phase(BuildPhase.BUILD, digest="sha256:00").known
    assert "sha256:00" == convert.stored_form(state)["digest"]


def test_every_word_of_the_domain_is_read_again() -> None:
    kinds = (WorkResult, RequestOutcome, ErrorCategory)
    assert [] == [word for kind in kinds for word in kind if kind(word.value) is not word]
