from dataclasses import replace

import pytest
from tests.worlds import UID, a_build

from buildstate.api import convert
from buildstate.domain.phases import BuildPhase
from buildstate.domain.states import BuildState
from buildstate.engine.validators import StateValidator

STATE = a_build().in_phase(BuildPhase.BUILD).written().known


def sealed(state: BuildState) -> BuildState:
    """The state with its digest."""
    return replace(state, digest=convert.document_of(state)["digest"])


def test_a_sealed_state_is_valid_and_whole() -> None:
    validator = StateValidator()
    assert validator.validate_state(sealed(STATE))
    assert validator.verify_integrity(sealed(STATE))


def test_an_altered_state_is_neither() -> None:
    validator, altered = StateValidator(), replace(sealed(STATE), attempt=9)
    assert ["digest"] == [v.field for v in validator.validate_state(altered).violations]
    assert not validator.verify_integrity(altered)


@pytest.mark.parametrize(
    ("to", "expected"),
    [(BuildPhase.TEST, True), (BuildPhase.BUILD, True), (BuildPhase.COMPLETE, False)],
)
def test_a_step_is_an_edge_or_none_at_all(to: BuildPhase, expected: bool) -> None:
    verdict = StateValidator().validate_transition(STATE, replace(STATE, phase=to))
    assert expected == verdict.accepted


def test_each_validation_is_told() -> None:
    told: list[bool] = []
    validator = StateValidator(lambda valid, seconds: told.append(valid and seconds >= 0))
    document = convert.document_of(STATE)
    validator.validate_document(document, UID)
    validator.validate_document({**document, "attempt": 9}, UID)
    assert [True, False] == told


def test_a_state_that_is_about_to_be_written_is_judged_and_counted_before_it_has_a_seal() -> None:
    counted: list[bool] = []
    validator = StateValidator(lambda valid, _: counted.append(valid))
    good, bad = (convert.stored_form(one) for one in (STATE, replace(STATE, id="another")))
    assert validator.validate_unsealed(good, UID)
    assert not validator.validate_unsealed(bad, UID)
    assert [True, False] == counted
