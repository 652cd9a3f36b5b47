"""The names of everything that a build makes: the same question gives the same name, for ever.

A deterministic name turns "create it once" into something the API server itself keeps: the second
create of the same effect is answered with AlreadyExists.
"""

import re
from functools import lru_cache
from hashlib import sha256

from buildstate.domain.phases import BuildPhase

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "buildstate-operator"
BUILD_LABEL = "buildstate.dev/build"
PHASE_LABEL = "buildstate.dev/phase"
SEQUENCE_LABEL = "buildstate.dev/sequence"
ATTEMPT_LABEL = "buildstate.dev/attempt"
FINALIZER = "buildstate.dev/store"
ORIGIN_ANNOTATION = "buildstate.dev/restore-from"
"""Names the uid of the lost build whose state a new object begins with."""

QUOTA_NAME = "buildstate"
QUOTA_MARK = "buildstate.dev/quota"
"""The label of a namespace for which we keep a ResourceQuota, and the annotation with its size."""

QUOTA_MANAGED = "managed"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
QUEUE_PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"
QUEUE_LABELS = (QUEUE_LABEL, QUEUE_PRIORITY_LABEL)
"""Kueue's labels on a build, which its Pods get, too."""

UID_LABEL = "buildstate.dev/build-uid"
AREA_LABEL = "buildstate.dev/area"
CHECKPOINT_LABEL = "buildstate.dev/checkpoint"
DOCUMENT_LABEL = "buildstate.dev/document"

MAX_BUILD_NAME = 63
"""A build's name is the value of a label on its Pods."""

_READABLE = 40


@lru_cache(maxsize=1024)
def pod_name(build: str, uid: str, phase: BuildPhase, sequence: int, attempt: int) -> str:
    """Name the Pod of one attempt: `sequence` is that of the transition that entered the phase."""
    return f"{_stem(build)}-{phase.lower()}-{_short(uid, sequence, attempt)}"


def verifier_name(build: str, uid: str, request: str) -> str:
    """Name the Pod that looks at the artifacts of the build because of that request."""
    return f"{_stem(build)}-verify-{_short(uid, 'verify', request)}"


def claim_name(build: str, uid: str) -> str:
    """Name the workspace claim that belongs to the build."""
    return f"{_stem(build)}-workspace-{_short(uid)}"


def event_name(build: str, uid: str, mark: str) -> str:
    """Name a Kubernetes Event of the build; `mark` tells it from the others."""
    return f"{_stem(build)}.{_short(uid, mark)}"


def checkpoint_name(area: str, uid: str, checkpoint: str) -> str:
    """Name the ConfigMap of a checkpoint: `area` is the half of the store that it is kept in."""
    return f"checkpoint-{_plain(checkpoint)}-{_short(area, uid, checkpoint)}"


def document_name(path: str) -> str:
    """Name the ConfigMap of a document by its path in the store."""
    return f"document-{_plain(path.rpartition('/')[2])}-{_short(path)}"


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()[:_READABLE]).strip("-") or "x"


def _stem(build: str) -> str:
    # A dot is fine in a build's name, but in a Pod's name it makes a poor host name.
    return build[:_READABLE].replace(".", "-").rstrip("-")


def _short(*parts: object) -> str:
    return sha256("/".join(map(str, parts)).encode()).hexdigest()[:10]
