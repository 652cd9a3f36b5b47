"""The specification's StateValidator: the checks of the domain, counted and timed."""

from collections.abc import Callable
from time import perf_counter

from buildstate.api import convert
from buildstate.domain import integrity, transitions, validation
from buildstate.domain.states import BuildState
from buildstate.domain.transitions import Verdict
from buildstate.domain.validation import ValidationResult
from buildstate.kube.ports import Document


class StateValidator:
    """Judges states and transitions; it never raises for bad input.

    `told` hears of each validation: whether the state was valid, and the seconds it took.
    """

    def __init__(self, told: Callable[[bool, float], None] = lambda _valid, _seconds: None) -> None:
        self._told = told

    def validate_state(self, state: BuildState) -> ValidationResult:
        """Give every violation of a state."""
        return self.validate_document(convert.stored_form(state), state.id)

    def validate_document(self, document: Document, uid: str) -> ValidationResult:
        """Give every violation of a state as it is stored for the build with that uid."""
        return self._timed(validation.validate, document, uid)

    def validate_unsealed(self, document: Document, uid: str) -> ValidationResult:
        """Give every violation of a state that is about to be written; its seal is made by us."""
        return self._timed(validation.validate_unsealed, document, uid)

    def validate_transition(self, from_state: BuildState, to_state: BuildState) -> Verdict:
        """Judge the step from one state to another; staying where one is needs no edge."""
        if from_state.phase is to_state.phase:
            return Verdict(accepted=True)
        return transitions.decide(from_state.phase, to_state.phase)

    def _timed(
        self, judge: Callable[[Document, str], ValidationResult], document: Document, uid: str
    ) -> ValidationResult:
        began = perf_counter()
        result = judge(document, uid)
        self._told(bool(result), perf_counter() - began)
        return result

    def verify_integrity(self, state: BuildState) -> bool:
        """Say whether a state is what its digest was made over."""
        return integrity.verify(convert.stored_form(state))
