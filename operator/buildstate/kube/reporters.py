"""The containers of ours beside the work: how they are asked for artifacts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buildstate import __version__
from buildstate.domain.artifacts import Wish

Document = dict[str, Any]

VERIFIER = "verify"
"""Looks, before the work, whether what earlier phases left behind is as it was."""
REPORTER = "report"
"""Measures what the work has left behind."""

VARIABLE = "BUILDSTATE_ARTIFACTS"
COMMAND = ("/opt/venv/bin/python", "-I", "-m", "buildstate.reporters")
"""Without a path, an environment or modules of anybody else: nothing of the workspace is run."""


@dataclass(frozen=True, slots=True)
class Image:
    """The image that our program is in, and when it is pulled: the operator's own."""

    name: str = f"buildstate-operator:{__version__}"
    pull_policy: str = "IfNotPresent"


DEFAULT_IMAGE = Image()


def container(
    name: str, wishes: Sequence[Wish], image: Image, beside: Mapping[str, Any]
) -> Document:
    """Give a container that measures `wishes`, with the bounds of the one that it stands beside."""
    bounds = {key: beside[key] for key in ("resources", "securityContext") if key in beside}
    return {
        "name": name,
        "image": image.name,
        "imagePullPolicy": image.pull_policy,
        "command": [*COMMAND],
        "env": [{"name": VARIABLE, "value": _listed(wishes)}],
        "workingDir": "/",
        # Where it ends without a report, what Python said is the message.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "workspace", "mountPath": "/workspace", "readOnly": True}],
        **bounds,
    }


def _listed(wishes: Sequence[Wish]) -> str:
    text = json.dumps(
        [[wish.path, wish.sha256] for wish in wishes], ensure_ascii=False, separators=(",", ":")
    )
    # The kubelet would put another variable in the place of $(NAME).
    return text.replace("$", "\\u0024")
