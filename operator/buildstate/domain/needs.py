"""What a build still needs, in the words of a ResourceQuota.

A promise is for the whole of what is left of a build: its phases run one after the other, so it is
the largest need of each kind, not their sum. Pods that have ended stay until the build is deleted,
so that of their number it is the sum.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from buildstate.domain.phases import BuildPhase
from buildstate.domain.specs import WorkResources, Workspace
from buildstate.domain.terms import (
    ONE,
    Amounts,
    Kind,
    Quota,
    Scope,
    Terms,
    amount,
    amounts,
    largest,
)

COMPUTE = ("cpu", "memory", "ephemeral-storage")
HUGE = "hugepages-"
COUNTED_PODS = "count/pods"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodNeed:
    """What the Pod of one phase asks for, after the defaults of its namespace.

    `counted` is that in the keys of a quota.
    """

    phase: BuildPhase
    requests: Amounts
    limits: Amounts
    has_deadline: bool
    counted: Amounts

    @property
    def is_best_effort(self) -> bool:
        """Say whether it asks for neither CPU nor memory."""
        return not any(
            one.get(name) for one in (self.requests, self.limits) for name in COMPUTE[:2]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is left of a build: the Pods of its phases, and the claim that it makes.

    `number` is how many Pods there will be at the end, with those that are there now.
    """

    pods: tuple[PodNeed, ...] = ()
    number: int = 0
    claim: Amounts = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.pods)

    def against(self, quota: Quota) -> Amounts:
        """Give what `quota` has to have for it."""
        counted = [pod.counted for pod in self.pods if concerns(quota, pod)]
        if not counted and quota.scopes:
            return {}
        whole = {**largest(counted), **self.claim}
        if counted:
            whole[COUNTED_PODS] = self.number * ONE
        return {name: whole[name] for name in quota.hard if whole.get(name)}


def pod_need(
    phase: BuildPhase, resources: WorkResources, terms: Terms, *, has_deadline: bool
) -> PodNeed:
    """Give what the Pod of a phase needs whose container asks for `resources`."""
    requests, limits = _with_defaults(resources, terms)
    return PodNeed(
        phase=phase,
        requests=requests,
        limits=limits,
        has_deadline=has_deadline,
        counted=_counted(requests, limits),
    )


def _with_defaults(resources: WorkResources, terms: Terms) -> tuple[Amounts, Amounts]:
    limits = amounts(resources.limits)
    # The API server does this before the LimitRange is asked.
    requests = {**limits, **amounts(resources.requests)}
    for bounds in terms.of(Kind.CONTAINER):
        requests = {**bounds.default_request, **requests}
        limits = {**bounds.default, **limits}
    return requests, limits


def _counted(requests: Amounts, limits: Amounts) -> Amounts:
    asked = {f"requests.{name}": value for name, value in requests.items() if _is_counted(name)}
    bare = {name: value for name, value in requests.items() if _is_bare(name)}
    limited = {f"limits.{name}": limits[name] for name in COMPUTE if name in limits}
    return {"pods": ONE, **bare, **asked, **limited}


def _is_bare(name: str) -> bool:
    return name in COMPUTE or name.startswith(HUGE)


def _is_counted(name: str) -> bool:
    return _is_bare(name) or "/" in name


def claim_need(workspace: Workspace | None) -> Amounts:
    """Give what the claim counts for that a build makes for itself; nothing where it makes none."""
    if workspace is None or workspace.size is None:
        return {}
    plain = {"persistentvolumeclaims": ONE, "requests.storage": amount(workspace.size)}
    return {
        **plain,
        "count/persistentvolumeclaims": ONE,
        **dict(_of_class(plain, workspace.storage_class_name)),
    }


def _of_class(plain: Mapping[str, int], name: str | None) -> Iterator[tuple[str, int]]:
    # Which class is the cluster's default is not asked: where it counts, the API server says so.
    if name is not None:
        for key, value in plain.items():
            yield f"{name}.storageclass.storage.k8s.io/{key}", value


def concerns(quota: Quota, pod: PodNeed) -> bool:
    """Say whether `quota` counts that Pod."""
    return all(_matches(scope, pod) for scope in quota.scopes)


def _matches(scope: Scope, pod: PodNeed) -> bool:
    if scope.name == "PriorityClass":
        # Our Pods name none.
        return scope.operator in ("NotIn", "DoesNotExist")
    known = {
        "BestEffort": pod.is_best_effort,
        "NotBestEffort": not pod.is_best_effort,
        "Terminating": pod.has_deadline,
        "NotTerminating": not pod.has_deadline,
    }
    return known.get(scope.name, False)
