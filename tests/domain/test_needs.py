"""What a build needs, in the words of a quota."""

from typing import Any

import pytest

from buildstate.domain.needs import Demand, claim_need, concerns, pod_need
from buildstate.domain.phases import BuildPhase
from buildstate.domain.specs import WorkResources, Workspace
from buildstate.domain.terms import (
    MOST,
    ONE,
    Bounds,
    Kind,
    Quota,
    Scope,
    Terms,
    amount,
    amounts,
    said,
)

BUILD, TEST = BuildPhase.BUILD, BuildPhase.TEST
NO_TERMS = Terms()


def counted(terms: Terms = NO_TERMS, **resources: dict[str, str]) -> dict[str, str]:
    """What a Pod with those requests and limits counts for."""
    need = pod_need(BUILD, WorkResources(**resources), terms, has_deadline=False)
    return {name: said(value) for name, value in need.counted.items()}


def a_pod(deadline: bool = False, **requests: str) -> Any:
    return pod_need(BUILD, WorkResources(requests=requests), NO_TERMS, has_deadline=deadline)


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        ("1", ONE),
        ("500m", ONE // 2),
        ("1Ki", 1024 * ONE),
        ("0.1n", 1),
        ("0", 0),
        ("9Ei", MOST),
        ("1e999", MOST),
    ],
)
def test_an_amount_is_a_whole_number_of_billionths(quantity: str, value: int) -> None:
    assert value == amount(quantity)


def test_a_request_counts_by_both_of_its_names() -> None:
    assert {"pods": "1", "cpu": "1", "requests.cpu": "1"} == counted(requests={"cpu": "1"})


def test_a_limit_without_a_request_is_a_request() -> None:
    found = counted(limits={"memory": "1Gi"})
    assert ("1Gi", "1Gi", "1Gi") == tuple(
        found[name] for name in ("memory", "requests.memory", "limits.memory")
    )


def test_extended_resources_count_only_as_requests() -> None:
    found = counted(limits={"example.com/gpu": "2"})
    assert {"pods": "1", "requests.example.com/gpu": "2"} == found


def test_huge_pages_count_by_both_of_their_names() -> None:
    found = counted(limits={"hugepages-2Mi": "4Mi"})
    assert {"pods": "1", "hugepages-2Mi": "4Mi", "requests.hugepages-2Mi": "4Mi"} == found


def test_what_is_not_said_has_the_defaults_of_the_namespace() -> None:
    bounds = Bounds(
        name="usual",
        kind=Kind.CONTAINER,
        default=amounts({"cpu": "2", "memory": "1Gi"}),
        default_request=amounts({"cpu": "1", "memory": "1Gi"}),
    )
    found = counted(Terms(bounds=(bounds,)), requests={"memory": "3Gi"})
    assert ("1", "2", "3Gi") == (
        found["requests.cpu"],
        found["limits.cpu"],
        found["requests.memory"],
    )


def test_a_limit_that_is_said_is_the_request_before_the_default_is() -> None:
    bounds = Bounds(name="usual", kind=Kind.CONTAINER, default_request=amounts({"cpu": "1"}))
    assert "4" == counted(Terms(bounds=(bounds,)), limits={"cpu": "4"})["requests.cpu"]


def test_of_phases_that_follow_each_other_the_largest_need_counts() -> None:
    quota = Quota(name="q", hard=amounts({"requests.cpu": "9", "pods": "9", "count/pods": "9"}))
    pods = (a_pod(cpu="2"), a_pod(cpu="3"), a_pod())
    found = Demand(pods=pods, number=4).against(quota)
    assert {"requests.cpu": "3", "pods": "1", "count/pods": "4"} == {
        name: said(value) for name, value in found.items()
    }


def test_what_a_quota_does_not_count_is_not_needed_of_it() -> None:
    quota = Quota(name="q", hard=amounts({"requests.memory": "9"}))
    assert {} == Demand(pods=(a_pod(cpu="2"),), number=1).against(quota)


@pytest.mark.parametrize(
    ("scope", "pod", "is_counted"),
    [
        (Scope(name="Terminating"), a_pod(True), True),
        (Scope(name="Terminating"), a_pod(), False),
        (Scope(name="NotTerminating"), a_pod(), True),
        (Scope(name="NotTerminating"), a_pod(True), False),
        (Scope(name="BestEffort"), a_pod(), True),
        (Scope(name="BestEffort"), a_pod(cpu="1"), False),
        (Scope(name="NotBestEffort"), a_pod(memory="1"), True),
        (Scope(name="NotBestEffort"), a_pod(), False),
        (Scope(name="PriorityClass", operator="In", values=("high",)), a_pod(), False),
        (Scope(name="PriorityClass", operator="Exists"), a_pod(), False),
        (Scope(name="PriorityClass", operator="NotIn", values=("high",)), a_pod(), True),
        (Scope(name="PriorityClass", operator="DoesNotExist"), a_pod(), True),
        (Scope(name="CrossNamespacePodAffinity"), a_pod(), False),
    ],
)
def test_a_quota_counts_what_is_in_its_scope(scope: Scope, pod: Any, is_counted: bool) -> None:
    assert is_counted == concerns(Quota(name="q", hard={}, scopes=(scope,)), pod)


def test_of_a_quota_with_a_scope_only_the_phases_in_it_count() -> None:
    quota = Quota(name="q", hard=amounts({"cpu": "9"}), scopes=(Scope(name="Terminating"),))
    pods = (a_pod(True, cpu="1"), a_pod(cpu="4"))
    assert {"cpu": ONE} == Demand(pods=pods, number=2).against(quota)


def test_a_claim_counts_with_its_size_and_its_class() -> None:
    found = claim_need(Workspace(size="2Gi", storage_class_name="fast"))
    assert {
        "persistentvolumeclaims": "1",
        "count/persistentvolumeclaims": "1",
        "requests.storage": "2Gi",
        "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
        "fast.storageclass.storage.k8s.io/requests.storage": "2Gi",
    } == {name: said(value) for name, value in found.items()}


@pytest.mark.parametrize("workspace", [None, Workspace(claim_name="theirs")])
def test_a_claim_that_is_there_is_not_needed(workspace: Workspace | None) -> None:
    assert {} == claim_need(workspace)
