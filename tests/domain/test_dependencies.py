"""When a build waits for others, when it goes on, and when it gives up."""

from dataclasses import replace
from typing import Any

import pytest
from tests.worlds import NOW, ABuild, a_build, after

from buildstate.domain import restores
from buildstate.domain.conditions import assess
from buildstate.domain.dependencies import asked
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.neighbours import Neighbour
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import Plan, plan
from buildstate.domain.specs import Action, Dependency, OnExhausted
from buildstate.domain.states import BuildState, DependencyState, Failure

INIT, SETUP, BUILD, TEST, CLEANUP, COMPLETE, ERROR = BuildPhase

DONE: dict[str, Any] = {"phase": COMPLETE, "reached": frozenset(BuildPhase) - {ERROR}}
FAILED: dict[str, Any] = {
    "phase": ERROR,
    "reached": frozenset({INIT, SETUP}),
    "has_ended": True,
    "words": "failed in ERROR: Error",
}
WAITING = a_build().depending_on("lib").in_phase(SETUP)


def next_state(world: ABuild) -> BuildState:
    """The state after one pass, written or not."""
    return plan(world.observed(), after(5)).state or world.known


def again(world: ABuild) -> ABuild:
    """The world after one pass."""
    return replace(world, state=next_state(world))


def told(world: ABuild) -> tuple[str, str, str]:
    """Status, reason and message after one pass."""
    state = next_state(world)
    ready = state.condition("Ready")
    assert ready is not None
    return state.status, ready.reason, ready.message


def known(name: str = "lib", *, satisfied: bool = False, **fields: Any) -> DependencyState:
    """What is written of a dependency."""
    plain: dict[str, Any] = {"uid": f"uid-of-{name}", "phase": COMPLETE, "time": NOW}
    return DependencyState(**{**plain, **fields}, name=name, satisfied=satisfied)


# Waiting.


def test_a_build_waits_where_it_is_for_another_one() -> None:
    world = WAITING.beside("lib")
    assert (SETUP, (known(time=after(5)),)) == (
        next_state(world).phase,
        next_state(world).dependencies,
    )
    assert ("Waiting", "DependencyPending", "BUILD waits for lib to reach COMPLETE") == told(world)


def test_a_build_waits_for_one_that_does_not_exist_yet() -> None:
    said = "BUILD waits for lib to reach COMPLETE, which does not exist"
    assert ("Waiting", "DependencyMissing", said) == told(WAITING)
    assert (known(uid="", time=after(5)),) == next_state(WAITING).dependencies


def test_that_the_other_is_in_error_and_recovers_is_said() -> None:
    said = "BUILD waits for lib to reach COMPLETE, which is in ERROR and may recover"
    assert said == told(WAITING.beside("lib", phase=ERROR))[2]


def test_of_several_all_are_waited_for_and_named() -> None:
    world = WAITING.depending_on("data", phase=TEST).depending_on("tool").beside("lib")
    world = world.beside("tool", **DONE)
    said = "BUILD waits for lib to reach COMPLETE; data to reach TEST, which does not exist"
    assert ("Waiting", "DependencyMissing", said) == told(world)


def test_a_build_goes_on_once_the_other_is_there() -> None:
    state = next_state(WAITING.beside("lib", **DONE))
    assert (BUILD, (known(satisfied=True, time=after(5)),)) == (state.phase, state.dependencies)


@pytest.mark.parametrize("before", [SETUP, BUILD, TEST, CLEANUP, COMPLETE])
def test_each_gate_stands_before_its_phase_and_no_other(before: BuildPhase) -> None:
    world = a_build().depending_on("lib", before=before).beside("lib").in_phase(INIT)
    for _ in range(8):
        world = again(world)
    assert before is list(BuildPhase)[list(BuildPhase).index(world.known.phase) + 1]


def test_the_gate_is_asked_when_the_work_before_it_is_done_and_not_while_it_goes_on() -> None:
    world = a_build().with_work(SETUP).depending_on("lib").in_phase(SETUP).beside("lib", **FAILED)
    assert SETUP is next_state(world.with_pod()).phase


@pytest.mark.parametrize("world", [WAITING, WAITING.beside("lib"), WAITING.depending_on("data")])
def test_who_waits_writes_nothing_more_and_sets_no_clock(world: ABuild) -> None:
    assert Plan() == plan(again(world).observed(), after(60))


def test_while_the_other_walks_nothing_is_written() -> None:
    world = again(WAITING.beside("lib"))
    walked = world.beside("lib", phase=TEST, reached=frozenset({INIT, SETUP, BUILD, TEST}))
    assert Plan() == plan(walked.observed(), after(60))


def test_a_suspended_build_says_that_and_does_not_fail() -> None:
    assert "Suspended" == told(WAITING.suspended().beside("lib", **FAILED))[0]


def test_a_gate_beyond_the_phase_asked_for_is_not_asked() -> None:
    assert "TargetReached" == told(WAITING.asking_for(SETUP).beside("lib", **FAILED))[1]


# Replaced, removed, gone by.


def test_one_that_is_replaced_while_it_is_waited_for_is_waited_for_anew() -> None:
    world = again(WAITING.depending_on("data").beside("lib", **DONE))
    assert [True, False] == [one.satisfied for one in world.known.dependencies]
    state = next_state(world.beside("lib", uid="another"))
    assert ("another", False) == (state.dependencies[0].uid, state.dependencies[0].satisfied)
    assert "BUILD waits for lib to reach COMPLETE; data" in told(world.beside("lib"))[2]


def test_one_that_was_satisfied_and_is_removed_stays_satisfied() -> None:
    world = again(WAITING.depending_on("data").beside("lib", **DONE))
    assert Plan() == plan(world.alone().observed(), after(9))
    assert BUILD is next_state(world.alone().beside("data", **DONE)).phase


def test_the_uid_of_one_that_is_removed_while_it_is_waited_for_stays_known() -> None:
    world = again(WAITING.beside("lib")).alone()
    assert "uid-of-lib" == next_state(world).dependencies[0].uid


def test_behind_its_gate_a_dependency_is_history() -> None:
    world = a_build().depending_on("lib").in_phase(BUILD, dependencies=(known(satisfied=True),))
    for changed in (world, world.beside("lib", uid="another", **FAILED)):
        assert (TEST, (known(satisfied=True),)) == (
            next_state(changed).phase,
            next_state(changed).dependencies,
        )


def test_what_was_waited_for_and_is_not_asked_for_any_more_is_forgotten() -> None:
    world = a_build().in_phase(SETUP, dependencies=(known(),))
    assert (BUILD, ()) == (next_state(world).phase, next_state(world).dependencies)


def test_a_dependency_that_is_changed_is_judged_anew() -> None:
    base = a_build().depending_on("lib", phase=TEST)
    world = base.in_phase(SETUP, dependencies=(known(satisfied=True),))
    assert "DependencyMissing" == told(world)[1]


# The end of waiting.


def test_one_that_ended_without_reaching_the_phase_is_a_failure_at_once() -> None:
    state = next_state(WAITING.beside("lib", **FAILED))
    assert ERROR is state.phase
    assert (
        Failure(
            category=ErrorCategory.TRANSITION_VIOLATION,
            phase=SETUP,
            reason="DependencyFailed",
            message="lib did not reach COMPLETE: it is failed in ERROR: Error",
        )
        == state.failure
    )


def test_one_that_failed_behind_the_phase_is_satisfied() -> None:
    world = a_build().depending_on("lib", phase=SETUP).in_phase(SETUP).beside("lib", **FAILED)
    assert BUILD is next_state(world).phase


def test_a_gate_that_can_never_open_fails_the_build_before_it_is_reached() -> None:
    world = a_build().depending_on("lib", before=COMPLETE).in_phase(INIT).beside("lib", **FAILED)
    assert ERROR is next_state(world).phase


def test_a_clean_up_after_a_failure_waits_for_nobody() -> None:
    failed = a_build().in_error().known.failure
    world = a_build().depending_on("lib", before=COMPLETE).in_phase(CLEANUP, failure=failed)
    for changed in (world, world.beside("lib", **FAILED)):
        assert COMPLETE is next_state(changed).phase


def test_two_that_wait_for_each_other_fail_with_the_path() -> None:
    world = WAITING.beside("lib", waits_for=(Dependency(name="demo"),))
    failure = next_state(world).failure
    assert failure is not None
    assert ("DependencyCycle", "these builds wait for each other: demo -> lib -> demo") == (
        failure.reason,
        failure.message,
    )


def test_the_path_of_a_long_cycle_is_shown_at_both_ends() -> None:
    world = a_build().depending_on("b-0").in_phase(SETUP)
    for number in range(50):
        further = f"b-{number + 1}" if number < 49 else "demo"
        world = world.beside(f"b-{number}", waits_for=(Dependency(name=further),))
    failure = next_state(world).failure
    assert failure is not None
    assert failure.message.endswith(
        "demo -> b-0 -> b-1 -> b-2 -> b-3 -> (43 more) -> b-47 -> b-48 -> b-49 -> demo"
    )


def test_one_whose_other_end_failed_by_their_cycle_finds_it_as_well() -> None:
    cycle = {**FAILED, "words": "failed in ERROR: DependencyCycle"}
    world = WAITING.beside("lib", **cycle, waits_for=(Dependency(name="demo"),))
    assert "DependencyCycle" == getattr(next_state(world).failure, "reason", "")


def test_one_that_only_hangs_on_a_cycle_waits_for_its_end() -> None:
    world = WAITING.beside("lib", waits_for=(Dependency(name="lob"),))
    world = world.beside("lob", waits_for=(Dependency(name="lib"),))
    assert "DependencyPending" == told(world)[1]


@pytest.mark.parametrize(
    ("theirs", "is_one"),
    [
        pytest.param(Dependency(name="demo", phase=SETUP), False, id="ours reaches it before"),
        pytest.param(Dependency(name="demo", phase=BUILD), True, id="ours cannot reach it"),
        pytest.param(Dependency(name="demo", before=COMPLETE), True, id="theirs stops later"),
    ],
)
def test_whether_it_is_a_cycle_hangs_on_the_phases(theirs: Dependency, is_one: bool) -> None:
    world = WAITING.beside("lib", waits_for=(theirs,))
    assert is_one == (next_state(world).failure is not None)


def test_one_that_is_waited_for_before_its_own_gate_makes_no_cycle() -> None:
    ours = a_build().depending_on("lib", phase=BUILD).in_phase(SETUP)
    assert (
        "DependencyPending"
        == told(ours.beside("lib", waits_for=(Dependency(name="demo", before=TEST),)))[1]
    )


# Artifacts.

SHA, OTHER_SHA = "a" * 64, "b" * 64
JAR = WAITING.wanting(dependencies=(Dependency(name="lib", artifact="jar"),))
THIS_JAR = WAITING.wanting(dependencies=(Dependency(name="lib", artifact="jar", sha256=SHA),))
EARLY_JAR = WAITING.wanting(dependencies=(Dependency(name="lib", artifact="jar", phase=SETUP),))
MADE: dict[str, Any] = {**DONE, "artifacts": {"jar": SHA}}


def test_an_artifact_is_waited_for_as_well() -> None:
    said = "BUILD waits for lib to reach SETUP and leave jar behind"
    world = EARLY_JAR.beside("lib", reached=frozenset({INIT, SETUP, BUILD}), phase=BUILD)
    assert ("Waiting", "DependencyPending", said) == told(world)


@pytest.mark.parametrize("world", [JAR, THIS_JAR, EARLY_JAR])
def test_an_artifact_that_is_there_is_written_down_with_its_digest(world: ABuild) -> None:
    state = next_state(world.beside("lib", **MADE))
    (found,) = state.dependencies
    assert (BUILD, "jar", SHA, True) == (state.phase, found.artifact, found.sha256, found.satisfied)


def test_an_artifact_before_its_phase_is_nothing_yet() -> None:
    world = again(JAR.beside("lib", phase=TEST, reached=frozenset({INIT, SETUP})))
    there = world.beside("lib", phase=TEST, artifacts={"jar": SHA})
    assert Plan() == plan(there.observed(), after(60))


def test_a_build_that_ended_without_the_artifact_is_a_failure() -> None:
    failure = next_state(JAR.beside("lib", **DONE, has_ended=True, words="gone")).failure
    assert failure is not None
    assert ("DependencyFailed", "lib did not leave jar behind: it is gone") == (
        failure.reason,
        failure.message,
    )


def test_an_artifact_of_another_digest_is_a_failure_with_both() -> None:
    failure = next_state(
        THIS_JAR.beside("lib", **{**MADE, "artifacts": {"jar": OTHER_SHA}})
    ).failure
    assert failure is not None
    said = f"artifact jar of lib is another one: it has sha256 {OTHER_SHA}, and {SHA} is asked for"
    assert ("DependencyMismatch", said) == (failure.reason, failure.message)


@pytest.mark.parametrize(("digest", "phase"), [(SHA, BUILD), (OTHER_SHA, SETUP)])
def test_of_one_that_is_gone_the_digest_is_remembered(digest: str, phase: BuildPhase) -> None:
    wanted = Dependency(name="lib", artifact="jar", sha256=SHA)
    record = known(artifact="jar", sha256=digest, satisfied=True)
    world = a_build().wanting(dependencies=(wanted,)).in_phase(SETUP, dependencies=(record,))
    assert phase is next_state(world).phase


def test_who_is_to_make_the_artifact_only_behind_our_gate_waits_for_us() -> None:
    theirs = Dependency(name="demo", before=TEST)
    lib: dict[str, Any] = {"reached": frozenset({INIT, SETUP, BUILD}), "waits_for": (theirs,)}
    early = EARLY_JAR.beside("lib", **lib, made_in={"jar": BUILD})
    late = EARLY_JAR.beside("lib", **lib, made_in={"jar": TEST})
    assert "DependencyPending" == told(early)[1]
    assert "DependencyCycle" == getattr(next_state(late).failure, "reason", "")


# Out of ERROR.


def by_a_dependency(world: ABuild) -> ABuild:
    """That build, failed since its dependency did."""
    return again(world.depending_on("lib").in_phase(SETUP).beside("lib", **FAILED))


@pytest.mark.parametrize("world", [a_build().restarting(), a_build().resuming()])
def test_the_policy_spends_nothing_while_the_dependency_would_fail_it_again(world: ABuild) -> None:
    failed = by_a_dependency(world)
    moment = failed.moment(after(3600))
    assert Plan() == plan(failed.observed(), after(3600))
    assert restores.wanted(moment) is None
    situation = assess(failed.known, moment)
    assert ("Recovering", "TransitionViolation") == (situation.status, situation.reason)
    assert "1 of 3 once that is no longer so; DependencyFailed in SETUP" in situation.message


@pytest.mark.parametrize("change", [{"phase": SETUP}, DONE])
def test_once_it_is_no_longer_so_the_policy_goes_on(change: dict[str, Any]) -> None:
    failed = by_a_dependency(a_build().restarting()).beside("lib", **change)
    decision = plan(failed.observed(), after(3600))
    assert decision.state is not None
    assert (INIT, ()) == (decision.state.phase, decision.state.dependencies)
    assert 5.0 == plan(failed.observed(), after(10)).wake_after


def test_one_that_is_removed_is_waited_for_by_who_recovers() -> None:
    failed = by_a_dependency(a_build().restarting()).alone()
    world = replace(failed, state=plan(failed.observed(), after(3600)).state)
    assert "DependencyMissing" == told(again(world))[1]


def test_another_failure_is_recovered_from_as_ever() -> None:
    world = a_build().depending_on("lib").restarting().in_error().beside("lib", **FAILED)
    state = plan(world.observed(), after(3600)).state
    assert INIT is getattr(state, "phase", None)


def test_a_restart_by_hand_asks_the_dependency_again() -> None:
    world = by_a_dependency(a_build()).requesting(Action.RESTART)
    world = again(world)
    assert (INIT, ()) == (world.known.phase, world.known.dependencies)
    assert "DependencyFailed" == getattr(next_state(world).failure, "reason", "")


def test_the_clean_up_of_a_policy_that_is_used_up_is_not_held_back() -> None:
    failed = by_a_dependency(a_build().restarting(then=OnExhausted.CLEANUP, limit=0))
    assert CLEANUP is getattr(plan(failed.observed(), after(3600)).state, "phase", None)


# What has to be known.


@pytest.mark.parametrize(
    ("world", "names"),
    [
        pytest.param(a_build(), (), id="nothing is known before the first write"),
        pytest.param(WAITING, ("lib",), id="a gate is ahead"),
        pytest.param(a_build().depending_on("lib").in_phase(BUILD), (), id="it is passed"),
        pytest.param(a_build().depending_on("lib").in_error(), (), id="it failed otherwise"),
        pytest.param(by_a_dependency(a_build()), ("lib",), id="it failed by one"),
        pytest.param(a_build().in_phase(SETUP), (), id="there is none"),
    ],
)
def test_no_more_builds_are_looked_at_than_matter(world: ABuild, names: tuple[str, ...]) -> None:
    assert names == asked(world.spec, world.state)


def test_a_view_says_nothing_by_default() -> None:
    assert not Neighbour(uid="u", phase=INIT).reached
