"""Checkpoints and states that somebody alters who has every right: all is noticed, none restored.

The policies of the chart are not installed here, so cluster-admin may delete and make anew what
cannot be changed; who has the credentials of a bucket may write whatever he likes.
"""

import asyncio
import json
import os
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from bench.processes import OperatorProcess
from prometheus_client.parser import text_string_to_metric_families
from tests.contract.apis import Api, opened
from tests.contract.operators import (
    FOUR,
    Build,
    FailsOnce,
    Operators,
    ask,
    condition_of,
    holding,
    kubelet,
    wait_for,
    wait_until,
)
from tests.contract.strongboxes import INSIDE, OUTSIDE, Opened, Strongbox, opened_stores, place_of
from tests.contract.strongboxes import refs_of as references
from tests.stores.servers import Versity

from buildstate.domain import contents
from buildstate.stores.contracts import Record
from clusters import Cluster

pytestmark = pytest.mark.contract

RESUME = {"strategy": "Resume", "backoffSeconds": 0}
WHOLE = {"phases": FOUR, "checkpoints": {"fullEvery": 1, "keep": 20}}
DELTAS = {"phases": FOUR, "checkpoints": {"fullEvery": 8}}


IN_THE_CLUSTER = pytest.param((INSIDE, True), id="in the cluster, encrypted")
OUTSIDE_OF_IT = pytest.param((OUTSIDE, False), id="outside, plain")


@pytest.fixture(params=[IN_THE_CLUSTER, OUTSIDE_OF_IT])
def box(
    tmp_path: Path, server: Versity, namespace: str, request: pytest.FixtureRequest
) -> Strongbox:
    default, is_encrypted = request.param
    box = Strongbox(tmp_path, default)
    box.write(server.endpoint, prefix=namespace, active_key="one" if is_encrypted else "")
    (box.keys / "one").write_bytes(b64encode(os.urandom(32)))
    return box


@pytest.fixture
async def stores(api_cluster: Cluster, box: Strongbox) -> AsyncIterator[Opened]:
    async with opened_stores(api_cluster.kubeconfig, box) as stores:
        yield stores


@pytest.fixture
async def elsewhere(api_cluster: Cluster) -> AsyncIterator[Api]:
    async with opened(api_cluster, "default") as api:
        yield api


# What somebody may do to the newest checkpoint of a build.


@dataclass(frozen=True)
class Loot:
    """What a thief has: the newest checkpoint of the victim, an older one, and those of others."""

    newest: Record
    older: Record
    neighbour: Record
    stranger: Record

    @property
    def manifest(self) -> dict[str, Any]:
        """What the manifest of the newest says."""
        manifest: dict[str, Any] = json.loads(self.newest.manifest)
        return manifest

    def saying(self, **parts: Any) -> Record:
        """The newest with other parts of its manifest."""
        return replace(self.newest, manifest=contents.encode({**self.manifest, **parts}))

    def sealing(self, **fields: Any) -> Record:
        """The newest with other fields of its seal."""
        return self.saying(seal={**self.manifest["seal"], **fields})


def flipped(data: bytes, at: int = -1) -> bytes:
    """Another bit in one byte."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def refitted(loot: Loot) -> Record:
    """A payload that was altered by who knows that its digest is in the manifest."""
    payload = flipped(loot.newest.payload, len(loot.newest.payload) // 2)
    known = {**loot.manifest["payload"], "digest": contents.digest(payload)}
    return replace(loot.saying(payload=known), payload=payload)


def stripped(loot: Loot) -> Record:
    """A manifest that says nothing of a cipher; where there is none, of one that cannot be."""
    return loot.saying(key={"name": "one", "wrapped": ""} if loot.manifest["key"] is None else None)


FORGERIES: dict[str, tuple[Callable[[Loot], Record | None], str]] = {
    # what is done: the record that stands there then, and why it is refused, plain and encrypted
    "a byte of the payload": (
        lambda loot: replace(loot.newest, payload=flipped(loot.newest.payload)),
        "PayloadAltered",
    ),
    "a payload cut short": (
        lambda loot: replace(loot.newest, payload=loot.newest.payload[:-7]),
        "PayloadAltered",
    ),
    "no payload": (lambda loot: replace(loot.newest, payload=b""), "PayloadAltered"),
    "a payload with a digest that fits": (refitted, "ContentAltered DecryptionFailed"),
    "the payload of an older one": (
        lambda loot: replace(loot.newest, payload=loot.older.payload),
        "PayloadAltered",
    ),
    "the manifest of another build": (
        lambda loot: replace(loot.newest, manifest=loot.neighbour.manifest),
        "Foreign",
    ),
    "the manifest of another namespace": (
        lambda loot: replace(loot.newest, manifest=loot.stranger.manifest),
        "Foreign",
    ),
    "the record of another build": (
        lambda loot: replace(loot.neighbour, name=loot.newest.name),
        "Foreign",
    ),
    "the record of another namespace": (
        lambda loot: replace(loot.stranger, name=loot.newest.name),
        "Foreign",
    ),
    "the record of an older epoch": (
        lambda loot: replace(loot.older, name=loot.newest.name),
        "SealMismatch",
    ),
    "another number": (lambda loot: loot.sealing(number=99), "SealMismatch"),
    "another epoch": (lambda loot: loot.sealing(epoch=7), "SealMismatch"),
    "another content": (
        lambda loot: loot.sealing(contentDigest=f"sha256:{'0' * 64}"),
        "SealMismatch",
    ),
    "a manifest cut short": (
        lambda loot: replace(loot.newest, manifest=loot.newest.manifest[:-1]),
        "ManifestUnreadable",
    ),
    "a manifest with more in it": (lambda loot: loot.saying(more=1), "ManifestUnreadable"),
    "a cipher taken away or put on": (stripped, "ManifestUnreadable ContentAltered"),
    "nothing": (lambda _loot: None, "Missing"),
}


OLD = list(FORGERIES).index("the record of an older epoch")


def slug(number: int) -> str:
    """The name of the build that one forgery is tried on."""
    return f"victim-{number}"


async def fail(api: Api, name: str) -> Build:
    """Bring a build to ERROR; that from which an older epoch is needed for the second time."""
    await api.create(name, WHOLE)
    build = await wait_for(api, name, "ERROR")
    if name != slug(OLD):
        return build
    await ask(api, name, "again", "Restart")
    return await wait_until(
        api, name, lambda status: status["phase"] == "ERROR" and status["epoch"] == 1
    )


async def newest_of(stores: Opened, build: Build, at: int = -1) -> Record:
    """The record of a reference."""
    record = await stores.store().load(place_of(build), references(build)[at].name)
    assert record is not None
    return record


async def put(stores: Opened, build: Build, name: str, record: Record | None) -> None:
    """Put another record, or none, in the place of one."""
    await stores.store().delete(place_of(build), name)
    if record is not None:
        await stores.store().save(place_of(build), record)


async def forge(stores: Opened, builds: dict[str, Build], stranger: Build) -> None:
    """Do to each build what its name stands for."""
    taken = await newest_of(stores, stranger)
    neighbour = await newest_of(stores, builds["neighbour"])
    for number, (make, _) in enumerate(FORGERIES.values()):
        build = builds[slug(number)]
        newest = await newest_of(stores, build)
        older = await newest_of(stores, build, 0)
        assert (references(build)[-1].epoch > references(build)[0].epoch) == (number == OLD)
        forged = make(Loot(newest, older, neighbour, taken))
        assert forged != newest
        await put(stores, build, newest.name, forged)


def failures(operator: OperatorProcess) -> Counter[str]:
    """What buildstate_integrity_failures_total counts, by reason."""
    counts: Counter[str] = Counter()
    for family in text_string_to_metric_families(operator._page("metrics")):
        for sample in family.samples:
            if sample.name == "buildstate_integrity_failures_total":
                counts[sample.labels["reason"]] += int(sample.value)
    return counts


def forgeries(operator: OperatorProcess) -> Counter[str]:
    """What was counted of checkpoints."""
    counted = failures(operator)
    # What other tests have left in the cluster is read by every operator that begins.
    del counted["StateCorruption"]
    return counted


async def test_every_forgery_is_named_and_what_was_before_it_is_restored(
    api: Api, elsewhere: Api, operators: Operators, box: Strongbox, stores: Opened
) -> None:
    operator = await operators.begin(**box.settings)
    names = [*map(slug, range(len(FORGERIES))), "neighbour"]
    stranger_name = f"stranger-to-{api.namespace}"
    failures_due = FailsOnce({slug(OLD): 2})
    async with kubelet(api, failures_due), kubelet(elsewhere, FailsOnce()):
        await elsewhere.create(stranger_name, WHOLE)
        found = await asyncio.gather(*(fail(api, name) for name in names))
        stranger = await wait_for(elsewhere, stranger_name, "ERROR")
        builds = dict(zip(names, found, strict=True))
        await forge(stores, builds, stranger)
        for name in names:
            await api.patch(name, {"spec": {"recovery": RESUME}})
        after = await asyncio.gather(*(wait_for(api, name, "COMPLETE") for name in names))
        await elsewhere.delete(stranger_name)
    assert () == tuple(ref for ref in references(after[-1]) if ref.damage)
    counted, expected = forgeries(operator), Counter[str]()
    for build, done, (_, reasons) in zip(found, after, FORGERIES.values(), strict=False):
        refs = references(build)
        assert_only_newest_damaged(done, refs[-1].name)
        assert refs[-2].name == done["status"]["recovery"]["checkpoint"]
        assert await api.tells(build["metadata"]["name"], "CheckpointDamaged")
        word = reasons.split()[-1] if box.config.encryption else reasons.split()[0]
        expected[word] += 1
    assert expected == counted
    assert [] == operators.tracebacks()


def assert_only_newest_damaged(build: Build, name: str) -> None:
    """The status names the checkpoint that was forged, and no other one."""
    damaged = {ref.name: ref.damage for ref in references(build) if ref.damage}
    assert [name] == list(damaged)
    assert damaged[name]


async def test_a_key_that_nobody_has_is_waited_for_and_named(
    api: Api, operators: Operators, box: Strongbox, stores: Opened
) -> None:
    await operators.begin(**box.settings)
    async with kubelet(api, FailsOnce()):
        await api.create("locked", WHOLE)
        build = await wait_for(api, "locked", "ERROR")
    newest = await newest_of(stores, build)
    key = {"name": "lost", "wrapped": b64encode(bytes(60)).decode()}
    manifest = contents.encode({**json.loads(newest.manifest), "key": key})
    await put(stores, build, newest.name, replace(newest, manifest=manifest))
    await api.patch("locked", {"spec": {"recovery": RESUME}})
    waiting = await wait_until(api, "locked", lambda status: status["status"] == "Recovering")
    ready = condition_of(waiting, "Ready")
    assert "KeyMissing" == ready["reason"]
    assert newest.name in ready["message"]
    assert "'lost'" in ready["message"]
    async with kubelet(api) as ran:
        before = references(build)[-2].name
        answer = await ask(api, "locked", "older", "Restore", checkpoint=before)
        assert "Done" == answer["outcome"]
        await wait_for(api, "locked", "COMPLETE")
    assert ["TEST", "CLEANUP"] == ran


async def test_where_no_checkpoint_verifies_the_build_stays_and_says_what_to_do(
    api: Api, operators: Operators, box: Strongbox, stores: Opened
) -> None:
    operator = await operators.begin(**box.settings)
    async with kubelet(api, FailsOnce()) as ran:
        await asyncio.gather(*(api.create(name, DELTAS) for name in ("root", "middle")))
        root, middle = await asyncio.gather(
            *(wait_for(api, name, "ERROR") for name in ("root", "middle"))
        )
        for build, at in ((root, 0), (middle, 1)):
            record = await newest_of(stores, build, at)
            forged = replace(record, payload=flipped(record.payload))
            await put(stores, build, record.name, forged)
        ran.clear()
        for name in ("root", "middle"):
            await api.patch(name, {"spec": {"recovery": RESUME}})
        lost = await wait_until(
            api, "root", lambda status: status["failure"]["category"] == "RecoveryFailure"
        )
        saved = await wait_for(api, "middle", "COMPLETE")
    refs = references(root)
    assert [ref.kind for ref in refs] == ["Full", "Delta", "Delta", "Delta"]
    assert all(ref.damage for ref in references(lost))
    message = lost["status"]["failure"]["message"]
    assert all(ref.name in message for ref in refs)
    assert "request Restart" in message
    assert "RecoveryFailure" == condition_of(lost, "Ready")["reason"]
    # What a broken delta stood upon is whole.
    assert references(middle)[0].name == saved["status"]["recovery"]["checkpoint"]
    assert ["BUILD", "TEST", "CLEANUP"] == [phase for phase in ran if phase != "SETUP"]
    assert Counter(PayloadAltered=2, ChainBroken=5) == forgeries(operator)
    assert "ERROR" == (await api.get("root"))["status"]["phase"]
    async with kubelet(api):
        await ask(api, "root", "anew", "Restart")
        await wait_for(api, "root", "COMPLETE")


async def counts(operator: OperatorProcess, reason: str) -> None:
    """Wait until that was counted; what is written is seen before."""
    async with asyncio.timeout(5):
        while not failures(operator)[reason]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


# What somebody may do to a status.


def saying_done(status: dict[str, Any]) -> dict[str, Any]:
    """Say that a phase is done that failed."""
    records = [{**record, "result": "Succeeded"} for record in status["phases"]]
    return {"phases": records}


def pointing_elsewhere(status: dict[str, Any]) -> dict[str, Any]:
    """Let the newest reference have another digest."""
    *others, newest = status["checkpoints"]
    return {"checkpoints": [*others, {**newest, "digest": f"sha256:{'1' * 64}"}]}


def forgetting(status: dict[str, Any]) -> dict[str, Any]:
    """Take the newest reference away."""
    return {"checkpoints": status["checkpoints"][:-1]}


@pytest.mark.parametrize(
    ("box", "alter"),
    [
        pytest.param((INSIDE, True), saying_done, id="a phase that is done"),
        pytest.param((OUTSIDE, False), pointing_elsewhere, id="another digest"),
        pytest.param((INSIDE, False), forgetting, id="a checkpoint less"),
    ],
    indirect=["box"],
)
async def test_a_status_that_was_altered_is_not_believed_and_the_store_tells_how_it_was(
    api: Api,
    operators: Operators,
    box: Strongbox,
    alter: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    operator = await operators.begin(**box.settings)
    async with kubelet(api, FailsOnce()):
        await api.create("altered", WHOLE)
        build = await wait_for(api, "altered", "ERROR")
    altered = await api.set_status("altered", **alter(build["status"]))
    assert 200 == altered.code, altered.message
    corrupt = await wait_until(
        api, "altered", lambda status: status["failure"]["category"] == "StateCorruption"
    )
    assert "StateCorruption" == condition_of(corrupt, "Ready")["reason"]
    await counts(operator, "StateCorruption")
    async with kubelet(api) as ran:
        await api.patch("altered", {"spec": {"recovery": RESUME}})
        done = await wait_for(api, "altered", "COMPLETE")
    assert ["TEST", "CLEANUP"] == ran
    assert references(build)[-1].name == done["status"]["recovery"]["checkpoint"]
    assert {ref.name for ref in references(build)} <= {ref.name for ref in references(done)}


async def test_a_build_that_is_altered_at_work_goes_on_from_what_was_stored(
    api: Api, operators: Operators, box: Strongbox
) -> None:
    await operators.begin(**box.settings)
    async with kubelet(api, holding("BUILD")):
        await api.create("altered", {**WHOLE, "recovery": RESUME})
        build = await wait_for(api, "altered", "BUILD")
        await api.set_status("altered", **saying_done(build["status"]))
        await wait_until(api, "altered", lambda status: status["epoch"] == 1)
    async with kubelet(api) as ran:
        done = await wait_for(api, "altered", "COMPLETE")
    # SETUP had been done; that BUILD was is somebody's word.
    assert {"BUILD", "TEST", "CLEANUP"} == {*ran}
    assert "ERROR" in [step["to"] for step in done["status"]["history"]]
    assert [] == operators.tracebacks()
