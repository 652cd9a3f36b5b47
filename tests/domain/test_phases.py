from buildstate.domain.phases import WORK_PHASES, BuildPhase, BuildStatus


def test_the_phases_are_the_words_of_the_specification() -> None:
    expected = ["INIT", "SETUP", "BUILD", "TEST", "CLEANUP", "COMPLETE", "ERROR"]
    assert expected == list(BuildPhase)


def test_work_is_possible_between_the_first_and_the_last_phase() -> None:
    assert ("SETUP", "BUILD", "TEST", "CLEANUP") == WORK_PHASES


def test_a_status_is_one_camel_case_word() -> None:
    assert [word for word in BuildStatus if not word.isalpha() or not word.istitle()] == []
