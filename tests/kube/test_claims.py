from typing import Any

import pytest
from tests.worlds import CLAIM, a_build

from buildstate.domain.actions import CreateClaim
from buildstate.domain.specs import Workspace
from buildstate.domain.states import HeldVolume
from buildstate.kube.claims import manifest, volume


@pytest.mark.parametrize("storage_class", [None, "fast"])
def test_the_claim_of_a_build(storage_class: str | None) -> None:
    workspace = Workspace(size="1Gi", storage_class_name=storage_class)
    claim = manifest(a_build().observed(), CreateClaim(CLAIM, workspace))
    assert (CLAIM, "team", "BuildState") == (
        claim["metadata"]["name"],
        claim["metadata"]["namespace"],
        claim["metadata"]["ownerReferences"][0]["kind"],
    )
    expected = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        **({"storageClassName": storage_class} if storage_class else {}),
    }
    assert expected == claim["spec"]


@pytest.mark.parametrize(
    ("parts", "size"),
    [
        ({}, "5Gi"),
        ({"spec": {"resources": {"requests": {"storage": "1Gi"}}}}, "1Gi"),
        (
            {
                "spec": {"resources": {"requests": {"storage": "1Gi"}}},
                "status": {"capacity": {"storage": "2Gi"}},
            },
            "2Gi",
        ),
    ],
    ids=["its metadata only", "not bound", "bound"],
)
def test_a_volume_is_as_large_as_it_was_given_or_asked_for(
    parts: dict[str, Any], size: str
) -> None:
    document = {"metadata": {"name": CLAIM, "uid": "c"}, **parts}
    assert HeldVolume(name=CLAIM, uid="c", size=size) == volume(document, "5Gi")
