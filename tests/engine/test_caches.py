from dataclasses import replace
from typing import Any

import pytest
from tests.worlds import NAME, NAMESPACE, UID, a_build, a_document, a_pod_document

from buildstate.domain.phases import BuildPhase
from buildstate.engine.caches import Cache, build_of
from buildstate.kube import pods
from buildstate.kube.pods import OwnedPod
from buildstate.kube.ports import Key

KEY = Key(NAMESPACE, NAME)


def owned(version: int = 1, **status: Any) -> OwnedPod:
    """A Pod of the build as the watch sees it."""
    pod = pods.owned(a_pod_document("p", version, **status))
    assert pod is not None
    return pod


@pytest.fixture
def cache() -> Cache:
    """A cache that knows the build at version 5."""
    cache = Cache()
    cache.put_build(a_document(5))
    return cache


def version(cache: Cache) -> str | None:
    """The version of the build that is known."""
    build = cache.build(KEY)
    return build.resource_version if build else None


@pytest.mark.parametrize(
    ("number", "known", "news"), [(4, "5", []), (5, "5", []), (6, "6", [KEY]), (10, "10", [KEY])]
)
def test_only_a_newer_version_is_taken(
    cache: Cache, number: int, known: str, news: list[Key]
) -> None:
    assert news == cache.put_build(a_document(number))
    assert known == version(cache)


def test_another_object_of_the_same_name_replaces_it(cache: Cache) -> None:
    assert [KEY] == cache.put_build(a_document(3, uid="another"))
    assert "3" == version(cache)


def test_a_build_that_was_deleted_is_forgotten_with_its_pods(cache: Cache) -> None:
    cache.put_pod(owned())
    assert [KEY] == cache.drop_build(a_document(6))
    assert (None, (), 0) == (cache.build(KEY), cache.pods(UID), cache.count())


def test_the_deletion_of_an_earlier_object_leaves_its_successor_alone(cache: Cache) -> None:
    assert [] == cache.drop_build(a_document(9, uid="of before"))
    assert "5" == version(cache)


def test_the_deletion_of_what_is_not_known_is_no_news() -> None:
    assert [] == Cache().drop_build(a_document())


def test_what_nobody_reads_is_not_kept(cache: Cache) -> None:
    build = cache.build(KEY)
    assert build is not None
    assert {"metadata", "spec", "status"} == build.document.keys()
    assert "managedFields" not in build.document["metadata"]


def test_the_document_that_came_is_left_as_it_was() -> None:
    document = a_document()
    build_of(document)
    assert a_document() == document


def test_the_census_counts_also_what_has_no_status(cache: Cache) -> None:
    cache.put_build(a_build().in_phase(BuildPhase.TEST).written().document(1, name="b", uid="b"))
    assert [("INIT", "Pending"), ("TEST", "Pending")] == sorted(cache.census())


def test_builds_may_go_while_they_are_counted(cache: Cache) -> None:
    cache.put_build(a_document(1, name="b", uid="b"))
    for build in cache.builds():
        cache.drop_build(build.document)
    assert 0 == cache.count()


@pytest.mark.parametrize(
    ("fresh", "news"),
    [
        pytest.param(owned(6, phase="Running"), [KEY], id="it runs"),
        pytest.param(owned(4, phase="Running"), [], id="older"),
        pytest.param(owned(5, phase="Running"), [], id="the same version"),
        pytest.param(owned(6), [], id="nothing that matters"),
        pytest.param(owned(6, hostIP="10.0.0.1"), [], id="nothing that we read"),
        pytest.param(
            owned(6, containerStatuses=[{"name": "work", "state": {"waiting": {"reason": "X"}}}]),
            [KEY],
            id="it waits",
        ),
        pytest.param(
            owned(6, conditions=[{"type": "DisruptionTarget", "status": "True", "reason": "X"}]),
            [KEY],
            id="it is to be evicted",
        ),
    ],
)
def test_a_pod_is_news_only_if_the_plan_can_see_the_difference(
    cache: Cache, fresh: OwnedPod, news: list[Key]
) -> None:
    assert [KEY] == cache.put_pod(owned(5))
    assert news == cache.put_pod(fresh)


def test_of_a_pod_the_newest_is_kept(cache: Cache) -> None:
    cache.put_pod(owned(5))
    cache.put_pod(owned(7))
    cache.put_pod(owned(6, phase="Running"))
    assert ["7"] == [view.resource_version for view in cache.pods(UID)]


def test_another_pod_of_the_same_name_replaces_it(cache: Cache) -> None:
    cache.put_pod(owned(5))
    other = replace(owned(3), view=replace(owned(3).view, uid="another"))
    assert [KEY] == cache.put_pod(other)
    assert ["another"] == [view.uid for view in cache.pods(UID)]


def test_a_pod_that_was_deleted_is_forgotten(cache: Cache) -> None:
    cache.put_pod(owned())
    assert [KEY] == cache.drop_pod(owned())
    assert [] == list(cache.owned_pods())


def test_the_deletion_of_an_earlier_pod_leaves_its_successor_alone(cache: Cache) -> None:
    cache.put_pod(owned())
    gone = replace(owned(), view=replace(owned().view, uid="of before"))
    assert [] == cache.drop_pod(gone)
    assert 1 == len(cache.pods(UID))


def test_the_pod_that_went_last_is_remembered_as_it_was(cache: Cache) -> None:
    cache.put_pod(owned(5))
    cache.drop_pod(owned(6, phase="Running"))
    gone = cache.departed(UID)
    assert ("6", "Running") == (gone and gone.resource_version, gone and gone.phase)


def test_a_build_that_is_gone_leaves_no_departed_pod(cache: Cache) -> None:
    cache.put_pod(owned(5))
    cache.drop_pod(owned(6))
    cache.drop_build(a_document(9))
    assert cache.departed(UID) is None


def test_the_pods_that_go_after_their_build_are_not_remembered(cache: Cache) -> None:
    cache.put_pod(owned(5))
    cache.drop_build(a_document(9))
    cache.put_pod(owned(6))
    cache.drop_pod(owned(7))
    assert cache.departed(UID) is None


def test_a_pod_may_come_before_its_build() -> None:
    cache = Cache()
    assert [KEY] == cache.put_pod(owned())
    assert 1 == len(cache.pods(UID))
