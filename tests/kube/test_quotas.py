"""What is read of quotas and limit ranges."""

from buildstate.domain.terms import ONE, Bounds, Kind, Quota, Scope
from buildstate.kube import quotas


def test_what_a_quota_allows_is_read_of_its_spec_and_what_is_used_of_its_status() -> None:
    high = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
    document = {
        "metadata": {"name": "q"},
        "spec": {
            "hard": {"pods": "3", "requests.cpu": 2},
            "scopes": ["NotTerminating"],
            "scopeSelector": {"matchExpressions": [high]},
        },
        "status": {"hard": {"pods": "1"}, "used": {"pods": "1"}},
    }
    assert quotas.quota(document) == Quota(
        name="q",
        hard={"pods": 3 * ONE, "requests.cpu": 2 * ONE},
        used={"pods": ONE},
        scopes=(
            Scope(name="NotTerminating"),
            Scope(name="PriorityClass", operator="In", values=("high",)),
        ),
    )


def test_a_quota_that_nobody_has_counted_is_used_by_nobody() -> None:
    assert Quota(name="q", hard={}) == quotas.quota({"metadata": {"name": "q"}, "spec": {}})


def test_of_a_limit_range_each_item_is_read_whose_kind_is_known() -> None:
    item = {"type": "Container", "default": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "2"}}
    document = {
        "metadata": {"name": "l"},
        "spec": {"limits": [item, {"type": "openshift.io/Image"}]},
    }
    assert quotas.bounds(document) == (
        Bounds(name="l", kind=Kind.CONTAINER, default={"cpu": ONE}, ratio={"cpu": 2 * ONE}),
    )
