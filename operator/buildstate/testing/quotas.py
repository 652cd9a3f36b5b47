"""ResourceQuotas: what a Pod needs is counted when it is made, and given back when it has ended."""

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction

from buildstate.testing.clusters import Cluster
from buildstate.testing.requests import Document, Ref, Refused, Target

_SUFFIXES = {
    "": Fraction(1),
    "m": Fraction(1, 1000),
    **{letter: Fraction(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}
_ENDED = ("Succeeded", "Failed")


def quantity(text: object) -> Fraction:
    """Give the number that a Kubernetes quantity stands for."""
    match = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(text))
    if match is None:
        raise Refused(422, "Invalid", f"{text} is no quantity")
    return Fraction(match[1]) * _SUFFIXES[match[2]]


def reserved(cluster: Cluster, target: Target, pod: Document) -> Cluster:
    """Give the cluster in which every quota of the namespace counts that Pod; raises Refused.

    A quota that the controller has not looked at yet counts nothing.
    """
    needed = needs(pod)
    for ref, quota in list(cluster.of("resourcequotas", target.namespace)):
        status = quota.get("status") or {}
        used, hard = status.get("used") or {}, status.get("hard") or {}
        asked = {name: needed[name] for name in hard if name in needed}
        _refuse_unsaid(target, ref, hard, asked)
        _refuse_too_much(target, ref, hard, used, asked)
        sums = {name: text(quantity(used.get(name, 0)) + one) for name, one in asked.items()}
        if sums:
            fresh = {**quota, "status": {**status, "used": {**used, **sums}}}
            cluster = cluster.put(ref, fresh)
    return cluster


def _refuse_unsaid(
    target: Target, ref: Ref, hard: Mapping[str, str], asked: Mapping[str, Fraction]
) -> None:
    unsaid = [one for one in hard if one.startswith(("requests.", "limits.")) and one not in asked]
    computed = [one for one in unsaid if one.endswith((".cpu", ".memory"))]
    if computed:
        message = (
            f"{target} is forbidden: failed quota: {ref.name}: must specify {', '.join(computed)}"
        )
        raise Refused(403, "Forbidden", message)


def _refuse_too_much(
    target: Target,
    ref: Ref,
    hard: Mapping[str, str],
    used: Mapping[str, str],
    asked: Mapping[str, Fraction],
) -> None:
    over = [
        name
        for name, one in asked.items()
        if quantity(used.get(name, 0)) + one > quantity(hard[name])
    ]
    if over:
        parts = (
            ("requested", {name: text(asked[name]) for name in over}),
            ("used", {name: used.get(name, "0") for name in over}),
            ("limited", {name: hard[name] for name in over}),
        )
        said = ", ".join(
            f"{what}: {','.join(f'{name}={one}' for name, one in values.items())}"
            for what, values in parts
        )
        message = f"{target} is forbidden: exceeded quota: {ref.name}, {said}"
        raise Refused(403, "Forbidden", message)


def text(number: Fraction) -> str:
    """Give a number as a quantity."""
    return str(number) if number.denominator == 1 else f"{number * 1000}m"


def needs(pod: Document) -> dict[str, Fraction]:
    """Give what a quota counts of one Pod."""
    found = {"pods": Fraction(1), "count/pods": Fraction(1)}
    for container in pod["spec"].get("containers", ()):
        for name, one in _resources(container):
            found[name] = found.get(name, Fraction(0)) + one
    return found


def _resources(container: Document) -> Iterator[tuple[str, Fraction]]:
    resources = container.get("resources") or {}
    limits = resources.get("limits") or {}
    # What has a limit and no request asks for its limit.
    for name, one in {**limits, **(resources.get("requests") or {})}.items():
        yield f"requests.{name}", quantity(one)
        yield name, quantity(one)
    for name, one in limits.items():
        yield f"limits.{name}", quantity(one)


def counted(cluster: Cluster, ref: Ref) -> Document:
    """Give a quota as its controller writes it: with what the living Pods use."""
    quota = cluster.objects[ref]
    hard: Mapping[str, str] = quota["spec"].get("hard") or {}
    sums = dict.fromkeys(hard, Fraction(0))
    for _, pod in cluster.of("pods", ref.namespace):
        is_over = (pod.get("status") or {}).get("phase") in _ENDED
        for name, one in needs(pod).items():
            if name in sums and (not is_over or name == "count/pods"):
                sums[name] += one
    used = {name: text(number) for name, number in sums.items()}
    return {**quota, "status": {"hard": dict(hard), "used": used}}
