"""The Kubernetes Event that tells people of one transition or refusal."""

from datetime import datetime
from typing import Any

from buildstate.api.v1alpha1 import API_VERSION, KIND
from buildstate.domain import names
from buildstate.domain.observed import Observed

COMPONENT = "buildstate-operator"
MAX_MESSAGE = 1024


def manifest(
    observed: Observed,
    *,
    mark: str,
    reason: str,
    message: str,
    is_warning: bool,
    time: datetime,
) -> dict[str, Any]:
    """Give the Event; `mark` tells it from the others of the same build, so it is made once."""
    stamp = f"{time:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": names.event_name(observed.name, observed.uid, mark),
            "namespace": observed.namespace,
        },
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": observed.name,
            "namespace": observed.namespace,
            "uid": observed.uid,
        },
        "reason": reason,
        "message": message[:MAX_MESSAGE],
        "type": "Warning" if is_warning else "Normal",
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": COMPONENT,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
