"""CustomResourceDefinitions on a cluster."""

import json
from pathlib import Path

from clusters.processes import wait_until
from clusters.providers import Cluster


def establish(cluster: Cluster, definition: Path) -> None:
    """Make a definition known, and wait until objects of its kind can be made."""
    cluster.kubectl("apply", "--server-side", "-f", definition)
    await_effect(cluster, "-f", definition)


def await_effect(cluster: Cluster, *which: str | Path) -> None:
    """Wait until a definition is in effect; `which` names it to kubectl.

    `kubectl wait` fails where it comes before the first condition is written.
    """
    wait_until(lambda: _is_established(cluster, *which), f"{which[-1]} in effect", 60)


def _is_established(cluster: Cluster, *which: str | Path) -> bool:
    found = json.loads(cluster.kubectl("get", *which, "-o", "json"))
    conditions = (found.get("status") or {}).get("conditions") or ()
    return ("Established", "True") in {(one["type"], one["status"]) for one in conditions}
