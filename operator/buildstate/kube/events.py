"""The Kubernetes Event that tells people of one transition or refusal."""

from collections.abc import Mapping
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
    about = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": observed.name,
        "namespace": observed.namespace,
        "uid": observed.uid,
    }
    return _event(
        about, mark=mark, reason=reason, message=message, is_warning=is_warning, time=time
    )


def of_namespace(
    namespace: Mapping[str, Any], *, reason: str, message: str, is_warning: bool, time: datetime
) -> dict[str, Any]:
    """Give the Event of a namespace, which stands in it; the same warning is one Event."""
    name = namespace["metadata"]["name"]
    about = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "name": name,
        # An object of no namespace has its Events in `default`, where the tenant cannot look.
        "namespace": name,
        "uid": namespace["metadata"]["uid"],
    }
    mark = f"{reason} {message}" if is_warning else f"{reason} {message} {time.isoformat()}"
    return _event(
        about, mark=mark, reason=reason, message=message, is_warning=is_warning, time=time
    )


def _event(
    about: Mapping[str, Any],
    *,
    mark: str,
    reason: str,
    message: str,
    is_warning: bool,
    time: datetime,
) -> dict[str, Any]:
    stamp = f"{time:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": names.event_name(about["name"], about["uid"], mark),
            "namespace": about["namespace"],
        },
        "involvedObject": about,
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
