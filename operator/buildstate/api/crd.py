"""The CustomResourceDefinition, made from the models. `python -m buildstate.api.crd` prints it."""

import sys
from typing import Any

import yaml

from buildstate.api.convert import UNWRITTEN
from buildstate.api.schema import structural, without_defaults
from buildstate.api.v1alpha1 import GROUP, KIND, PLURAL, VERSION, BuildStateModel

HEADER = "# Made by `make generate` from operator/buildstate/api. Do not edit.\n"

_COLUMNS: tuple[tuple[str, str, str, int], ...] = (
    ("Phase", "string", ".status.phase", 0),
    ("Status", "string", ".status.status", 0),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', 0),
    ("Checkpoint", "string", ".status.checkpoints[-1:].name", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Attempt", "integer", ".status.attempt", 1),
    ("Target", "string", ".spec.phase", 1),
    ("Started", "date", ".status.startTime", 1),
    ("Completed", "date", ".status.completionTime", 1),
    ("Message", "string", '.status.conditions[?(@.type=="Ready")].message', 1),
)
_SELECTABLE = (".spec.phase", ".status.phase", ".status.status")
_STATUS: dict[str, Any] = {
    # Whoever reads a new build sees INIT at once, and so do the rules: there is no first write.
    "default": {**UNWRITTEN},
    # One writer writes it as a whole: no owner of each single field needs to be kept.
    "x-kubernetes-map-type": "atomic",
}


def definition() -> dict[str, Any]:
    """Give the CRD as a document."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["bs"],
                "categories": ["builds"],
            },
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def _version() -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": _root()},
        "additionalPrinterColumns": [
            {"name": name, "type": kind, "jsonPath": path, "priority": priority}
            for name, kind, path, priority in _COLUMNS
        ],
        "selectableFields": [{"jsonPath": path} for path in _SELECTABLE],
    }


def _root() -> dict[str, Any]:
    root = structural(BuildStateModel)
    own = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    }
    status = {**without_defaults(root["properties"]["status"]), **_STATUS}
    return {**root, "properties": {**own, **root["properties"], "status": status}}


def rendered() -> str:
    """Give the CRD as YAML, in a fixed order."""
    return HEADER + yaml.dump(definition(), Dumper=_Plain, sort_keys=False, width=100)


class _Plain(yaml.SafeDumper):
    """YAML without anchors: what is said twice is written twice, as people read it."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


if __name__ == "__main__":
    sys.stdout.write(rendered())
