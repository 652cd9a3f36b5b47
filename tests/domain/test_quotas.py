"""What a namespace can never give."""

from typing import Any

import pytest

from buildstate.domain.needs import Demand, claim_need, pod_need
from buildstate.domain.phases import BuildPhase
from buildstate.domain.quotas import never
from buildstate.domain.specs import WorkResources, Workspace
from buildstate.domain.terms import Bounds, Kind, Quota, Scope, Terms, amounts


def a_demand(terms: Terms, size: Any = None, **resources: Any) -> Demand:
    pod = pod_need(BuildPhase.BUILD, WorkResources(**resources), terms, has_deadline=False)
    return Demand(pods=(pod,), number=1, claim=claim_need(Workspace(size=size)))


def a_quota(*scopes: str, **hard: str) -> Terms:
    named = amounts({name.replace("_", "."): value for name, value in hard.items()})
    wanted = tuple(Scope(name=name) for name in scopes)
    return Terms(quotas=(Quota(name="compute", hard=named, scopes=wanted),))


def bounds(kind: Kind = Kind.CONTAINER, **items: dict[str, str]) -> Terms:
    made = Bounds(name="sane", kind=kind, **{name: amounts(one) for name, one in items.items()})
    return Terms(bounds=(made,))


@pytest.mark.parametrize(
    ("terms", "resources", "says"),
    [
        pytest.param(
            a_quota(requests_cpu="2"),
            {"requests": {"cpu": "4"}},
            "BUILD needs requests.cpu 4, and quota compute allows 2 in all",
            id="more than there is",
        ),
        pytest.param(
            a_quota(limits_memory="1Gi"),
            {"requests": {"memory": "1Gi"}},
            "BUILD must say limits.memory, which quota compute counts",
            id="nothing said",
        ),
        pytest.param(
            a_quota(pods="0"),
            {},
            "BUILD needs pods 1, and quota compute allows 0 in all",
            id="no pod at all",
        ),
        pytest.param(
            bounds(most={"cpu": "1"}),
            {"limits": {"cpu": "2"}},
            "BUILD: it may not have more than 1 of cpu, and says 2 (limit range sane, Container)",
            id="too much",
        ),
        pytest.param(
            bounds(most={"cpu": "1"}), {"requests": {"cpu": "1"}}, "must limit cpu", id="no limit"
        ),
        pytest.param(
            bounds(least={"cpu": "1"}),
            {"requests": {"cpu": "500m"}},
            "BUILD: it may not have less than 1 of cpu, and says 500m (limit range sane, "
            "Container)",
            id="too little",
        ),
        pytest.param(bounds(least={"cpu": "1"}), {}, "it must request cpu", id="no request"),
        pytest.param(
            bounds(Kind.POD, ratio={"cpu": "2"}),
            {"requests": {"cpu": "1"}, "limits": {"cpu": "3"}},
            "BUILD: its limit of cpu may be 2 times its request at most (limit range sane, Pod)",
            id="too far apart",
        ),
        pytest.param(
            bounds(ratio={"cpu": "2"}), {"requests": {"cpu": "1"}}, "request and limit", id="half"
        ),
    ],
)
def test_what_can_never_be_had_is_said_with_the_numbers(
    terms: Terms, resources: dict[str, dict[str, str]], says: str
) -> None:
    found = never(a_demand(terms, **resources), terms)
    assert found is not None
    assert says in found.message


@pytest.mark.parametrize(
    ("terms", "size", "says"),
    [
        (a_quota(requests_storage="1Gi"), "2Gi", "the build needs requests.storage 2Gi"),
        (a_quota(persistentvolumeclaims="0"), "1Gi", "needs persistentvolumeclaims 1"),
        (
            bounds(Kind.CLAIM, most={"storage": "1Gi"}),
            "2Gi",
            "its size is 2Gi, and may be 0 to 1Gi",
        ),
        (bounds(Kind.CLAIM, least={"storage": "3Gi"}), "2Gi", "its size is 2Gi, and may be 3Gi to"),
    ],
)
def test_a_workspace_can_be_what_is_too_much(terms: Terms, size: str, says: str) -> None:
    found = never(a_demand(terms, size), terms)
    assert found is not None
    assert says in found.message


@pytest.mark.parametrize(
    ("terms", "resources"),
    [
        (a_quota(requests_cpu="2"), {"requests": {"cpu": "2"}}),
        (a_quota("BestEffort", pods="1"), {"requests": {"cpu": "2"}}),
        (a_quota("BestEffort", cpu="1"), {"requests": {"cpu": "2"}}),
        (bounds(least={"cpu": "1"}, most={"cpu": "2"}), {"limits": {"cpu": "2"}}),
        (bounds(ratio={"cpu": "2"}), {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}),
    ],
)
def test_what_fits_exactly_fits(terms: Terms, resources: dict[str, dict[str, str]]) -> None:
    assert never(a_demand(terms, **resources), terms) is None
