from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from tests.doubles import RecordingKube, seen
from tests.worlds import (
    NAME,
    NAMESPACE,
    NOW,
    UID,
    ABuild,
    a_build,
    a_document,
    a_pod_document,
    after,
)

from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import Refusal
from buildstate.domain.phases import BuildPhase
from buildstate.domain.states import Failure, WorkResult
from buildstate.engine.caches import Cache
from buildstate.engine.observe import Observer
from buildstate.engine.validators import StateValidator
from buildstate.kube import pods
from buildstate.kube.ports import Key, Resource

KEY = Key(NAMESPACE, NAME)
WORKING = a_build().with_work().in_phase(BuildPhase.BUILD).written()
REFUSAL = Refusal(reason="QuotaExceeded", message="no room", is_permanent=False)


def pod_of(world: ABuild) -> str:
    """The name of the Pod of the present attempt."""
    return world.observed().pod_name(world.known)


class Eye:
    """An observer with what lies behind it."""

    def __init__(self, document: dict[str, Any] | None = None, **objects: Any) -> None:
        self.cache = Cache()
        self.kube = RecordingKube(objects.get("objects"))
        self.validations: list[bool] = []
        validator = StateValidator(lambda valid, _: self.validations.append(valid))
        self.observer = Observer(self.cache, self.kube, validator)
        if document is not None:
            self.cache.put_build(document)


async def test_what_is_gone_is_nothing() -> None:
    assert await Eye().observer.observe(KEY) is None


async def test_of_the_labels_only_those_of_the_queue_are_seen() -> None:
    document = WORKING.document(3)
    queued = {"kueue.x-k8s.io/queue-name": "builds", "kueue.x-k8s.io/priority-class": "low"}
    document["metadata"]["labels"] = {"team": "red", **queued}
    picture = seen(await Eye(document).observer.observe(KEY))
    assert (queued, "builds") == (picture.queue_labels, picture.queue_name)


async def test_who_asks_for_no_queue_stands_in_none() -> None:
    picture = seen(await Eye(WORKING.document(3)).observer.observe(KEY))
    assert ({}, "") == (picture.queue_labels, picture.queue_name)


async def test_the_picture_shows_what_the_cache_knows() -> None:
    eye = Eye(WORKING.document(3, phase="TEST"))
    owned = pods.owned(a_pod_document(pod_of(WORKING), phase="Running"))
    assert owned is not None
    eye.cache.put_pod(owned)
    picture = seen(await eye.observer.observe(KEY))
    assert (NAMESPACE, NAME, UID, 1) == (
        picture.namespace,
        picture.name,
        picture.uid,
        picture.generation,
    )
    assert (BuildPhase.TEST, BuildPhase.BUILD, (), False) == (
        picture.spec.phase,
        picture.state and picture.state.phase,
        picture.violations,
        picture.deleting,
    )
    assert [pod_of(WORKING)] == [pod.name for pod in picture.pods]
    assert [] == eye.kube.calls


async def test_a_new_build_has_no_state_and_no_violation() -> None:
    eye = Eye(a_document())
    picture = seen(await eye.observer.observe(KEY))
    assert (None, (), []) == (picture.state, picture.violations, eye.validations)


async def test_a_build_that_is_being_deleted_says_so() -> None:
    document = a_document()
    document["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    assert seen(await Eye(document).observer.observe(KEY)).deleting


async def test_one_version_is_read_once() -> None:
    eye = Eye(WORKING.document(3))
    for _ in range(3):
        await eye.observer.observe(KEY)
    assert [True] == eye.validations
    eye.cache.put_build(WORKING.document(4))
    await eye.observer.observe(KEY)
    assert [True, True] == eye.validations


async def test_an_altered_state_is_a_violation() -> None:
    document = deepcopy(WORKING.document(3))
    document["status"]["attempt"] = 7
    picture = seen(await Eye(document).observer.observe(KEY))
    assert ["digest"] == [violation.field for violation in picture.violations]


async def test_a_state_copied_from_another_build_is_a_violation() -> None:
    document = WORKING.document(3)
    document["metadata"]["uid"] = "another"
    picture = seen(await Eye(document).observer.observe(KEY))
    assert ["id"] == [violation.field for violation in picture.violations]


async def test_a_state_that_cannot_be_read_is_a_violation() -> None:
    document = deepcopy(WORKING.document(3))
    document["status"]["history"] = [{"sequence": 1}]
    picture = seen(await Eye(document).observer.observe(KEY))
    violation = picture.violations[0]
    assert (ErrorCategory.STATE_CORRUPTION, "history.0.from") == (
        violation.category,
        violation.field,
    )
    assert (BuildPhase.BUILD, 2) == (
        picture.state and picture.state.phase,
        picture.state and picture.state.sequence,
    )


async def test_an_intent_that_the_crd_refuses_is_a_surprise() -> None:
    with pytest.raises(ValidationError):
        await Eye(a_document(phase="BREAK")).observer.observe(KEY)


# When an attempt has failed, the next one begins only after its Pod is truly gone.

BETWEEN = replace(
    WORKING.attempted(1, WorkResult.FAILED), spec=WORKING.with_work(backoff_limit=1).spec
)


async def test_the_end_of_a_failed_attempt_is_confirmed_live() -> None:
    live = a_pod_document(pod_of(BETWEEN), phase="Running")
    eye = Eye(BETWEEN.document(3), objects={Resource.PODS: [live]})
    picture = seen(await eye.observer.observe(KEY))
    assert [pod_of(BETWEEN)] == [pod.name for pod in picture.live_pods]
    assert [("get", Resource.PODS, Key(NAMESPACE, pod_of(BETWEEN)))] == eye.kube.calls


async def test_a_failed_attempt_whose_pod_is_gone_has_ended() -> None:
    picture = seen(await Eye(BETWEEN.document(3)).observer.observe(KEY))
    assert () == picture.pods


async def test_a_failed_attempt_whose_pod_is_known_needs_no_live_look() -> None:
    eye = Eye(BETWEEN.document(3))
    owned = pods.owned(a_pod_document(pod_of(BETWEEN), phase="Failed"))
    assert owned is not None
    eye.cache.put_pod(owned)
    await eye.observer.observe(KEY)
    assert [] == eye.kube.calls


async def test_that_a_pod_was_seen_to_go_is_confirmed_live() -> None:
    name = pod_of(WORKING)
    eye = Eye(WORKING.document(3), objects={Resource.PODS: [a_pod_document(name, phase="Running")]})
    owned = pods.owned(a_pod_document(name, phase="Running"))
    assert owned is not None
    eye.cache.put_pod(owned)
    eye.cache.drop_pod(owned)
    picture = seen(await eye.observer.observe(KEY))
    assert ([name], None) == (
        [pod.name for pod in picture.live_pods],
        picture.departed_pod(WORKING.known),
    )
    eye.kube.objects.clear()
    picture = seen(await eye.observer.observe(KEY))
    assert owned.view == picture.departed_pod(WORKING.known)


LOST = a_build().in_error(
    failure=Failure(
        category=ErrorCategory.PHASE_FAILED,
        phase=BuildPhase.BUILD,
        reason="Error",
        attempt=1,
        pod="lost",
    )
)


async def test_in_error_the_pod_that_failed_is_looked_for_where_it_is_not_seen() -> None:
    eye = Eye(LOST.document(3), objects={Resource.PODS: [a_pod_document("lost", phase="Running")]})
    assert ["lost"] == [pod.name for pod in seen(await eye.observer.observe(KEY)).live_pods]


async def test_a_pod_of_somebody_else_that_a_status_names_is_not_taken_for_ours() -> None:
    foreign = a_pod_document("lost", owner_uid="another", phase="Running")
    eye = Eye(LOST.document(3), objects={Resource.PODS: [foreign]})
    assert () == seen(await eye.observer.observe(KEY)).pods


# Refusals.


async def test_a_refusal_is_seen_by_the_attempt_that_it_was_for() -> None:
    eye = Eye(WORKING.document(3))
    for seconds in (0, 2):
        eye.observer.note(KEY, pod_of(WORKING), REFUSAL, after(seconds))
    assert REFUSAL == seen(await eye.observer.observe(KEY)).refusal


async def test_the_refusal_of_an_earlier_attempt_says_nothing_about_this_one() -> None:
    eye = Eye(WORKING.document(3))
    eye.observer.note(KEY, pod_of(WORKING), REFUSAL, NOW)
    eye.cache.put_build(WORKING.attempted(2).document(4))
    assert seen(await eye.observer.observe(KEY)).refusal is None


async def test_a_refusal_is_forgotten_when_it_went_well() -> None:
    eye = Eye(WORKING.document(3))
    eye.observer.note(KEY, pod_of(WORKING), REFUSAL, NOW)
    eye.observer.note(KEY, pod_of(WORKING), None, NOW)
    assert seen(await eye.observer.observe(KEY)).refusal is None


async def test_a_build_that_is_gone_is_forgotten() -> None:
    eye = Eye(WORKING.document(3))
    eye.observer.note(KEY, pod_of(WORKING), REFUSAL, NOW)
    eye.cache.drop_build(WORKING.document(4))
    await eye.observer.observe(KEY)
    eye.cache.put_build(WORKING.document(5))
    assert seen(await eye.observer.observe(KEY)).refusal is None


async def test_what_is_over_in_no_time_is_not_told() -> None:
    eye = Eye(WORKING.document(3))
    eye.observer.note(KEY, pod_of(WORKING), REFUSAL, NOW)
    eye.observer.note(KEY, pod_of(WORKING), REFUSAL, after(1.9))
    assert seen(await eye.observer.observe(KEY)).refusal is None


def test_only_what_lasts_and_differs_from_before_is_news() -> None:
    observer = Eye().observer
    other = replace(REFUSAL, message="less room")
    said = [
        ("p", None, 0),
        ("p", REFUSAL, 0),
        ("p", REFUSAL, 2),
        ("p", other, 3),
        ("q", REFUSAL, 4),
        ("q", other, 6),
        ("q", None, 7),
    ]
    news = [observer.note(KEY, pod, refusal, after(seconds)) for pod, refusal, seconds in said]
    assert [False, False, True, False, False, True, True] == news


def test_what_stays_is_told_at_once() -> None:
    observer, lasting = Eye().observer, replace(REFUSAL, is_permanent=True)
    other = replace(lasting, message="another one")
    news = [observer.note(KEY, "p", one, NOW) for one in (lasting, lasting, other, REFUSAL)]
    assert [True, False, True, False] == news


# Other builds.


def another(name: str, *names: str, version: int = 1) -> dict[str, Any]:
    """A build of the namespace that depends on those."""
    asked = [{"name": one} for one in names]
    return a_document(version, name=name, uid=f"uid-of-{name}", dependencies=asked)


WAITING = a_build().in_phase(BuildPhase.SETUP).written()


async def test_the_builds_that_one_waits_for_are_seen_and_what_they_wait_for() -> None:
    eye = Eye(WAITING.document(3, dependencies=[{"name": "lib"}, {"name": "none"}]))
    for document in (another("lib", "base"), another("base"), another("stranger")):
        eye.cache.put_build(document)
    others = seen(await eye.observer.observe(KEY)).others
    assert {"lib": "uid-of-lib", "base": "uid-of-base"} == {
        name: other.uid for name, other in others.items()
    }
    assert ["base"] == [one.name for one in others["lib"].waits_for]


async def test_where_no_gate_is_ahead_no_other_build_is_looked_at() -> None:
    world = a_build().in_phase(BuildPhase.TEST).written()
    eye = Eye(world.document(3, dependencies=[{"name": "lib"}]))
    eye.cache.put_build(another("lib"))
    assert {} == seen(await eye.observer.observe(KEY)).others


async def test_what_an_altered_state_says_is_not_believed_by_others() -> None:
    eye = Eye(WAITING.document(3, dependencies=[{"name": "lib"}]))
    done = a_build().in_phase(BuildPhase.COMPLETE).written().document()
    eye.cache.put_build({**another("lib"), "status": done["status"]})
    (other,) = seen(await eye.observer.observe(KEY)).others.values()
    assert frozenset() == other.reached
