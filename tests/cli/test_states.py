"""The listing of what the stores know."""

import argparse
import json
from datetime import timedelta

import pytest
from tests.cli.desks import Heard, done, session
from tests.stores.states import CURRENT, UID, a_bundle

from buildstate.cli.states import age, duration, labels
from buildstate.stores.memories import MemoryStore
from buildstate.stores.persistences import StatePersistence


async def filled() -> MemoryStore:
    store = MemoryStore("main")
    await StatePersistence(store).save_state(a_bundle(2))
    return store


async def test_nothing_found_is_said_and_is_no_failure() -> None:
    heard = Heard()
    assert 0 == await done(session(heard), ["states"])
    assert ("", "no state fits in 1 store (main)\n") == (heard.out, heard.err)


async def test_nothing_found_is_an_empty_list_in_json() -> None:
    heard = Heard()
    assert 0 == await done(session(heard), ["states", "-o", "json"])
    assert [] == json.loads(heard.out)


async def test_a_state_that_cannot_be_read_is_named_beside_the_others() -> None:
    store, heard = await filled(), Heard()
    await store.write(CURRENT.replace(UID, "torn"), b"{")
    assert 1 == await done(session(heard, store), ["states"])
    assert "team/torn cannot be read: it is torn" in heard.err
    assert "demo" in heard.out


@pytest.mark.parametrize(
    "words",
    [
        ["--namespace", "other"],
        ["--phase", "TEST"],
        ["--status", "Failed"],
        ["--archived"],
        ["-l", "team=red"],
        ["-l", "team=blue", "-l", "tier=front"],
        ["--older-than", "5200w"],
    ],
    ids=" ".join,
)
async def test_what_does_not_fit_is_not_listed(words: list[str]) -> None:
    heard = Heard()
    assert 0 == await done(session(heard, await filled()), ["states", *words])
    assert "" == heard.out


@pytest.mark.parametrize(
    "words",
    [[], ["-n", "team"], ["--phase", "build"], ["--status", "running"], ["-l", "team=blue"]],
    ids=" ".join,
)
async def test_what_fits_is_listed(words: list[str]) -> None:
    heard = Heard()
    assert 0 == await done(session(heard, await filled()), ["states", *words])
    header, row = heard.out.splitlines()
    assert "STORE  NAMESPACE  NAME  PHASE  STATUS   SEQUENCE  AGE" in header
    assert row.startswith("main   team       demo  BUILD  Running  2 ")
    assert row.endswith(UID)


async def test_json_has_all_that_is_known() -> None:
    heard = Heard()
    await done(session(heard, await filled()), ["states", "-o", "json"])
    assert [
        {
            "store": "main",
            "namespace": "team",
            "name": "demo",
            "uid": UID,
            "phase": "BUILD",
            "status": "Running",
            "sequence": 2,
            "time": "2026-03-01T12:02:00.000Z",
            "labels": {"team": "blue"},
            "archived": False,
        }
    ] == json.loads(heard.out)


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "7 d", "1y", "7d3h"])
def test_an_age_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="such as 7d"):
        duration(text)


def test_ages_are_read_and_written() -> None:
    assert timedelta(days=7) == duration("7d") == duration("1w")
    assert ["7d", "2h", "3m", "4s", "0s"] == [
        age(timedelta(**part))
        for part in ({"days": 7.5}, {"hours": 2}, {"minutes": 3}, {"seconds": 4}, {"days": -1})
    ]


def test_labels_may_be_empty_and_have_signs_in_them() -> None:
    assert {"a": "", "b/c": "x=y"} == labels("a=,b/c=x=y")
