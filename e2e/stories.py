"""The words in which the user stories are told."""

import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import installations
from installations import Installation, wait_until

IMAGE = "localhost/busybox:1"
PATIENCE = 90.0


def work(script: str, **fields: Any) -> dict[str, Any]:
    """The work of a phase: a shell script in a busybox."""
    return {"image": IMAGE, "command": ["sh", "-euc", script], **fields}


def build(name: str, **spec: Any) -> dict[str, Any]:
    """A BuildState."""
    return {
        "apiVersion": "buildstate.dev/v1alpha1",
        "kind": "BuildState",
        "metadata": {"name": name},
        "spec": spec,
    }


def phase_is(*phases: str) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a build stands in one of these phases."""
    return lambda seen: seen.get("status", {}).get("phase") in phases


def fares(status: str, phase: str | None = None) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a build fares like this, in that phase if one is named."""

    def is_so(seen: Mapping[str, Any]) -> bool:
        stands = seen.get("status", {})
        return stands.get("status") == status and phase in (None, stands["phase"])

    return is_so


@dataclass(frozen=True)
class Namespace:
    """A namespace in which a story is told."""

    installation: Installation
    name: str

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """What kubectl wrote."""
        return self.installation.cluster.kubectl("-n", self.name, *args, stdin=stdin)

    def apply(self, *documents: dict[str, Any]) -> None:
        """Apply objects."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(items))

    def patch(self, name: str, **spec: Any) -> None:
        """Change what a build asks for."""
        self.kubectl("patch", "bs", name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def get(self, *args: str) -> Any:
        """What kubectl gets, parsed."""
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def pods(self) -> list[dict[str, Any]]:
        """The Pods, oldest first."""
        pods: list[dict[str, Any]] = self.get("pods")["items"]
        return sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def live_pods(self) -> list[str]:
        """The names of the Pods that have not ended."""
        over = ("Succeeded", "Failed")
        return [p["metadata"]["name"] for p in self.pods() if p["status"]["phase"] not in over]

    def wait(
        self,
        name: str,
        wanted: Callable[[Mapping[str, Any]], bool],
        seconds: float = PATIENCE,
    ) -> Mapping[str, Any]:
        """The status of a build once it is as wanted."""
        seen = wait_until(lambda: self.get("bs", name), wanted, seconds)
        status: Mapping[str, Any] = seen["status"]
        return status

    def wait_for_no_live_pods(self) -> None:
        """Wait until every Pod has ended."""
        wait_until(self.live_pods, lambda live: not live, PATIENCE)


def condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """One condition."""
    return next(c for c in status["conditions"] if c["type"] == kind)


def way(status: Mapping[str, Any]) -> list[str]:
    """The phases that a build went through."""
    return ["INIT", *(step["to"] for step in status["history"])]


def kill_operator(installation: Installation) -> None:
    """Kill the operator's process on the node at once, as `kill -9` does; raises LookupError."""
    pods = installation.get("pods", "-n", installations.NAMESPACE)["items"]
    containers = [
        status["containerID"].rpartition("/")[2]
        for pod in pods
        for status in pod["status"]["containerStatuses"]
        if "running" in status["state"]
    ]
    os.kill(_process_of(containers), signal.SIGKILL)


def _process_of(containers: list[str]) -> int:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            groups = (process / "cgroup").read_text()
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue  # It ended while we looked.
        if b"buildstate" in command and any(container in groups for container in containers):
            return int(process.name)
    raise LookupError(f"no process of the containers {containers} on this machine")
