"""Whether a build can ever have what it needs in its namespace, and if not, what is in the way.

What is found here the API server would find, too, but Pod by Pod, and a build would wait for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from buildstate.domain.needs import Demand, PodNeed, concerns
from buildstate.domain.terms import ONE, Amounts, Bounds, Kind, Quota, Terms, said

EXCEEDS_QUOTA = "ExceedsQuota"
EXCEEDS_LIMIT_RANGE = "ExceedsLimitRange"
QUOTA_NEEDS_REQUESTS = "QuotaNeedsRequests"

HOPELESS = frozenset({EXCEEDS_QUOTA, EXCEEDS_LIMIT_RANGE, QUOTA_NEEDS_REQUESTS})
"""What no recovery helps against: somebody has to change the build or the namespace."""

ASKED_OF_ALL = (
    "cpu",
    "memory",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
)
"""Where a quota counts one of these, a container that says nothing about it is refused."""


@dataclass(frozen=True, slots=True)
class Never:
    """Why a need can never be met."""

    reason: str
    message: str


def never(demand: Demand, terms: Terms) -> Never | None:
    """Give the first thing that is in the way for ever, or None where only time may be."""
    return next(_obstacles(demand, terms), None)


def _obstacles(demand: Demand, terms: Terms) -> Iterator[Never]:
    for pod in demand.pods:
        for text in _out_of_bounds(pod, terms):
            yield Never(EXCEEDS_LIMIT_RANGE, f"{pod.phase}: {text}")
        for quota in terms.quotas:
            yield from _unsaid(pod, quota)
    if demand.claim:
        for text in _claim_out_of_bounds(demand.claim, terms):
            yield Never(EXCEEDS_LIMIT_RANGE, f"the workspace: {text}")
    for quota in terms.quotas:
        yield from _above(demand, quota)


def _above(demand: Demand, quota: Quota) -> Iterator[Never]:
    for name, value in demand.against(quota).items():
        if value > quota.hard[name]:
            text = (
                f"{_who(demand, name, value)} needs {name} {said(value)}, and quota {quota.name} "
                f"allows {said(quota.hard[name])} in all"
            )
            yield Never(EXCEEDS_QUOTA, text)


def _who(demand: Demand, name: str, value: int) -> str:
    phases = (pod.phase for pod in demand.pods if pod.counted.get(name) == value)
    return next(phases, "the build")


def _unsaid(pod: PodNeed, quota: Quota) -> Iterator[Never]:
    missing = [name for name in ASKED_OF_ALL if name in quota.hard and not _is_said(name, pod)]
    if missing and concerns(quota, pod):
        text = f"{pod.phase} must say {', '.join(missing)}, which quota {quota.name} counts"
        yield Never(QUOTA_NEEDS_REQUESTS, text)


def _is_said(name: str, pod: PodNeed) -> bool:
    kind, _, resource = name.rpartition(".")
    return resource in (pod.limits if kind == "limits" else pod.requests)


def _out_of_bounds(pod: PodNeed, terms: Terms) -> Iterator[str]:
    for kind in (Kind.CONTAINER, Kind.POD):
        for bounds in terms.of(kind):
            for text in _breaches(pod, bounds):
                yield f"{text} (limit range {bounds.name}, {kind})"


def _breaches(pod: PodNeed, bounds: Bounds) -> Iterator[str]:
    for name, least in bounds.least.items():
        yield from _below(name, least, pod)
    for name, most in bounds.most.items():
        yield from _beyond(name, most, pod)
    for name, ratio in bounds.ratio.items():
        yield from _apart(name, ratio, pod)


def _below(name: str, least: int, pod: PodNeed) -> Iterator[str]:
    request, limit = pod.requests.get(name), pod.limits.get(name)
    if request is None:
        yield f"it must request {name}, {said(least)} at least"
    elif min(request, least if limit is None else limit) < least:
        yield f"it may not have less than {said(least)} of {name}, and says {said(request)}"


def _beyond(name: str, most: int, pod: PodNeed) -> Iterator[str]:
    request, limit = pod.requests.get(name, 0), pod.limits.get(name)
    if limit is None:
        yield f"it must limit {name}, to {said(most)} at most"
    elif max(request, limit) > most:
        yield f"it may not have more than {said(most)} of {name}, and says {said(limit)}"


def _apart(name: str, ratio: int, pod: PodNeed) -> Iterator[str]:
    request, limit = pod.requests.get(name, 0), pod.limits.get(name, 0)
    if not request or not limit:
        yield f"it must request and limit {name}"
    elif limit * ONE > request * ratio:
        yield f"its limit of {name} may be {said(ratio)} times its request at most"


def _claim_out_of_bounds(claim: Amounts, terms: Terms) -> Iterator[str]:
    size = claim["requests.storage"]
    for bounds in terms.of(Kind.CLAIM):
        least, most = bounds.least.get("storage", 0), bounds.most.get("storage", size)
        if not least <= size <= most:
            text = f"its size is {said(size)}, and may be {said(least)} to {said(most)}"
            yield f"{text} (limit range {bounds.name})"
