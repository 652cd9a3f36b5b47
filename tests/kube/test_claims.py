import pytest
from tests.worlds import CLAIM, a_build

from buildstate.domain.actions import CreateClaim
from buildstate.domain.specs import Workspace
from buildstate.kube.claims import manifest


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
