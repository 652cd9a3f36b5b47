"""Questions to a cluster's API server, quick enough to be asked again and again."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from clusters import binaries, commands
from clusters.layouts import Layout

SECONDS = 5


def get(layout: Layout, path: str) -> Any:
    """The answer as JSON or else as text; None where there is no good answer."""
    context = ssl.create_default_context(cafile=str(layout.authority.certificate))
    admin = layout.authority.directory / "admin.crt"
    context.load_cert_chain(admin, admin.with_suffix(".key"))
    # No proxy of the environment has a business between this machine and itself.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(layout.server + path, timeout=SECONDS) as answer:
            text = answer.read().decode()
    except (OSError, urllib.error.URLError):
        return None
    return json.loads(text) if text.startswith("{") else text


def ready(layout: Layout) -> bool:
    """Whether the API server says that it is ready."""
    return bool(get(layout, "/readyz") == "ok")


def exists(layout: Layout, path: str) -> bool:
    """Whether there is an object at the path."""
    return get(layout, path) is not None


def nodes_ready(layout: Layout, count: int) -> bool:
    """Whether there are that many nodes that are ready for Pods."""
    nodes = (get(layout, "/api/v1/nodes") or {}).get("items", [])
    return sum(_ready_for_pods(node) for node in nodes) >= count


def _ready_for_pods(node: dict[str, Any]) -> bool:
    conditions = node["status"].get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    # The controller manager takes its not-ready taint off a moment after the node is ready.
    return ready and not node["spec"].get("taints")


def kubectl(layout: Layout, *args: str | Path, stdin: str | None = None) -> str:
    """What kubectl wrote to its standard output."""
    target = f"--kubeconfig={layout.kubeconfig()}"
    return commands.run(binaries.tool("kubectl"), target, *args, stdin=stdin)


def apply(layout: Layout, manifests: str) -> None:
    """Create or update the objects."""
    kubectl(layout, "apply", "--server-side", "-f", "-", stdin=manifests)
