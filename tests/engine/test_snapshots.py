"""What a checkpoint holds of what a build holds."""

from tests.worlds import CLAIM, a_build

from buildstate.domain.observed import PodPhase
from buildstate.domain.phases import BuildPhase
from buildstate.engine import snapshots


def test_a_checkpoint_holds_what_the_build_was_given() -> None:
    world = a_build().with_work().with_workspace().in_phase(BuildPhase.BUILD).with_volume()
    world = world.with_pod(PodPhase.RUNNING, requests={"cpu": "500m"}).written()
    (pod,) = world.pods
    content = snapshots.content(world.observed(), world.document(), world.known, {CLAIM: "c"})
    assert {
        "allocated": {"cpu": "500m", "pods": "1", "storage": "1Gi"},
        "claims": [{"name": CLAIM, "uid": "c"}],
        "pods": [{"name": pod.name, "uid": pod.uid, "phase": "Running"}],
    } == content["resources"]
