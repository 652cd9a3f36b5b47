"""Why a Pod cannot start because of its volume: what is asked, and what is said of the answers."""

from dataclasses import replace
from typing import Any

import pytest
from tests.worlds import CLAIM, NOW, ABuild, a_build, after

from buildstate.domain.conditions import assess
from buildstate.domain.observed import Obstruction, PodPhase
from buildstate.domain.phases import BuildPhase
from buildstate.domain.plan import plan
from buildstate.domain.volumes import Claim, Question, explain, look_times, question

PENDING = PodPhase.PENDING
OWN = a_build().with_work().with_workspace().in_phase(BuildPhase.BUILD)
THEIRS = a_build().with_work().with_workspace(claim_name="theirs").in_phase(BuildPhase.BUILD)
WITHOUT = a_build().with_work().in_phase(BuildPhase.BUILD)
CREATING: dict[str, Any] = {"waiting": "ContainerCreating", "started": NOW}
UNSCHEDULABLE: dict[str, Any] = {"waiting": "Unschedulable"}


def asked(world: ABuild = OWN, seconds: float = 0, **pod: Any) -> Question:
    """What is looked into for a Pod that waits."""
    found = question(
        world.known, world.with_pod(PENDING, **(pod or UNSCHEDULABLE)).moment(after(seconds))
    )
    assert found is not None
    return found


def said(found: Claim | None, question: Question | None = None) -> str:
    """The reason and the message."""
    why = explain(question or asked(), found)
    return f"{why.reason}: {why.message}" if why else ""


@pytest.mark.parametrize(
    ("world", "seconds", "is_asked"),
    [
        pytest.param(OWN.with_pod(PENDING, **UNSCHEDULABLE), 0, True, id="no node takes it"),
        pytest.param(THEIRS.with_pod(PENDING, **UNSCHEDULABLE), 0, True, id="a claim of theirs"),
        pytest.param(OWN.with_pod(PENDING, **CREATING), 29, False, id="not long"),
        pytest.param(OWN.with_pod(PENDING, **CREATING), 30, True, id="for long"),
        pytest.param(
            OWN.with_pod(PENDING, waiting="PodInitializing"), 30, True, id="before the first"
        ),
        pytest.param(WITHOUT.with_pod(PENDING, **UNSCHEDULABLE), 99, False, id="no volume"),
        pytest.param(OWN.with_pod(PENDING), 99, False, id="waits for nothing"),
        pytest.param(OWN.with_pod(PENDING, waiting="ErrImagePull"), 99, False, id="an image"),
        pytest.param(OWN.with_pod(PodPhase.FAILED, **UNSCHEDULABLE), 99, False, id="has ended"),
        pytest.param(OWN, 99, False, id="no Pod"),
        pytest.param(
            OWN.in_phase(BuildPhase.INIT).with_pod(PENDING, **UNSCHEDULABLE), 0, False, id="no work"
        ),
    ],
)
def test_the_cluster_is_asked_only_about_a_pod_that_waits(
    world: ABuild, seconds: float, is_asked: bool
) -> None:
    assert is_asked == (question(world.known, world.moment(after(seconds))) is not None)


def test_a_question_is_asked_again_only_when_something_changed() -> None:
    assert asked().mark == asked(seconds=29).mark
    assert asked().mark != asked(seconds=30).mark
    assert asked(seconds=30).mark == asked(seconds=300).mark
    assert asked(seconds=30).mark != asked(seconds=30, **CREATING).mark
    assert asked().mark != asked(uid="another", **UNSCHEDULABLE).mark


def test_a_pod_that_waits_is_looked_at_again_once_it_has_waited_for_long() -> None:
    world = OWN.with_pod(PENDING, **CREATING).written()
    assert (after(30),) == look_times(world.known, world.moment())
    recorded = world.written(after(6))
    assert 24.0 == plan(recorded.observed(), after(6)).wake_after
    for idle in (OWN.with_pod(), WITHOUT.with_pod(PENDING, **CREATING), OWN):
        assert () == look_times(idle.known, idle.moment())


@pytest.mark.parametrize(
    ("world", "says"),
    [
        (OWN, f"ClaimMissing: the workspace {CLAIM} is not there; request Abort, then Restart"),
        (THEIRS, "ClaimMissing: claim theirs is not there; make it, and the Pod starts"),
    ],
)
def test_a_claim_that_is_not_there_is_said_to_be_missing(world: ABuild, says: str) -> None:
    assert said(None, asked(world)).startswith(says)


def test_a_claim_that_is_going_will_be_missing() -> None:
    assert "ClaimMissing" in said(Claim(phase="Bound", is_going=True))
    assert "is being deleted" in said(Claim(phase="Bound", is_going=True))


def test_a_claim_whose_volume_is_gone_is_lost() -> None:
    assert said(Claim(phase="Lost")).startswith(f"ClaimLost: the volume of claim {CLAIM} is gone")


@pytest.mark.parametrize(
    ("wanted", "classes", "says"),
    [
        (
            "nope",
            ("fast", "slow"),
            f"StorageClass nope of claim {CLAIM} is not there (there are fast",
        ),
        ("nope", (), "is not there (there is none)"),
        (None, ("fast",), "names no StorageClass, and the cluster has no default one (there are f"),
        ("nope", tuple("abcdefghijk"), "(there are a, b, c, d, e, f, g, h and 3 more)"),
    ],
)
def test_a_storage_class_that_is_missing_is_named_with_those_that_exist(
    wanted: str | None, classes: tuple[str, ...], says: str
) -> None:
    message = said(Claim(phase="Pending", storage_class=wanted, classes=classes))
    assert message.startswith("StorageClassMissing: ")
    assert says in message


@pytest.mark.parametrize(
    "claim",
    [
        Claim(phase="Pending", storage_class="fast", classes=("fast",)),
        Claim(phase="Pending", storage_class="", classes=("fast",)),
        Claim(phase="Pending", storage_class="fast", classes=None),
        Claim(phase="Pending"),
    ],
)
def test_a_claim_that_is_not_bound_is_pending(claim: Claim) -> None:
    assert f"ClaimPending: claim {CLAIM} is not bound to a volume yet" == said(claim)


def test_the_provisioner_is_quoted() -> None:
    words = {"ExternalProvisioning": "waiting", "ProvisioningFailed": "no space left"}
    assert said(Claim(phase="Pending", words=words)).endswith("yet: no space left")


@pytest.mark.parametrize("reason", ["WaitForFirstConsumer", "WaitForPodScheduled"])
def test_a_claim_that_waits_for_the_pod_is_not_what_the_pod_waits_for(reason: str) -> None:
    assert "" == said(Claim(phase="Pending", words={reason: "waiting"}))
    failed = {reason: "waiting", "ProvisioningFailed": "no space left"}
    assert "ClaimPending" in said(Claim(phase="Pending", words=failed))


def test_a_claim_that_is_bound_later_is_not_what_the_pod_waits_for() -> None:
    late = Claim(phase="Pending", storage_class="late", classes=("late",), awaits_pod=True)
    assert "" == said(late)


def test_a_volume_in_use_on_another_node_is_said_to_be() -> None:
    attach = {"FailedAttachVolume": "Multi-Attach error for volume pvc-1"}
    message = said(Claim(phase="Bound", words=attach), asked(seconds=30, **CREATING))
    assert message.startswith("VolumeOnOtherNode: ")
    assert message.endswith("Multi-Attach error for volume pvc-1")
    affinity = asked(message="0/3 nodes: 3 had volume node affinity conflict", **UNSCHEDULABLE)
    assert "VolumeOnOtherNode" in said(Claim(phase="Bound"), affinity)


def test_a_volume_that_is_fine_explains_nothing() -> None:
    assert "" == said(Claim(phase="Bound", words={"FailedMount": "a secret is missing"}))


def test_what_was_found_is_what_the_build_waits_for() -> None:
    world = OWN.with_pod(PENDING, **UNSCHEDULABLE)
    found = Obstruction(reason="ClaimLost", message="it is gone")
    moment = replace(world.moment(), observed=replace(world.observed(), obstruction=found))
    situation = assess(world.known, moment)
    assert ("Waiting", "ClaimLost") == (situation.status, situation.reason)
    assert situation.message.endswith("cannot start in Pod " + world.pods[0].name + ": it is gone")


def test_who_waited_for_a_volume_for_too_long_fails_for_that() -> None:
    world = OWN.with_pod(PENDING, message="0/1 nodes are available", **UNSCHEDULABLE)
    found = Obstruction(reason="StorageClassMissing", message="nope is not there")
    for seconds in (0, 600):
        observed = replace(world.observed(), obstruction=found)
        world = replace(world, state=plan(observed, after(seconds)).state or world.state)
    failure = world.known.failure
    assert failure is not None
    assert ("ResourceAllocationFailure", "StorageClassMissing") == (
        failure.category,
        failure.reason,
    )
    assert failure.message.startswith("nope is not there; ")
    assert failure.message.endswith("0/1 nodes are available")
