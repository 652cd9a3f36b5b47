"""The quota of a labelled namespace, kept by the operator's process on a real API server."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contract.apis import Api, Document, opened
from tests.contract.operators import (
    FORWARD,
    FOUR,
    PATIENCE,
    WORK,
    Operators,
    assert_sound,
    kill,
    kubelet,
    wait_for,
)
from tests.contract.proxies import Fuse, Proxy, before_cluster

from clusters import Cluster

EXAMPLE = Path(__file__).parents[2] / "examples" / "limited-namespace.yaml"
NAMESPACES = "/api/v1/namespaces"
QUOTA = "resourcequotas/buildstate"
pytestmark = pytest.mark.contract

USUAL = {"count/buildstates.buildstate.dev": "2", "pods": "3"}
SETTING = {"BUILDSTATE_QUOTA": json.dumps(USUAL)}
SIZE = {"requests.cpu": "2", "limits.memory": "1024Mi"}


class Tenant:
    """One namespace, as who looks after the cluster sees it."""

    def __init__(self, api: Api, cluster: Cluster) -> None:
        self.api = api
        self._cluster = cluster

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Do something in the namespace."""
        return self._cluster.kubectl("-n", self.api.namespace, *args, stdin=stdin)

    def label(self, text: str = "managed") -> None:
        """Label the namespace."""
        self.kubectl("label", "namespace", self.api.namespace, f"buildstate.dev/quota={text}")

    def unlabel(self) -> None:
        """Take the label off."""
        self.kubectl("label", "namespace", self.api.namespace, "buildstate.dev/quota-")

    def annotate(self, text: str) -> None:
        """Name a size."""
        self.kubectl(
            *("annotate", "--overwrite", "namespace", self.api.namespace),
            f"buildstate.dev/quota={text}",
        )

    async def quotas(self) -> dict[str, Document]:
        """What limits the namespace, by name."""
        found = await self.api.every("resourcequotas")
        return {one["metadata"]["name"]: one["spec"]["hard"] for one in found}

    async def has(self, expected: Document | None) -> None:
        """Wait until our quota is of that size, or gone."""
        await self.until(lambda found: found.get("buildstate") == expected)

    async def until(self, holds: Callable[[dict[str, Document]], bool]) -> None:
        """Wait until that holds of the quotas."""
        async with asyncio.timeout(PATIENCE):
            while not holds(await self.quotas()):  # noqa: ASYNC110 - it is asked for
                await asyncio.sleep(0.05)

    async def hears(self, reason: str) -> str:
        """The message of the first Event of that reason."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for event in await self.api.every("events"):
                    if event["reason"] == reason:
                        return str(event["message"])
                await asyncio.sleep(0.05)


@pytest.fixture
def tenant(api: Api, api_cluster: Cluster) -> Tenant:
    """The namespace of the test."""
    return Tenant(api, api_cluster)


SERVED: dict[str, Callable[[Api], dict[str, str]]] = {
    "all namespaces": lambda _api: SETTING,
    "some namespaces": lambda api: {
        **SETTING,
        "BUILDSTATE_NAMESPACES": f"{api.namespace},kube-public",
        "BUILDSTATE_SWEEP_SECONDS": "10",
    },
}


@pytest.mark.parametrize("settings", SERVED.values(), ids=SERVED)
async def test_a_quota_comes_with_the_label_follows_its_size_and_goes_with_the_label(
    tenant: Tenant, operators: Operators, settings: Callable[[Api], dict[str, str]]
) -> None:
    await operators.begin(**settings(tenant.api))
    assert {} == await tenant.quotas()

    tenant.label()
    await tenant.has(USUAL)
    assert "ResourceQuota buildstate is set to count/buildstates.buildstate.dev: 2, pods: 3" == (
        await tenant.hears("QuotaSet")
    )

    tenant.annotate(json.dumps(SIZE))
    # The API server writes quantities its own way.
    await tenant.has({"requests.cpu": "2", "limits.memory": "1Gi"})

    tenant.unlabel()
    await tenant.has(None)
    assert [] == operators.tracebacks()


async def test_a_bad_size_is_told_and_the_one_of_before_stays(
    tenant: Tenant, operators: Operators
) -> None:
    await operators.begin(**SETTING)
    tenant.label()
    tenant.annotate('{"pods": 7}')
    await tenant.has({"pods": "7"})

    tenant.annotate('{"pods": "plenty"}')
    assert "pods is 'plenty', which is no quantity" in await tenant.hears("QuotaSizeInvalid")
    assert {"buildstate": {"pods": "7"}} == await tenant.quotas()

    tenant.annotate('{"cpus": "4"}')
    assert "hard[cpus]" in await tenant.hears("QuotaRefused")
    assert {"buildstate": {"pods": "7"}} == await tenant.quotas()

    tenant.annotate('{"pods": 8}')
    await tenant.has({"pods": "8"})
    assert [] == operators.tracebacks()


async def test_what_somebody_alters_or_deletes_is_put_back(
    tenant: Tenant, operators: Operators
) -> None:
    await operators.begin(**SETTING)
    tenant.label()
    await tenant.has(USUAL)

    tenant.kubectl(
        "patch", "resourcequota", "buildstate", "--patch", '{"spec":{"hard":{"pods":"99"}}}'
    )
    await tenant.has(USUAL)

    tenant.kubectl("delete", "resourcequota", "buildstate")
    await tenant.has(USUAL)

    tenant.kubectl("create", "quota", "other", "--hard=pods=50")
    tenant.unlabel()
    await tenant.has(None)
    assert {"other"} == (await tenant.quotas()).keys()


async def test_a_quota_of_that_name_that_is_not_ours_is_left_alone(
    tenant: Tenant, operators: Operators
) -> None:
    tenant.kubectl("create", "quota", "buildstate", "--hard=pods=50")
    await operators.begin(**SETTING)
    tenant.label()
    assert "exists and is not the operator's" in await tenant.hears("QuotaNameTaken")
    tenant.unlabel()
    tenant.label()
    assert {"buildstate": {"pods": "50"}} == await tenant.quotas()

    tenant.kubectl("delete", "resourcequota", "buildstate")
    await tenant.has(USUAL)


async def test_what_happened_while_the_operator_was_away_is_made_up_for(
    tenant: Tenant, operators: Operators
) -> None:
    operator = await operators.begin(**SETTING)
    tenant.label()
    await tenant.has(USUAL)
    kill(operator)
    operator = await operators.begin(BUILDSTATE_QUOTA='{"pods": "9"}')
    await tenant.has({"pods": "9"})
    kill(operator)
    tenant.unlabel()
    await operators.begin(**SETTING)
    await tenant.has(None)
    assert [] == operators.tracebacks()


async def test_the_builds_of_a_namespace_are_counted(tenant: Tenant, operators: Operators) -> None:
    await builds_count(tenant)
    await operators.begin(**SETTING)
    tenant.label()
    await tenant.has(USUAL)
    tenant.kubectl("wait", "--for=jsonpath={.status.used.pods}=0", "quota/buildstate")

    async with kubelet(tenant.api):
        for name in ("first", "second"):
            assert 201 == (await tenant.api.create(name, {"phases": {"build": WORK}})).code
        third = await tenant.api.create("third", {})
        assert 403 == third.code
        assert "exceeded quota: buildstate" in third.message
        for name in ("first", "second"):
            assert_sound(await wait_for(tenant.api, name, "COMPLETE"), FORWARD)


async def builds_count(tenant: Tenant) -> None:
    """Wait until a new quota counts builds: its controller looks for new kinds every 30 s."""
    async with asyncio.timeout(3 * PATIENCE):
        while "buildstates" not in await used_of_a_new_quota(tenant):  # noqa: ASYNC110
            await asyncio.sleep(1)


async def used_of_a_new_quota(tenant: Tenant) -> str:
    """What a quota of builds says that was just made."""
    tenant.kubectl("create", "quota", "probe", "--hard=pods=9,count/buildstates.buildstate.dev=9")
    tenant.kubectl("wait", "--for=jsonpath={.status.used.pods}=0", "quota/probe")
    (quota,) = await tenant.api.every("resourcequotas")
    tenant.kubectl("delete", "quota", "probe")
    return str(quota["status"]["used"])


async def test_in_the_namespace_of_the_example_a_build_that_asks_for_nothing_ends_well(
    api_cluster: Cluster, tenant: Tenant, operators: Operators
) -> None:
    await builds_count(tenant)
    await operators.begin(**SETTING)
    api_cluster.kubectl("apply", "-f", EXAMPLE)
    try:
        async with opened(api_cluster, "limited") as api, kubelet(api):
            limited = Tenant(api, api_cluster)
            await limited.until(lambda found: "buildstate" in found)
            limited.kubectl(
                "wait", "--for=jsonpath={.status.used.requests\\.cpu}=0", "quota/buildstate"
            )
            assert 201 == (await api.create("modest", {"phases": {"build": WORK}})).code
            assert_sound(await wait_for(api, "modest", "COMPLETE"), FORWARD)
            (pod,) = await api.pods()
        asked = {"cpu": "400m", "memory": "64Mi"}
        assert asked == pod["spec"]["containers"][0]["resources"]["requests"]
    finally:
        api_cluster.kubectl("delete", "namespace", "limited", "--wait=false")


async def test_without_the_setting_no_namespace_is_looked_at(
    tenant: Tenant, operators: Operators
) -> None:
    await operators.begin()
    tenant.label()
    await tenant.api.create("done", {})
    assert_sound(await wait_for(tenant.api, "done", "COMPLETE"), FORWARD)
    assert {} == await tenant.quotas()


async def test_a_kept_quota_costs_a_build_nothing(
    api_cluster: Cluster, tenant: Tenant, operators: Operators, tmp_path: Path
) -> None:
    async with before_cluster(api_cluster, tmp_path, Fuse()) as (cluster, kubeconfig):
        await operators.begin(BUILDSTATE_QUOTA='{"pods": 9}', KUBECONFIG=str(kubeconfig))
        tenant.label()
        await tenant.has({"pods": "9"})
        own = f"{NAMESPACES}/{tenant.api.namespace}"
        # Its own echo is looked at once more.
        await until_asked(cluster, f"{own}/{QUOTA}", 2)
        ready = len(cluster.asked)
        async with kubelet(tenant.api):
            await tenant.api.create("cheap", {"phases": FOUR})
            await wait_for(tenant.api, "cheap", "COMPLETE")
        asked = [path for _, _, path in cluster.asked[ready:]]
    assert any(path.endswith("/pods") for path in asked)
    assert [] == [path for path in asked if path.endswith(QUOTA) or path == own]


async def until_asked(cluster: Proxy, wanted: str, times: int) -> None:
    """Wait until that path was read so often."""
    async with asyncio.timeout(PATIENCE):
        while [path for _, method, path in cluster.asked if method == "GET"].count(wanted) < times:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
