"""What happens to builds in a world: what people make and ask for, and how their Pods end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from buildstate.api.v1alpha1 import API_VERSION, KIND, PLURAL
from buildstate.testing.clusters import Cluster
from buildstate.testing.controllers import path_of
from buildstate.testing.kubelets import Script
from buildstate.testing.requests import Document, Ref, Request

NAMESPACE = "team"
GONE = ""
"""The phase of a build that is not there any more."""

When = Callable[[Cluster], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What a person does, once: `request`, when `when` is so, and what comes before is done."""

    when: When
    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One story, which always has the same end: by the name of each build its last phase.

    In one that `is_timed` a timeout counts by the clock on the wall, which must not jump then. In
    one that `is_troubled` something is tried for ever and changes nothing; `broken` is the place
    that never answers. What `may_differ` of the end hangs on who comes first.
    """

    name: str
    deeds: tuple[Deed, ...]
    ends: Mapping[str, str]
    script: Script = field(default_factory=dict)
    is_timed: bool = False
    may_differ: tuple[str, ...] = ()
    is_troubled: bool = False
    broken: str = ""


def build_ref(name: str) -> Ref:
    """Name a build of the story."""
    return Ref(PLURAL, NAMESPACE, name)


def made(name: str, spec: Mapping[str, Any], when: When | None = None) -> Deed:
    """Somebody makes a build."""
    body = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }
    return Deed(when=when or (lambda _cluster: True), request=_post(PLURAL, body))


def put(plural: str, body: Document, when: When | None = None) -> Deed:
    """Somebody makes another object of the namespace."""
    metadata = {"namespace": NAMESPACE, **body["metadata"]}
    request = _post(plural, {**body, "metadata": metadata})
    return Deed(when=when or (lambda _cluster: True), request=request)


def asked(name: str, when: When, **spec: Any) -> Deed:
    """Somebody changes what a build asks for."""
    request = Request("PATCH", path_of(build_ref(name)), body={"spec": spec})
    return Deed(when=when, request=request)


def deleted(name: str, when: When) -> Deed:
    """Somebody deletes a build."""
    return Deed(when=when, request=Request("DELETE", path_of(build_ref(name)), body={}))


def phase_of(cluster: Cluster, name: str) -> str:
    """Give the phase of a build, INIT before it has one, and GONE where it is not there."""
    build = cluster.get(build_ref(name))
    return GONE if build is None else (build.get("status") or {}).get("phase", "INIT")


def in_phase(name: str, *phases: str) -> When:
    """Wait for a build to be in one of those phases."""
    return lambda cluster: phase_of(cluster, name) in phases


def fares(name: str, *statuses: str) -> When:
    """Wait for a build to fare so: its `status.status`."""

    def is_so(cluster: Cluster) -> bool:
        build = cluster.get(build_ref(name))
        return ((build or {}).get("status") or {}).get("status") in statuses

    return is_so


def runs(name: str, phase: str) -> When:
    """Wait for the Pod of a phase to run."""

    def is_so(cluster: Cluster) -> bool:
        return any(
            (pod.get("status") or {}).get("phase") == "Running"
            for _, pod in cluster.of("pods", NAMESPACE)
            if pod["metadata"]["labels"].get("buildstate.dev/phase") == phase
            and pod["metadata"]["labels"].get("buildstate.dev/build") == name
        )

    return is_so


def _post(plural: str, body: Document) -> Request:
    path = path_of(Ref(plural, NAMESPACE, "")).rstrip("/")
    return Request("POST", path, body=body)
