"""Who is looked at again when another build changes."""

from typing import Any

import pytest
from tests.worlds import NAMESPACE, a_build, a_document

from buildstate.domain.phases import BuildPhase
from buildstate.engine.caches import Cache
from buildstate.kube.ports import Document, Key

APP, LIB = Key(NAMESPACE, "app"), Key(NAMESPACE, "lib")


def app(*names: str, version: int = 1) -> dict[str, Any]:
    """A build that depends on those."""
    asked = [{"name": name} for name in names]
    return a_document(version, name="app", uid="uid-of-app", dependencies=asked)


def lib(version: int = 1, uid: str = "uid-of-lib", **status: Any) -> dict[str, Any]:
    """A build that depends on nobody."""
    return {**a_document(version, name="lib", uid=uid), "status": status or None}


class Town:
    """A cache, and who was woken by it."""

    def __init__(self, *documents: Document) -> None:
        self.woken: list[Key] = []
        self.cache = Cache(self.woken.append)
        for document in documents:
            self.cache.put_build(document)
        self.woken.clear()


RUNNING: dict[str, Any] = {"phase": "BUILD", "sequence": 2, "status": "Running"}


@pytest.mark.parametrize(
    ("after", "is_news"),
    [
        pytest.param(lib(2, phase="TEST", sequence=3), True, id="it walked on"),
        pytest.param(lib(2, **{**RUNNING, "failure": {"reason": "x"}}), True, id="it failed"),
        pytest.param(lib(2, **{**RUNNING, "status": "Failed"}), True, id="it ended"),
        pytest.param(lib(2, uid="another", **RUNNING), True, id="it was made anew"),
        pytest.param(lib(2, **{**RUNNING, "status": "Waiting"}), False, id="it waits for its Pod"),
        pytest.param(lib(2, **{**RUNNING, "attempt": 2}), False, id="it tries again"),
    ],
)
def test_who_depends_on_a_build_is_woken_when_it_changed_for_them(
    after: Document, is_news: bool
) -> None:
    town = Town(lib(1, **RUNNING), app("lib"))
    assert [LIB] == town.cache.put_build(after)
    assert [APP] * is_news == town.woken


def test_who_waits_is_woken_by_the_creation_and_the_deletion() -> None:
    town = Town(app("lib"))
    town.cache.put_build(lib())
    assert [APP] == town.woken
    town.cache.drop_build(lib())
    assert [APP, APP] == town.woken


def test_who_depends_on_it_no_more_is_left_alone() -> None:
    town = Town(lib(), app("lib"))
    town.cache.put_build(app("other", version=2))
    town.cache.put_build(lib(2, **RUNNING))
    assert [] == town.woken


def test_who_is_gone_is_left_alone() -> None:
    town = Town(lib(), app("lib"))
    town.cache.drop_build(app("lib"))
    town.cache.put_build(lib(2, **RUNNING))
    assert [] == town.woken


def test_an_old_version_wakes_nobody() -> None:
    town = Town(lib(5, **RUNNING), app("lib"))
    town.cache.put_build(lib(4, phase="SETUP"))
    assert [] == town.woken


def test_a_build_of_the_same_name_elsewhere_wakes_nobody() -> None:
    town = Town(app("lib"))
    elsewhere = a_document(name="lib", uid="other")
    town.cache.put_build({**elsewhere, "metadata": {**elsewhere["metadata"], "namespace": "other"}})
    assert [] == town.woken


def test_what_the_operator_writes_changes_for_others_as_what_it_sees() -> None:
    world = a_build().in_phase(BuildPhase.BUILD).written()
    town = Town(world.document(1), app("demo"))
    town.cache.put_build(a_build().in_phase(BuildPhase.TEST).written().document(2))
    assert [APP] == town.woken
