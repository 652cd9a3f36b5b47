"""What checkpoints cost, how many there may be, how large, and under which keys."""

import asyncio
import os
import random
import string
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.apis import Api
from tests.contract.operators import (
    FOUR,
    WORK,
    FailsOnce,
    Operators,
    ask,
    condition_of,
    holding,
    kill,
    kubelet,
    wait_for,
    wait_until,
)
from tests.contract.proxies import Fuse, before_bucket, before_cluster
from tests.contract.strongboxes import (
    INSIDE,
    OUTSIDE,
    Opened,
    Strongbox,
    opened_stores,
    refs_of,
)
from tests.stores.servers import Versity

from buildstate.domain import contents
from buildstate.stores.rotations import keys_in_use, rewrap_all
from clusters import Cluster

LARGE = "ignore:Sending a large body:ResourceWarning"
pytestmark = [pytest.mark.contract, pytest.mark.filterwarnings(LARGE)]

RESUME = {"strategy": "Resume", "backoffSeconds": 0}


@pytest.fixture
def box(tmp_path: Path, server: Versity, namespace: str) -> Strongbox:
    box = Strongbox(tmp_path)
    box.write(server.endpoint, prefix=namespace)
    return box


@pytest.fixture
async def stores(api_cluster: Cluster, box: Strongbox) -> AsyncIterator[Opened]:
    async with opened_stores(api_cluster.kubeconfig, box) as stores:
        yield stores


# What one checkpoint costs.


@pytest.mark.parametrize("store", [INSIDE, OUTSIDE])
async def test_a_checkpoint_is_one_create_in_the_cluster_and_two_puts_outside_without_a_list(
    api_cluster: Cluster,
    api: Api,
    operators: Operators,
    tmp_path: Path,
    store: str,
    server: Versity,
) -> None:
    fuse, box = Fuse(), Strongbox(tmp_path)
    async with (
        before_cluster(api_cluster, tmp_path, fuse) as (cluster, kubeconfig),
        before_bucket(server.endpoint, fuse) as (bucket, address),
    ):
        box.write(address, prefix=api.namespace)
        await operators.begin(
            **box.settings, KUBECONFIG=str(kubeconfig), BUILDSTATE_NAMESPACES=api.namespace
        )
        ready = len(cluster.asked)
        async with kubelet(api):
            await api.create("cheap", {"phases": FOUR, "checkpoints": {"store": store}})
            await wait_for(api, "cheap", "COMPLETE")
            await asyncio.sleep(1)
        maps = Counter(method for _, method, path in cluster.asked[ready:] if "/configmaps" in path)
        kept = [(method, path) for _, method, path in bucket.asked if "/checkpoints/" in path[13:]]
        lists = [path for _, method, path in bucket.asked if path.strip("/") == "checkpoints"]
    assert maps == (Counter(POST=5) if store == INSIDE else Counter())
    puts = Counter((method, path.rpartition(".")[2]) for method, path in kept)
    outside = Counter({("PUT", "payload"): 5, ("PUT", "json"): 5})
    assert puts == (outside if store == OUTSIDE else Counter())
    assert [] == lists


# Many of one build.


@pytest.mark.parametrize("store", [INSIDE, OUTSIDE])
async def test_each_of_fifty_checkpoints_comes_back_exactly(
    api: Api, operators: Operators, box: Strongbox, stores: Opened, store: str
) -> None:
    await operators.begin(**box.settings)
    policy = {"store": store, "keep": 50, "fullEvery": 8, "onTransition": False}
    seen: dict[int, dict[str, Any]] = {}
    async with kubelet(api, holding("BUILD")):
        await api.create("long", {"phases": FOUR, "checkpoints": policy})
        # From here on nothing changes by itself: its Pod finds no node.
        await wait_until(
            api,
            "long",
            lambda status: (
                status.get("phase") == "BUILD"
                and status["conditions"][1]["reason"] == "Unschedulable"
            ),
        )
        for number in range(1, 51):
            await ask(api, "long", f"r-{number}", "Checkpoint")
            build = dict(await api.get("long"))
            seen[number] = dict(build["status"])
        refs = refs_of(build)
        found = await stores.read(build, store)
    assert [*range(1, 51)] == [ref.number for ref in refs]
    # Every eighth stands alone.
    assert [*range(1, 51, 8)] == [ref.number for ref in refs if ref.kind == "Full"]
    for one in found:
        status = seen[one.seal.number]
        state = {
            name: part for name, part in status.items() if name not in ("checkpoints", "digest")
        }
        assert contents.encode(state) == contents.encode(one.document["state"])
        assert contents.digest(one.content) == one.seal.content_digest
    for times, number in enumerate((50, 27, 8), 1):
        await ask(api, "long", f"abort-{number}", "Abort")
        await wait_for(api, "long", "ERROR")
        async with kubelet(api, holding("BUILD")):
            name = refs[number - 1].name
            await ask(api, "long", f"back-{number}", "Restore", checkpoint=name)
            build = await wait_for(api, "long", "BUILD")
        assert (name, times) == (
            build["status"]["recovery"]["checkpoint"],
            build["status"]["epoch"],
        )
    assert [] == operators.tracebacks()


# Large ones.


def noise(count: int) -> list[str]:
    """Arguments of 32 KiB each, which hardly get smaller by compressing them."""
    letters = string.ascii_letters + string.digits + "-_.:,;!?+*/=()[]{}@#$%^~|"
    chance = random.Random(7)
    return ["".join(chance.choices(letters, k=32 * 1024)) for _ in range(count)]


@pytest.mark.parametrize(
    ("args", "is_stored"),
    [(["x" * 32 * 1024] * 42, True), (noise(28), True), (noise(42), False)],
    ids=["1.3 MiB that get small", "0.9 MiB of noise", "1.3 MiB of noise"],
)
async def test_a_large_build_is_stored_or_is_told_the_limit_and_goes_on(
    api: Api,
    operators: Operators,
    stores: Opened,
    args: list[str],
    is_stored: bool,
) -> None:
    await operators.begin()
    policy = {"onTransition": False}
    async with kubelet(api, holding("CLEANUP")):
        created = await api.create(
            "large", {"phases": {"cleanup": {**WORK, "args": args}}, "checkpoints": policy}
        )
        assert 201 == created.code, created.message
        await wait_for(api, "large", "CLEANUP")
        await api.patch("large", {"spec": {"request": {"id": "now", "action": "Checkpoint"}}})
        build = await wait_until(
            api,
            "large",
            lambda status: (
                [one["status"] for one in status["conditions"] if one["type"] == "Checkpointed"]
                != ["Unknown"]
            ),
        )
    said = condition_of(build, "Checkpointed")
    if is_stored:
        assert ("True", "Stored") == (said["status"], said["reason"])
        assert 1 == len(await stores.read(build))
    else:
        assert ("False", "TooLarge") == (said["status"], said["reason"])
        assert "the limit of a ConfigMap is 1,000,000" in said["message"]
        assert await api.tells("large", "CheckpointFailed")
    async with kubelet(api):
        await wait_for(api, "large", "COMPLETE")
    assert [] == operators.tracebacks()


# Keys.


def make_key(box: Strongbox, name: str) -> bytes:
    """Put a new key into the keyring."""
    text = b64encode(os.urandom(32))
    (box.keys / name).write_bytes(text)
    return text


@pytest.mark.parametrize("store", [INSIDE, OUTSIDE])
async def test_without_its_key_nothing_is_stored_or_restored_until_it_is_back(
    api: Api, operators: Operators, tmp_path: Path, server: Versity, store: str
) -> None:
    box = Strongbox(tmp_path, store)
    box.write(server.endpoint, prefix=api.namespace, active_key="one")
    key = make_key(box, "one")
    await operators.begin(**box.settings)
    spec = {"phases": FOUR, "checkpoints": {}, "recovery": {**RESUME, "backoffSeconds": 1}}
    judge = FailsOnce()
    async with kubelet(api, holding("BUILD")):
        await api.create("locked", spec)
        before = await wait_for(api, "locked", "BUILD")
    (box.keys / "one").unlink()
    async with kubelet(api, judge):
        build = await wait_until(api, "locked", lambda status: status["status"] == "Recovering")
        said = condition_of(build, "Checkpointed")
        assert ("False", "KeyMissing") == (said["status"], said["reason"])
        assert "'one'" in said["message"]
        build = await wait_until(
            api,
            "locked",
            lambda status: any(one["reason"] == "KeyMissing" for one in status["conditions"][:2]),
        )
        # No checkpoint is taken for damaged, and nothing was stored in the clear.
        assert refs_of(before) == refs_of(build)
        assert await api.tells("locked", "CheckpointFailed")
        await asyncio.sleep(1)
        assert "ERROR" == (await api.get("locked"))["status"]["phase"]
        (box.keys / "one").write_bytes(key)
        build = await wait_until(
            api,
            "locked",
            lambda status: (
                status["phase"] == "COMPLETE"
                and {one["type"]: one["reason"] for one in status["conditions"]}["Checkpointed"]
                == "Stored"
            ),
        )
    assert "COMPLETE" == refs_of(build)[-1].phase
    assert [] == operators.tracebacks()


@pytest.mark.parametrize("store", [INSIDE, OUTSIDE])
async def test_keys_are_rotated_while_builds_go_on(
    api_cluster: Cluster,
    api: Api,
    operators: Operators,
    tmp_path: Path,
    server: Versity,
    store: str,
) -> None:
    box = Strongbox(tmp_path, store)
    box.write(server.endpoint, prefix=api.namespace, active_key="one")
    make_key(box, "one")
    first = await operators.begin(**box.settings, BUILDSTATE_NAMESPACES=api.namespace)
    names = [f"busy-{number}" for number in range(8)]
    spec = {"phases": FOUR, "checkpoints": {"fullEvery": 3}}
    async with kubelet(api, FailsOnce()) as ran:
        await asyncio.gather(*(api.create(name, spec) for name in names[:4]))
        make_key(box, "two")
        box.write(server.endpoint, prefix=api.namespace, active_key="two")
        kill(first)
        await operators.begin(**box.settings, BUILDSTATE_NAMESPACES=api.namespace)
        await asyncio.gather(*(api.create(name, spec) for name in names[4:]))
        # What other tests keep in the cluster is under other keys.
        async with opened_stores(api_cluster.kubeconfig, box, api.namespace) as stores:
            report = await rewrap_all(
                stores.store(), stores.keyring, lambda _step: None, os.urandom
            )
            assert report.is_complete, report
            builds = [await wait_for(api, name, "ERROR") for name in names]
            in_use = await keys_in_use(stores.store())
            assert in_use["two"] >= 8 * 4
            assert "one" not in in_use
            (box.keys / "one").unlink()
            for build in builds:
                assert 4 <= len(await stores.read(build))
        ran.clear()
        for name in names:
            answer = await ask(api, name, "back", "Restore")
            assert "Done" == answer["outcome"], answer
        for name in names:
            await wait_for(api, name, "COMPLETE")
    assert {"TEST": 8, "CLEANUP": 8} == Counter(ran)
    assert [] == operators.tracebacks()
