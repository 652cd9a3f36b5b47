"""What a Pod asks for as a whole is what the scheduler and a quota count."""

from typing import Any

import pytest

from buildstate.kube.footprints import footprint


def need(name: str, cpu: str | None, **fields: Any) -> dict[str, Any]:
    """A container that asks for so much CPU."""
    asked = {"resources": {"requests": {"cpu": cpu}}} if cpu else {}
    return {"name": name, **asked, **fields}


def pod(*containers: dict[str, Any], first: tuple[dict[str, Any], ...] = (), **spec: Any) -> Any:
    """A Pod with these containers, and these before them."""
    return {"spec": {"containers": list(containers), "initContainers": list(first), **spec}}


WORK = need("work", "1")


@pytest.mark.parametrize(
    ("document", "cpu"),
    [
        pytest.param(pod(WORK), "1", id="one container"),
        pytest.param(pod(WORK, need("injected", "500m")), "1500m", id="side by side"),
        pytest.param(pod(WORK, first=(need("a", "2"), need("b", "3"))), "3", id="before"),
        pytest.param(pod(WORK, first=(need("a", "100m"),)), "1", id="little before"),
        pytest.param(
            pod(WORK, first=(need("s", "1", restartPolicy="Always"), need("a", "2"))),
            "3",
            id="before, beside one that stays",
        ),
        pytest.param(
            pod(WORK, first=(need("a", "1"), need("s", "1", restartPolicy="Always"))),
            "2",
            id="one that stays",
        ),
        pytest.param(pod(WORK, overhead={"cpu": "250m"}), "1250m", id="overhead"),
    ],
)
def test_a_pod_asks_for(document: dict[str, Any], cpu: str) -> None:
    assert {"cpu": cpu} == footprint(document, "requests")


def test_a_pod_that_asks_for_nothing_asks_for_nothing() -> None:
    assert {} == footprint({}, "requests") == footprint(pod(need("work", None)), "limits")


def test_a_container_that_was_resized_has_what_it_was_given() -> None:
    given = {"name": "work", "resources": {"requests": {"cpu": "2"}}}
    document = {**pod(WORK), "status": {"containerStatuses": [given]}}
    assert {"cpu": "2"} == footprint(document, "requests")
