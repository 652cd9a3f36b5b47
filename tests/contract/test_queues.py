"""Kueue beside us, as far as labels and gates go: a policy does what its webhook would."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.contract.apis import Api, Document
from tests.contract.operators import (
    FORWARD,
    PATIENCE,
    WORK,
    Build,
    Operators,
    assert_sound,
    condition_of,
    name_of,
    wait_for,
    wait_for_pods,
    wait_until,
)

from clusters import Cluster

pytestmark = pytest.mark.contract

QUEUE = {"kueue.x-k8s.io/queue-name": "builds", "kueue.x-k8s.io/priority-class": "low"}
QUEUED = "has(object.metadata.labels) && 'kueue.x-k8s.io/queue-name' in object.metadata.labels"
GATED = """Object{
  metadata: Object.metadata{labels: {'kueue.x-k8s.io/managed': 'true'}},
  spec: Object.spec{
    schedulingGates: [Object.spec.schedulingGates{name: 'kueue.x-k8s.io/admission'}]
  }
}"""
NAME = "gates.kueue.example"


def policy(namespace: str) -> list[Document]:
    """What gates the Pods of that namespace that stand in a queue."""
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": NAME}}
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {
            "namespaceSelector": here,
            "resourceRules": [{**pods, "operations": ["CREATE"]}],
        },
        "matchConditions": [{"name": "queued", "expression": QUEUED}],
        "mutations": [
            {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": GATED}}
        ],
    }
    binding = {**kind, "kind": "MutatingAdmissionPolicyBinding", "spec": {"policyName": NAME}}
    return [{**kind, "kind": "MutatingAdmissionPolicy", "spec": spec}, binding]


def probe(namespace: str) -> Document:
    """A Pod that is gated where the policy counts."""
    metadata: dict[str, Any] = {"name": "probe", "namespace": namespace, "labels": QUEUE}
    spec = {"containers": [{"name": "work", "image": "none"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.fixture
def queue(api_cluster: Cluster, namespace: str) -> Iterator[None]:
    """A queue that admits nothing by itself."""
    manifest = yaml.safe_dump_all(policy(namespace))
    api_cluster.kubectl("apply", "-f", "-", stdin=manifest)
    yield
    api_cluster.kubectl("delete", "-f", "-", stdin=manifest)


async def wait_until_it_counts(api: Api) -> None:
    path = f"/api/v1/namespaces/{api.namespace}/pods?dryRun=All"
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await api.post(path, probe(api.namespace))
            if "schedulingGates" in answer.document["spec"]:
                return
            await asyncio.sleep(0.1)


async def gated(api: Api, name: str) -> Build:
    """The build as soon as its Pod is seen to be held back."""
    return await wait_until(
        api,
        name,
        lambda status: any(
            one["reason"] == "SchedulingGated" for one in status.get("conditions", ())
        ),
    )


async def the_pod(api: Api) -> Document:
    """The one Pod."""
    (pod,) = await wait_for_pods(api, 1)
    return pod


@pytest.mark.usefixtures("queue")
async def test_a_build_in_a_queue_waits_for_whoever_holds_its_pod_and_then_goes_on(
    api: Api, operators: Operators
) -> None:
    await wait_until_it_counts(api)
    await operators.begin()

    await api.create("queued", {"phases": {"build": WORK}}, labels={"team": "red", **QUEUE})
    build = await gated(api, "queued")

    assert "Waiting" == build["status"]["status"]
    assert "Kueue's queue builds has not admitted it" in condition_of(build, "Ready")["message"]
    pod = await the_pod(api)
    labels = pod["metadata"]["labels"]
    assert {**QUEUE, "kueue.x-k8s.io/managed": "true"}.items() <= labels.items()
    assert "team" not in labels

    await api.admit(name_of(pod))
    await api.set_pod_phase(name_of(pod), "Succeeded")
    assert_sound(await wait_for(api, "queued", "COMPLETE"), FORWARD)
    assert [] == operators.tracebacks()


@pytest.mark.usefixtures("queue")
async def test_what_the_queue_evicts_is_made_again_and_queued_again(
    api: Api, operators: Operators
) -> None:
    await wait_until_it_counts(api)
    await operators.begin()
    await api.create("evicted", {"phases": {"build": WORK}}, labels=QUEUE)
    await gated(api, "evicted")
    first = await the_pod(api)

    await api.remove(f"/api/v1/namespaces/{api.namespace}/pods/{name_of(first)}")

    async with asyncio.timeout(PATIENCE):
        while (pods := await api.pods()) == [] or pods[0]["metadata"]["uid"] == uid_of(first):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert pods[0]["spec"]["schedulingGates"]
    assert "BUILD" == (await gated(api, "evicted"))["status"]["phase"]


@pytest.mark.usefixtures("queue")
async def test_a_build_that_is_aborted_takes_its_pod_out_of_the_queue(
    api: Api, operators: Operators
) -> None:
    await wait_until_it_counts(api)
    await operators.begin()
    await api.create("aborted", {"phases": {"build": WORK}}, labels=QUEUE)
    await gated(api, "aborted")

    await api.patch("aborted", {"spec": {"phase": "ERROR"}})

    await wait_for(api, "aborted", "ERROR")
    async with asyncio.timeout(PATIENCE):
        while await api.pods():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def uid_of(pod: Document) -> str:
    """The uid of an object."""
    return str(pod["metadata"]["uid"])
