"""A workspace is kept as long as it may be needed, and given back when its policy says so."""

from dataclasses import replace

import pytest
from tests.worlds import CLAIM, NOW, ABuild, a_build, after

from buildstate.domain.actions import CreateClaim, CreatePod, DeleteClaim, DeletePod
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import PodPhase
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import Plan, plan
from buildstate.domain.specs import Action, OnExhausted, ReleasePolicy
from buildstate.domain.workspaces import is_same

INIT, SETUP, BUILD, TEST, CLEANUP, COMPLETE, ERROR = BuildPhase
ON_SUCCESS, ON_END, NEVER = ReleasePolicy
SUCCEEDED, FAILED, RUNNING = PodPhase.SUCCEEDED, PodPhase.FAILED, PodPhase.RUNNING


def a_world(release: ReleasePolicy) -> ABuild:
    """A build with a workspace of its own that is given back like this."""
    return a_build().with_work().with_workspace(size="1Gi", release=release)


def complete(release: ReleasePolicy) -> ABuild:
    """A build that is complete and still holds its workspace, with a Pod that has ended."""
    return (
        a_world(release).in_phase(COMPLETE, workspace_claim=CLAIM).with_stray(SUCCEEDED).written()
    )


def failed(release: ReleasePolicy, category: ErrorCategory = ErrorCategory.PHASE_FAILED) -> ABuild:
    """A build in ERROR that still holds its workspace, with a Pod that has failed."""
    return a_world(release).in_error(category, workspace_claim=CLAIM).with_stray(FAILED)


def decision(world: ABuild) -> Plan:
    """What the plan says, a minute later."""
    return plan(world.observed(), after(60))


def gives_back(world: ABuild) -> bool:
    """Whether the Pods go, and the claim after them, and then nothing more."""
    first = decision(world)
    pods = [act for act in first.needs if isinstance(act, DeletePod)]
    if not any(act.also_ended for act in pods):
        assert first.state is None or first.state.workspace_claim == CLAIM
        return False
    assert () == first.releases, "a Pod holds the claim"
    world = replace(world, state=first.state or world.state, pods=())
    second = decision(world)
    assert (DeleteClaim(CLAIM),) == second.releases
    assert second.state is not None
    assert second.state.workspace_claim is None
    third = decision(replace(world, state=second.state))
    assert (None, (), ()) == (third.state, third.releases, third.needs)
    return True


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        pytest.param(complete(NEVER), False, id="never"),
        pytest.param(complete(ON_SUCCESS), True, id="at success"),
        pytest.param(complete(ON_END), True, id="at the end"),
        pytest.param(failed(NEVER), False, id="never, in ERROR"),
        pytest.param(failed(ON_SUCCESS), False, id="at success, in ERROR"),
        pytest.param(failed(ON_END), True, id="at the end, in ERROR"),
        pytest.param(failed(NEVER, ErrorCategory.ABORTED), True, id="aborted"),
        pytest.param(failed(ON_END).resuming(limit=0), True, id="with no recovery left"),
        pytest.param(failed(ON_END).restarting(backoff_seconds=600), False, id="recovering"),
        pytest.param(
            failed(ON_END).restarting(limit=0, then=OnExhausted.CLEANUP).suspended(),
            False,
            id="before the clean-up",
        ),
        pytest.param(
            failed(ON_END, ErrorCategory.STATE_CORRUPTION), False, id="what is not believed"
        ),
        pytest.param(complete(ON_END).archived(), False, id="archived"),
        pytest.param(a_world(ON_END).suspended().in_phase(TEST), False, id="at work"),
    ],
)
def test_a_workspace_is_given_back(world: ABuild, expected: bool) -> None:
    assert expected == gives_back(world)


def test_success_after_a_failure_is_no_success() -> None:
    failure = failed(NEVER).known.failure
    for policy, expected in ((ON_SUCCESS, False), (ON_END, True)):
        world = (
            a_world(policy)
            .in_phase(COMPLETE, failure=failure, workspace_claim=CLAIM)
            .with_stray(SUCCEEDED)
        )
        assert expected == gives_back(world)


def test_a_claim_of_somebody_else_is_never_given_back() -> None:
    for phase in (COMPLETE, ERROR):
        world = a_build().with_workspace(claim_name="theirs").in_phase(phase)
        found = decision(world.with_stray(SUCCEEDED))
        assert ((), ()) == (found.releases, found.needs)


def test_a_claim_is_kept_between_attempts() -> None:
    world = a_world(ON_END).in_phase(BUILD)
    again = world.wanting(phases=a_build().with_work(backoff_limit=2).spec.phases)
    found = decision(again.with_pod(FAILED))
    assert found.state is not None
    assert (2, CLAIM, ()) == (found.state.attempt, found.state.workspace_claim, found.releases)
    assert [CreatePod] == [type(act) for act in found.needs]


@pytest.mark.parametrize("release", ReleasePolicy)
def test_a_claim_is_kept_across_a_recovery(release: ReleasePolicy) -> None:
    held = a_world(release).in_phase(BUILD).held()
    world = failed(release).resuming().given(held)
    found = decision(world)
    assert found.state is not None
    assert (INIT, CLAIM, ()) == (found.state.phase, found.state.workspace_claim, found.releases)


def test_who_wants_out_of_error_waits_until_the_workspace_is_given_back() -> None:
    world = failed(ON_END).requesting(Action.RESTART)
    waits = decision(world)
    assert waits.state is None or waits.state.last_request is None
    gone = replace(world, state=waits.state or world.state, pods=())
    given = decision(gone)
    assert given.state is not None
    assert (ERROR, None) == (given.state.phase, given.state.workspace_claim)
    begun = decision(replace(gone, state=given.state))
    assert begun.state is not None
    assert INIT is begun.state.phase


def test_a_new_run_makes_its_workspace_anew() -> None:
    world = failed(ON_END).requesting(Action.RESTART)
    world = replace(world, pods=())
    for _ in range(4):
        found = plan(world.observed(), NOW)
        world = replace(world, state=found.state or world.state)
    assert CreateClaim(CLAIM, world.spec.workspace) in found.needs  # type: ignore[arg-type]


def test_the_same_volume_may_be_given_back_at_another_time() -> None:
    never, at_the_end = (a_world(one).spec.workspace for one in (NEVER, ON_END))
    assert is_same(never, at_the_end)
    assert is_same(None, None)
    assert not is_same(never, None)
