from copy import deepcopy
from typing import cast

import kopf
from tests.worlds import a_document

from buildstate.handlers.storages import NoDiffBase, NoProgress

BODY = kopf.Body(cast("kopf.RawBody", a_document(phase="TEST")))


def test_the_storages_leave_object_and_patch_as_they_are() -> None:
    patch, before = kopf.Patch(), deepcopy(dict(BODY))
    NoDiffBase().store(body=BODY, patch=patch, essence=kopf.BodyEssence({"spec": {}}))
    progress = NoProgress()
    progress.store(key="k", record={}, body=BODY, patch=patch)
    progress.touch(body=BODY, patch=patch, value="now")
    progress.purge(key="k", body=BODY, patch=patch)
    assert ({}, before) == (dict(patch), dict(BODY))


def test_every_object_seems_to_be_as_it_always_was() -> None:
    storage = NoDiffBase()
    assert storage.build(body=BODY) == storage.fetch(body=BODY) == kopf.BodyEssence({})


def test_no_handler_seems_to_have_begun() -> None:
    assert NoProgress().fetch(key="k", body=BODY) is None  # type: ignore[func-returns-value]


def test_an_essence_is_given_back_as_it_is() -> None:
    essence = kopf.BodyEssence({"spec": {"phase": "TEST"}})
    assert essence is NoProgress().clear(essence=essence)
