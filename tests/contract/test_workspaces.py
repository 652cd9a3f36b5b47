"""Workspaces on a real API server: why a Pod waits for one, and nothing is left of a build."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.contract.apis import Api, Document
from tests.contract.operators import (
    FOUR,
    WORK,
    Build,
    Operators,
    condition_of,
    failing,
    kubelet,
    name_of,
    wait_for,
    wait_for_pods,
    wait_until,
)

pytestmark = pytest.mark.contract

CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
KINDS = ("pods", "persistentvolumeclaims", "configmaps", "secrets", "services", "endpoints")
QUIET_SECONDS = 1.0
COLLECTED_SECONDS = 60.0
"""The garbage collector of the cluster may take its time."""


async def waiting(api: Api, name: str, reason: str) -> str:
    """What the build says that it waits for, once it is that."""

    def is_so(status: Build) -> bool:
        ready = [one for one in status.get("conditions", ()) if one["type"] == "Ready"]
        return [reason] == [one["reason"] for one in ready]

    build = await wait_until(api, name, is_so)
    assert "Waiting" == build["status"]["status"]
    message: str = condition_of(build, "Ready")["message"]
    return message


async def a_claim(api: Api, name: str, **spec: Any) -> None:
    """Make a claim of one gigabyte."""
    body = {
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            **spec,
        },
    }
    made = await api.post(f"/api/v1/namespaces/{api.namespace}/persistentvolumeclaims", body)
    assert 201 == made.code, made.message


async def a_volume(api: Api, claim: str) -> None:
    """Make a volume that a claim is then bound to."""
    body = {
        "metadata": {"name": f"{api.namespace}-{claim}"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "hostPath": {"path": "/nowhere"},
            "claimRef": {"namespace": api.namespace, "name": claim},
        },
    }
    made = await api.post("/api/v1/persistentvolumes", body)
    assert 201 == made.code, made.message


async def stays_as_it_is(api: Api, name: str) -> None:
    """Nothing is written while nothing happens."""
    version = (await api.get(name))["metadata"]["resourceVersion"]
    await asyncio.sleep(QUIET_SECONDS)
    assert version == (await api.get(name))["metadata"]["resourceVersion"]


async def test_a_storage_class_that_is_missing_is_named_with_those_that_exist(
    api: Api, operators: Operators
) -> None:
    made = await api.post(CLASSES, {"metadata": {"name": "there"}, "provisioner": "nobody"})
    assert made.code in (201, 409), made.message
    await operators.begin()
    workspace = {"size": "1Gi", "storageClassName": "nope"}
    await api.create("choosy", {"workspace": workspace, "phases": {"build": WORK}})

    message = await waiting(api, "choosy", "StorageClassMissing")

    assert "StorageClass nope" in message
    assert "there" in message
    await stays_as_it_is(api, "choosy")
    async with kubelet(api):
        await wait_for(api, "choosy", "COMPLETE")


async def test_a_claim_that_is_missing_may_be_made_later(api: Api, operators: Operators) -> None:
    await operators.begin()
    spec = {"workspace": {"claimName": "theirs"}, "phases": {"build": WORK}}
    await api.create("patient", spec)

    assert "claim theirs is not there" in await waiting(api, "patient", "ClaimMissing")

    await stays_as_it_is(api, "patient")
    await a_claim(api, "theirs")
    async with kubelet(api):
        await wait_for(api, "patient", "COMPLETE")


async def test_a_claim_that_nobody_binds_is_pending(api: Api, operators: Operators) -> None:
    made = await api.post(CLASSES, {"metadata": {"name": "idle"}, "provisioner": "nobody"})
    assert made.code in (201, 409), made.message
    await a_claim(api, "theirs", storageClassName="idle")
    await operators.begin()
    spec = {"workspace": {"claimName": "theirs"}, "phases": {"build": WORK}}
    await api.create("slow", spec)
    assert "is not bound to a volume yet" in await waiting(api, "slow", "ClaimPending")


async def test_a_volume_that_another_node_uses_is_said_to_be_in_use(
    api: Api, operators: Operators
) -> None:
    await a_volume(api, "theirs")
    await a_claim(api, "theirs", storageClassName="")
    await operators.begin()
    spec = {"workspace": {"claimName": "theirs"}, "phases": {"build": WORK}}
    await api.create("second", spec)
    (pod,) = await wait_for_pods(api, 1)
    await told_of(api, pod, "FailedAttachVolume", 'Multi-Attach error for volume "pvc-1"')

    began = f"{datetime.now(UTC) - timedelta(seconds=31):%Y-%m-%dT%H:%M:%SZ}"
    creating = {"name": "work", "state": {"waiting": {"reason": "ContainerCreating"}}}
    plain = {"ready": False, "restartCount": 0, "image": "none", "imageID": ""}
    await api.set_pod_status(
        name_of(pod), startTime=began, containerStatuses=[{**creating, **plain}]
    )

    message = await waiting(api, "second", "VolumeOnOtherNode")
    assert message.endswith('Multi-Attach error for volume "pvc-1"')


async def told_of(api: Api, pod: Document, reason: str, message: str) -> None:
    """Tell something of a Pod, as the cluster's own controllers do."""
    metadata = pod["metadata"]
    event = {
        "metadata": {"name": f"{metadata['name']}.1"},
        "involvedObject": {
            "kind": "Pod",
            "namespace": api.namespace,
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
        "reason": reason,
        "message": message,
        "type": "Warning",
    }
    made = await api.post(f"/api/v1/namespaces/{api.namespace}/events", event)
    assert 201 == made.code, made.message


async def test_nothing_is_left_of_a_build_that_is_deleted(api: Api, operators: Operators) -> None:
    before = {kind: await names_of(api, kind) for kind in KINDS}
    await operators.begin()
    phases = {**FOUR, "test": {**WORK, "backoffLimit": 1}}
    spec = {"workspace": {"size": "1Gi"}, "checkpoints": {"store": "configmap"}, "phases": phases}
    async with kubelet(api, failing("TEST", 1)):
        await api.create("whole", spec)
        await wait_for(api, "whole", "COMPLETE")
    await api.create("half", spec)
    await wait_until(api, "half", lambda status: status.get("resources", {}).get("pods"))
    made = {kind for kind in KINDS if await names_of(api, kind) != before[kind]}
    assert {"pods", "persistentvolumeclaims", "configmaps"} == made

    for name in ("whole", "half"):
        assert 200 == (await api.delete(name)).code

    for kind in KINDS:
        assert set() == await left_over(api, kind, before[kind]), kind


async def left_over(api: Api, kind: str, before: set[str]) -> set[str]:
    """What is still there of a kind that was not there before, once it is nothing or late."""
    left = {"not looked at"}
    with suppress(TimeoutError):
        async with asyncio.timeout(COLLECTED_SECONDS):
            while left := await names_of(api, kind) - before:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.1)
    return left


async def names_of(api: Api, kind: str) -> set[str]:
    """The names of the objects of that kind in the namespace."""
    return {name_of(one) for one in await api.every(kind)}
