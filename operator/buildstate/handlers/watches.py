"""What kopf tells us: that a build changed. No decision is made here."""

from typing import Any

import kopf

from buildstate.api.v1alpha1 import GROUP, PLURAL, VERSION
from buildstate.engine.inboxes import Inbox


def register(registry: kopf.OperatorRegistry, inbox: Inbox) -> None:
    """Watch builds."""

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def build_changed(event: kopf.RawEvent, **_: Any) -> None:
        inbox.build(event["type"], dict(event["object"]))
