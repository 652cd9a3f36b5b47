import pytest
from tests.worlds import ABuild, a_build

from buildstate.domain.errors import ErrorCategory
from buildstate.domain.phases import BuildPhase
from buildstate.domain.specs import CheckpointPolicy
from buildstate.domain.states import Failure, WorkResult

WORKING = a_build().with_work().in_phase(BuildPhase.BUILD)
POD = WORKING.observed().pod_name(WORKING.known)
FAILURE = Failure(
    category=ErrorCategory.PHASE_FAILED, phase=BuildPhase.BUILD, reason="Error", pod=POD
)


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        pytest.param(WORKING, None, id="a Pod that nothing waits for"),
        pytest.param(WORKING.attempted(1, WorkResult.FAILED), POD, id="of a failed attempt"),
        pytest.param(
            WORKING.attempted(1, WorkResult.FAILED).with_pod(), None, id="one that is seen"
        ),
        pytest.param(a_build().in_error(failure=FAILURE), POD, id="of the failure"),
        pytest.param(a_build().in_error(), None, id="a failure that no Pod was at fault in"),
        pytest.param(a_build().in_error(failure=None), None, id="no failure"),
        pytest.param(a_build().in_phase(BuildPhase.BUILD), None, id="no work"),
    ],
)
def test_a_pod_that_something_waits_for_is_confirmed(world: ABuild, expected: str | None) -> None:
    assert expected == world.observed().unconfirmed_pod(world.known)


@pytest.mark.parametrize(("seconds", "expected"), [(5, True), (0, False), (-5, False)])
def test_a_store_is_left_alone_until_it_may_be_tried(seconds: float, expected: bool) -> None:
    moment = WORKING.in_trouble(seconds).moment()
    assert expected == (moment.trouble is not None)


def test_where_the_intent_has_no_policy_the_defaults_hold() -> None:
    assert CheckpointPolicy() == WORKING.moment().checkpoints
    assert 3 == WORKING.checkpointing(keep=3).moment().checkpoints.keep
