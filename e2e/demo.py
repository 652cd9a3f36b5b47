"""`python -m demo`: from nothing to a finished build on a real cluster, told as it happens."""

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import installations
from clusters import Cluster, CommandFailed, Profile, Unsupported, choose, steps, tool
from installations import ROOT, Installation

NAME = "demo"
BUILD = ROOT / "examples" / "quickstart.yaml"
PATIENCE = 300.0
PHASES = ("INIT", "SETUP", "BUILD", "TEST", "CLEANUP", "COMPLETE")


def main() -> int:
    """Run the demo; give 0 when the build is COMPLETE."""
    try:
        cluster = choose(profile=Profile.FULL).start(NAME)
        installation = installations.ensure(cluster)
        installations.ensure_quickstart(cluster)
    except (Unsupported, CommandFailed) as error:
        sys.stderr.write(f"\nThe demo cannot go on. {error}\n")
        return 1
    _tell("\nApplying examples/quickstart.yaml")
    cluster.kubectl("delete", "--ignore-not-found", "--wait", "-f", BUILD)
    cluster.kubectl("apply", "-f", BUILD)
    last = _follow(installation)
    _tell(_outcome(cluster, last))
    return 0 if last.get("status") == "Succeeded" else 1


def _follow(installation: Installation) -> Mapping[str, Any]:
    began, shown = time.monotonic(), ""
    last: Mapping[str, Any] = {}
    for last in _states(installation):
        line = _line(last)
        if line != shown:
            _tell(f"{time.monotonic() - began:6.1f} s  {line}")
            shown = line
    return last


def _states(installation: Installation) -> Iterator[Mapping[str, Any]]:
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        status = installation.get("bs", "quickstart").get("status") or {}
        yield status
        if status.get("phase") in ("COMPLETE", "ERROR") and status["status"] != "Recovering":
            return
        time.sleep(0.2)


def _line(status: Mapping[str, Any]) -> str:
    phase = status.get("phase", "INIT")
    done = PHASES.index(phase) if phase in PHASES else 0
    bar = "#" * done + "." * (len(PHASES) - 1 - done)
    conditions: list[dict[str, str]] = status.get("conditions", [])
    ready = next((c for c in conditions if c["type"] == "Ready"), {})
    return f"[{bar}] {phase:<9} {status.get('status', ''):<10} {ready.get('message', '')}"


def _outcome(cluster: Cluster, status: Mapping[str, Any]) -> str:
    kubectl = f"{tool('kubectl')} --kubeconfig {cluster.kubeconfig}"
    well = status.get("status") == "Succeeded"
    return "\n".join(
        [
            "",
            "The build is COMPLETE: the project was set up, built to dist/greeting.pyz, tested and"
            if well
            else "The build did not succeed. Its status says why, and its Pods have the logs:",
            "cleaned up, each phase in a Pod of its own on one shared workspace." if well else "",
            "",
            cluster.kubectl("get", "bs,pods,pvc").rstrip(),
            "",
            "The cluster goes on. Type next:",
            f"  alias k='{kubectl}'",
            "  k get bs -w -o wide                                   where is it",
            "  k describe bs quickstart                              why, and what happened",
            "  k logs -l buildstate.dev/phase=TEST                   what the tests said",
            "  k explain bs.spec.phases.build                        what a phase can do",
            """  k patch bs quickstart --type merge -p '{"spec":{"phase":"BUILD"}}'   a refusal""",
            "  make demo-down                                        stop the cluster",
        ]
    )


def _tell(text: str) -> None:
    steps.note(text)


if __name__ == "__main__":
    sys.exit(main())
