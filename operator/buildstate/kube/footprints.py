"""What a whole Pod asks for, as the scheduler and a quota count it."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal

from buildstate.domain.quantities import added, highest, parsed, texts

Side = Literal["requests", "limits"]


def footprint(pod: Mapping[str, Any], side: Side) -> Mapping[str, str]:
    """Give the requests or the limits of a Pod: quantities by resource.

    Containers that run side by side add up; of those before them the greatest counts. Where a
    container was resized, what it was really given counts.
    """
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    given = {one["name"]: one for one in status.get("containerStatuses") or ()}
    main = [_given(one, given, side) for one in spec.get("containers") or ()]
    if len(main) == 1 and not spec.get("initContainers") and not spec.get("overhead"):
        return main[0]  # Nearly every Pod of ours: there is nothing to add up.
    beside, before = _first(spec.get("initContainers") or (), side)
    together = highest(added(beside, *map(parsed, main)), before)
    return texts(added(together, parsed(spec.get("overhead") or {})))


def _given(
    container: Mapping[str, Any], statuses: Mapping[str, Mapping[str, Any]], side: Side
) -> Mapping[str, str]:
    wanted: Mapping[str, str] = (container.get("resources") or {}).get(side) or {}
    given = (statuses.get(container["name"], {}).get("resources") or {}).get(side)
    return {**wanted, **given} if given else wanted


def _first(containers: Any, side: Side) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """Give what those that stay beside the main ones need, and the most before these begin."""
    beside: dict[str, Fraction] = {}
    before: dict[str, Fraction] = {}
    for container in containers:
        need = parsed((container.get("resources") or {}).get(side) or {})
        if container.get("restartPolicy") == "Always":
            beside = added(beside, need)
            before = highest(before, beside)
        else:
            before = highest(before, added(beside, need))
    return beside, before
