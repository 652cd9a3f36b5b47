from buildstate.api import rules
from buildstate.api.rules import ROOT_RULES, Rule
from buildstate.api.v1alpha1 import PhasesWork, PhaseWork


def test_a_rule_says_only_what_it_has() -> None:
    assert {"rule": "true", "message": "no"} == Rule(rule="true", message="no").schema()


def test_a_rule_has_one_message() -> None:
    every = [thing for thing in vars(rules).values() if isinstance(thing, Rule)]
    assert [] == [one.rule for one in every if bool(one.message) == bool(one.message_expression)]


def test_a_message_has_one_line_as_the_api_server_demands() -> None:
    assert [] == [one.message for one in ROOT_RULES if "\n" in one.message]


def test_every_rule_of_the_module_is_at_a_place() -> None:
    at_the_root = set(ROOT_RULES)
    elsewhere = {
        rules.ONE_VOLUME,
        rules.FACTOR_GROWS,
        rules.MAXIMUM_IS_POSITIVE,
        rules.CLASS_GOES_WITH_SIZE,
        rules.RELEASE_GOES_WITH_SIZE,
        rules.SIZE_IS_POSITIVE,
        rules.ARE_RESOURCES,
        rules.REQUESTS_FIT_LIMITS,
        rules.CHECKPOINT_GOES_WITH_RESTORE,
        rules.DIGEST_GOES_WITH_ARTIFACT,
        rules.PATH_STAYS_INSIDE,
        rules.PATH_OR_URI,
        rules.REQUEST_KEEPS_ITS_MEANING,
    }
    every = {thing for thing in vars(rules).values() if isinstance(thing, Rule)}
    every |= {*rules.WORK_IS_FROZEN, *rules.COUNTS_GROW, *rules.PASSED_GATES_STAY}
    assert every == at_the_root | elsewhere


def test_a_denied_transition_says_what_is_allowed() -> None:
    expression = rules.TRANSITIONS.message_expression
    assert (
        "'TransitionViolation: BUILD -> ' + self.status.phase + "
        "' is not a valid transition; allowed: TEST, ERROR'"
    ) in expression
    assert "allowed: none, it is final'" in expression


def test_every_field_of_the_work_but_its_resources_is_frozen() -> None:
    wires = {field.alias for field in PhaseWork.model_fields.values()} - {"resources"}
    phases = {field.alias for field in PhasesWork.model_fields.values()}
    for phase in phases:
        place = f"spec.phases.{phase}"
        (rule,) = (one.rule for one in rules.WORK_IS_FROZEN if one.field_path == f".{place}")
        compared = {f"self.{place}.{wire} == oldSelf.{place}.{wire}" for wire in wires}
        assert {part for part in compared if part not in rule} == set()
        assert len(compared) == rule.count(" == oldSelf")


def test_what_was_decided_upon_cannot_change() -> None:
    frozen = [rule.field_path for rule in rules.WORK_IS_FROZEN]
    phases = [f"phases.{name}" for name in ("setup", "build", "test", "cleanup")]
    names = [*phases, "workspace", "serviceAccountName", "artifacts"]
    assert [f".spec.{name}" for name in names] == frozen
