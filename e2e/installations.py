"""The operator on a cluster: built from this checkout, installed by its own chart."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import clusters
from clusters import Cluster, commands, steps

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts" / "buildstate"
NAMESPACE = "buildstate-system"
RELEASE = "buildstate"
REPOSITORY = "localhost/buildstate-operator"
TAG = "dev"
QUICKSTART = "localhost/buildstate-quickstart:dev"

T = TypeVar("T")


class Late(AssertionError):
    """What was waited for did not come; the text says what was there instead."""


@dataclass(frozen=True)
class Installation:
    """A cluster with the operator on it; `image` tells one build of its image from another."""

    cluster: Cluster
    image: str

    def helm(self, *args: str | Path) -> str:
        """What helm wrote, in the namespace of the operator."""
        target = ("--kubeconfig", self.cluster.kubeconfig, "--namespace", NAMESPACE)
        return commands.run(clusters.tool("helm"), *args, *target)

    def install(self) -> None:
        """Install the chart, or upgrade to it, and wait until the operator is ready."""
        # The tag stays the same, so only the annotation makes a Pod of a new image.
        values = (
            f"image.repository={REPOSITORY}",
            f"image.tag={TAG}",
            f"podAnnotations.image={self.image}",
        )
        image = [part for value in values for part in ("--set-string", value)]
        with steps.step("Installing the chart"):
            self.helm(
                "upgrade",
                "--install",
                RELEASE,
                CHART,
                "--create-namespace",
                *image,
                "--wait",
                "--timeout",
                "120s",
            )

    def restart(self) -> None:
        """Begin a new process of the operator, and wait until it is ready."""
        target = f"deployment/{RELEASE}"
        self.cluster.kubectl("-n", NAMESPACE, "rollout", "restart", target)
        self.cluster.kubectl("-n", NAMESPACE, "rollout", "status", target, "--timeout=120s")

    def logs(self) -> list[dict[str, Any]]:
        """The log of the operator, record by record; raises ValueError where a line is no JSON."""
        text = self.cluster.kubectl("-n", NAMESPACE, "logs", f"deployment/{RELEASE}")
        return [json.loads(line) for line in text.splitlines()]

    def page(self, name: str) -> str:
        """A page that the operator serves, such as `metrics`."""
        service = f"/api/v1/namespaces/{NAMESPACE}/services/{RELEASE}:8080/proxy/{name}"
        return self.cluster.kubectl("get", "--raw", service)

    def apply(self, document: dict[str, Any]) -> None:
        """Apply one object."""
        self.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(document))

    def get(self, *args: str) -> Any:
        """What kubectl gets, parsed."""
        return json.loads(self.cluster.kubectl("get", *args, "-o", "json"))


def ensure(cluster: Cluster) -> Installation:
    """The operator of this checkout on `cluster`."""
    image = f"{REPOSITORY}:{TAG}"
    key = cluster.build_image(ROOT, ROOT / "Dockerfile", image)
    cluster.load_image(image)
    installation = Installation(cluster, key)
    installation.install()
    return installation


def ensure_quickstart(cluster: Cluster) -> None:
    """The image that `examples/quickstart.yaml` works with, on the node."""
    context = ROOT / "examples" / "quickstart"
    cluster.build_image(context, context / "Dockerfile", QUICKSTART)
    cluster.load_image(QUICKSTART)


def wait_until(observe: Callable[[], T], wanted: Callable[[T], bool], seconds: float) -> T:
    """What was observed once it is as wanted; raises Late with the last that was seen."""
    limit = time.monotonic() + seconds
    while not wanted(seen := observe()):
        if time.monotonic() > limit:
            raise Late(f"waited {seconds:.0f} s; last seen: {json.dumps(seen, indent=1)}")
        time.sleep(0.2)
    return seen
