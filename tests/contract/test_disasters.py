"""Builds that the cluster has lost come back from a store: by the commands, as the operator."""

import asyncio
import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from tests.contract.apis import Api, Document, opened
from tests.contract.operators import (
    FOUR,
    PATIENCE,
    Build,
    Operators,
    ask,
    build_of,
    kill,
    name_of,
    phase_of,
    wait_until,
)
from tests.stores.servers import ACCESS_KEY, BUCKET, SECRET_KEY, Versity

from clusters import Cluster
from clusters.commands import CommandFailed

pytestmark = pytest.mark.contract

ROOT = Path(__file__).parents[2]
SYSTEM = "buildstate-system"
RESUME = {"strategy": "Resume", "limit": 3, "backoffSeconds": 0}
KINDS = ("volume", "s3")


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    def line(self, *words: str) -> str:
        """The line of the result with all these words."""
        found = [line for line in self.out.splitlines() if all(word in line for word in words)]
        assert len(found) == 1, (words, self)
        return found[0]


@dataclass(frozen=True)
class Site:
    """A stores document, and who the operator and its commands are."""

    directory: Path
    kubeconfig: Path
    store: Document
    namespace: str

    @property
    def settings(self) -> dict[str, str]:
        """The environment of the operator and of its commands."""
        return {
            "BUILDSTATE_STORES": str(self.directory / "stores.json"),
            "BUILDSTATE_STORE_NAMESPACE": SYSTEM,
            "BUILDSTATE_NAMESPACES": self.namespace,
        }

    def write(self, key: str = "2026-11") -> None:
        """Write the stores document, with that active key."""
        keys = self.directory / "keys"
        keys.mkdir(exist_ok=True)
        if not (keys / key).exists():
            (keys / key).write_bytes(b64encode(os.urandom(32)))
        document = {
            "default": "main",
            "stores": [self.store],
            "encryption": {"activeKey": key, "keyring": str(keys)},
        }
        (self.directory / "stores.json").write_text(json.dumps(document))

    async def ask(self, *args: str, kubeconfig: Path | None = None) -> Said:
        """Run a command as it runs in the operator's container."""
        return await asyncio.to_thread(self._ask, args, kubeconfig or self.kubeconfig)

    def _ask(self, args: tuple[str, ...], kubeconfig: Path) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "buildstate", *args],
            env={
                **os.environ,
                **self.settings,
                "KUBECONFIG": str(kubeconfig),
                "PYTHONPATH": str(ROOT / "operator"),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def operators_kubeconfig(installed: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The way to the cluster as the ServiceAccount of the chart."""
    token = installed.kubectl("-n", SYSTEM, "create", "token", "buildstate").strip()
    config = yaml.safe_load(installed.kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    file = tmp_path_factory.mktemp("operator") / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return file


@pytest.fixture
def site(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    operators_kubeconfig: Path,
    server: Versity,
    team: str,
) -> Site:
    kind = getattr(request, "param", "volume")
    (tmp_path / "volume").mkdir()
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "accessKeyId").write_text(ACCESS_KEY)
    (credentials / "secretAccessKey").write_text(SECRET_KEY)
    volume = {"name": "main", "kind": "Volume", "path": str(tmp_path / "volume")}
    bucket = {
        "name": "main",
        "kind": "S3",
        "bucket": BUCKET,
        "prefix": f"disasters/{uuid4()}",
        "endpoint": server.endpoint,
        "allowHttp": True,
        "credentials": str(credentials),
        "timeoutSeconds": 2,
    }
    site = Site(tmp_path, operators_kubeconfig, volume if kind == "volume" else bucket, team)
    site.write()
    return site


@pytest.fixture
def team(installed: Cluster, operators_kubeconfig: Path) -> Iterator[str]:
    """A namespace in which Pods may be made, and that somebody will lose."""
    name = f"disaster-{uuid4().hex[:6]}"
    populate(installed, name)
    yield name
    installed.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def populate(cluster: Cluster, name: str) -> None:
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")


def grant(cluster: Cluster, namespace: str, site: Site) -> None:
    """What the how-to says, and until it counts."""
    account = "--serviceaccount=buildstate-system:buildstate"
    role = "--clusterrole=buildstate-author"
    cluster.kubectl("-n", namespace, "create", "rolebinding", "restore-from-store", role, account)
    who = "--as=system:serviceaccount:buildstate-system:buildstate"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            cluster.kubectl("-n", namespace, "auth", "can-i", "create", "buildstates", who)
        except CommandFailed:
            time.sleep(0.2)
        else:
            return


@pytest.fixture
async def lost(installed: Cluster, team: str) -> AsyncIterator[Api]:
    async with opened(installed, team) as api:
        yield api


@pytest.fixture
def crew(operators_kubeconfig: Path, tmp_path: Path) -> Iterator[Operators]:
    with ExitStack() as stack:
        yield Operators(operators_kubeconfig, tmp_path, stack)


Ran = list[tuple[str, str]]


@asynccontextmanager
async def nodes(api: Api, judge: Callable[[str, str], str]) -> AsyncIterator[Ran]:
    """End Pods as `judge` says by build and phase; gives what was run."""
    ran: Ran = []
    seen: set[str] = set()

    async def work() -> None:
        while True:
            for pod in await api.pods("Pending"):
                key = build_of(pod), phase_of(pod)
                if name_of(pod) not in seen:
                    seen.add(name_of(pod))
                    ran.append(key)
                    if end := judge(*key):
                        await api.set_pod_phase(name_of(pod), end)
            await asyncio.sleep(0.03)

    task = asyncio.create_task(work())
    try:
        yield ran
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def before(build: str, phase: str) -> str:
    """How work ends before the disaster."""
    if (build, phase) == ("failed", "TEST"):
        return "Failed"
    return "" if (build, phase) == ("running", "BUILD") else "Succeeded"


# What each asks for, and how it stands when the cluster is lost.
KEPT: dict[str, Any] = {"phases": FOUR, "checkpoints": {"deletionPolicy": "Retain"}}
BUILDS: dict[str, tuple[Document, str, str]] = {
    "archived": (KEPT, "COMPLETE", "Archived"),
    "complete": (KEPT, "COMPLETE", "Succeeded"),
    "failed": (KEPT, "ERROR", "Failed"),
    "running": ({**KEPT, "recovery": RESUME}, "BUILD", "Waiting"),
    "suspended": ({**KEPT, "phase": "BUILD"}, "BUILD", "Suspended"),
    "tested": ({**KEPT, "phase": "TEST"}, "TEST", "Waiting"),
    "waiting": ({**KEPT, "phase": "BUILD"}, "BUILD", "Waiting"),
    "workless": ({"checkpoints": {}}, "COMPLETE", "Succeeded"),
}


# A checkpoint is taken at each transition, and not when work ends: these ask for one then.
KEEPING = {"suspended", "waiting"}


def has_done(phase: str) -> Callable[[Document], bool]:
    """That the work of a phase has succeeded."""
    return lambda seen: any(
        (one["phase"], one["result"]) == (phase, "Succeeded") for one in seen.get("phases", ())
    )


def stands(phase: str, status: str) -> Callable[[Document], bool]:
    return lambda seen: (seen.get("phase"), seen.get("status")) == (phase, status)


async def at_work(api: Api, site: Site, builds: dict[str, tuple[Document, str, str]]) -> None:
    """Bring builds to where they are lost, and their states into the store."""
    async with nodes(api, before):
        for name, (spec, _, _) in builds.items():
            made = await api.create(name, spec, labels={"app": name})
            assert 201 == made.code, made.message
        for name in KEEPING & builds.keys():
            await wait_until(api, name, has_done("BUILD"))
            await ask(api, name, "keep", "Checkpoint")
        if "tested" in builds:
            await wait_until(api, "tested", has_done("TEST"))
        if "suspended" in builds:
            await api.patch("suspended", {"spec": {"suspend": True, "phase": "COMPLETE"}})
        if "archived" in builds:
            await wait_until(api, "archived", stands("COMPLETE", "Succeeded"))
            away = {"id": "away", "action": "Archive"}
            await api.patch("archived", {"spec": {"request": away}})
        for name, (_, phase, status) in builds.items():
            await wait_until(api, name, stands(phase, status))
    await mirrored(api, site, builds)


def standing(status: str, time: str) -> tuple[str, str]:
    """How a state is told from the one before; what is archived is put away before that is said."""
    return (status, "" if status == "Archived" else time)


async def mirrored(api: Api, site: Site, builds: dict[str, tuple[Document, str, str]]) -> None:
    """Wait until the store has what the cluster says."""
    there = {name: dict(await api.get(name)) for name in builds}
    wanted = {
        one["metadata"]["uid"]: standing(one["status"]["status"], one["status"]["timestamp"])
        for one in there.values()
    }
    deadline, found = time.monotonic() + PATIENCE, dict[str, tuple[str, str]]()
    while found != wanted:
        assert time.monotonic() < deadline, found
        listings = [
            await site.ask("states", "-n", api.namespace, "-o", "json", *more)
            for more in ((), ("--archived",))
        ]
        states = [one for said in listings for one in json.loads(said.out)]
        known = {one["uid"]: standing(one["status"], one["time"]) for one in states}
        found = {uid: known[uid] for uid in wanted if uid in known}


def lose(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("delete", "namespace", namespace, "--timeout=120s")


@pytest.mark.parametrize("site", KINDS, indirect=True)
async def test_a_namespace_that_was_lost_comes_back_and_nothing_that_was_done_is_run_again(  # noqa: PLR0915 - one story
    installed: Cluster, lost: Api, site: Site, crew: Operators
) -> None:
    team = lost.namespace
    operator = await crew.begin(**site.settings)
    await at_work(lost, site, BUILDS)
    known = {name: dict(await lost.get(name)) for name in BUILDS}
    kill(operator)
    lose(installed, team)

    missing = await site.ask("restore-from-store", "-n", team, "--dry-run")
    assert 1 == missing.code
    assert f"namespace {team} is missing: make it, or say --create-namespaces" in missing.out

    populate(installed, team)
    plan = await site.ask("restore-from-store", "-n", team, "--dry-run")
    assert (0, 7) == (plan.code, plan.out.count("make it again")), plan
    assert "nothing was done; 7 builds would be made again" in plan.err
    unasked = await site.ask("restore-from-store", "-n", team)
    assert 2 == unasked.code
    assert "say --yes" in unasked.err

    await crew.begin(**site.settings)
    refused = await site.ask("restore-from-store", "-n", team, "--yes")
    assert (1, 7) == (refused.code, refused.out.count("FAILED")), refused
    assert f"kubectl -n {team} create rolebinding restore-from-store" in refused.err

    grant(installed, team, site)
    async with nodes(lost, before_is_over) as ran:
        restored = await site.ask("restore-from-store", "-n", team, "--yes")
        assert (0, 7) == (restored.code, restored.out.count(" restored ")), restored
        assert "7 restored, 0 there already, 0 not" in restored.err
        await come_back(lost)
        await assert_the_same(lost, known, {*BUILDS} - {"archived"})
        running = [("running", "BUILD"), ("running", "TEST"), ("running", "CLEANUP")]
        assert running == [one for one in ran if one[0] == "running"]
        # Its work had ended after its newest checkpoint.
        assert {("tested", "TEST"), *running} == {*ran}
        assert 4 == len(ran)

        again = await site.ask("restore-from-store", "-n", team, "--yes")
        assert 0 == again.code
        assert "there is nothing to be made again" in again.err

        away = await site.ask("restore-from-store", "-n", team, "--archived", "--yes")
        assert (0, 1) == (away.code, away.out.count(" restored ")), away
        await wait_until(lost, "archived", stands("COMPLETE", "Succeeded"))
        await assert_the_same(lost, known, {"archived"})
        del ran[:]

        await lost.patch("suspended", {"spec": {"suspend": False}})
        await wait_until(lost, "suspended", stands("COMPLETE", "Succeeded"))
        assert [("suspended", "TEST"), ("suspended", "CLEANUP")] == ran
    verified = await site.ask("verify", "--all", "-n", team)
    assert 0 == verified.code, verified
    assert [] == crew.tracebacks()


def before_is_over(_build: str, _phase: str) -> str:
    return "Succeeded"


async def come_back(api: Api) -> None:
    """Wait until each is where it was, or as far as it can be by itself."""
    await wait_until(api, "running", stands("COMPLETE", "Succeeded"))
    await wait_until(api, "suspended", stands("INIT", "Suspended"))
    for name in ("complete", "failed", "tested", "waiting", "workless"):
        await wait_until(api, name, stands(*BUILDS[name][1:]))


async def assert_the_same(api: Api, known: dict[str, Build], names: set[str]) -> None:
    """They ask for the same as before, and have answered what they had."""
    for name in names:
        build, lost = dict(await api.get(name)), known[name]
        wanted = {part: value for part, value in lost["spec"].items() if part != "request"}
        assert wanted == {p: v for p, v in build["spec"].items() if p != "request"}
        assert "request" not in build["spec"]
        assert lost["metadata"]["labels"] == build["metadata"]["labels"]
        assert lost["metadata"]["uid"] != build["metadata"]["uid"]
        assert lost["status"]["epoch"] < build["status"]["epoch"]
        assert lost["status"]["sequence"] <= build["status"]["sequence"]
        if name != "archived":  # It is put away before that is answered.
            assert lost["status"].get("lastRequest") == build["status"].get("lastRequest")


SOME = {name: BUILDS[name] for name in ("complete", "failed", "tested", "waiting")}


async def test_a_lost_cluster_comes_back_with_its_namespaces_and_what_is_damaged_is_named(
    installed: Cluster, lost: Api, site: Site, crew: Operators
) -> None:
    team = lost.namespace
    operator = await crew.begin(**site.settings)
    await at_work(lost, site, SOME)
    known = {name: dict(await lost.get(name)) for name in SOME}
    kill(operator)
    lose(installed, team)
    home = site.directory / "volume" / "active" / team

    def payloads(name: str) -> list[Path]:
        found = (home / known[name]["metadata"]["uid"] / "checkpoints").glob("*.payload")
        return sorted(found, key=lambda path: int(path.name.split("-")[0]))

    flip(payloads("tested")[-1])  # One of its checkpoints, and
    for payload in payloads("waiting"):
        flip(payload)  # all of these,
    (home / known["failed"]["metadata"]["uid"] / "current_state.json").write_bytes(b"{")

    await crew.begin(**site.settings)
    async with nodes(lost, before_is_over) as ran:
        restored = await site.ask(
            "restore-from-store",
            "-A",
            "--create-namespaces",
            "--yes",
            "--wait=30",
            kubeconfig=installed.kubeconfig,
        )
        assert 1 == restored.code, restored
        assert "made 1 namespace" in restored.err
        assert "3 restored, 0 there already, 1 not" in restored.err
        assert "FAILED" in restored.line(team, "waiting")
        assert "request Restart" in restored.line(team, "waiting")
        await wait_until(lost, "failed", stands("ERROR", "Failed"))
        await wait_until(lost, "complete", stands("COMPLETE", "Succeeded"))
        await wait_until(lost, "tested", stands("TEST", "Waiting"))
    assert {"tested"} >= {build for build, _ in ran}
    bad = await site.ask("verify", "--all", "-n", team)
    assert 1 == bad.code
    assert known["waiting"]["metadata"]["uid"] in bad.out
    assert "PayloadAltered" in bad.out


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


async def test_of_builds_of_the_same_name_the_newest_comes_back_unless_another_is_named(
    installed: Cluster, lost: Api, site: Site, crew: Operators
) -> None:
    team, one = lost.namespace, {"waiting": BUILDS["waiting"]}
    await crew.begin(**site.settings)
    uids = []
    for _ in range(2):
        await at_work(lost, site, one)
        uids.append((await lost.get("waiting"))["metadata"]["uid"])
        installed.kubectl("-n", team, "delete", "buildstate", "waiting")
    grant(installed, team, site)
    for uid, more in ((uids[1], ()), (uids[0], ("--uid", uids[0]))):
        said = await site.ask("restore-from-store", "-n", team, "--build=waiting", "--yes", *more)
        assert 0 == said.code, said
        build = await wait_until(lost, "waiting", stands("BUILD", "Waiting"))
        annotations = build["metadata"]["annotations"]
        assert uid == annotations["buildstate.dev/restore-from"]
        taken = await site.ask("restore-from-store", "-n", team, "--build=waiting", "--uid", uid)
        assert (0, 1) == (taken.code, taken.out.count("it was restored before: left alone"))
        installed.kubectl("-n", team, "delete", "buildstate", "waiting")
    nothing = await site.ask("restore-from-store", "-n", team, "--build=other", "--yes")
    assert 1 == nothing.code
    assert "nothing found of" in nothing.err


async def test_keys_are_rotated_by_the_commands_while_builds_go_on(
    installed: Cluster, lost: Api, site: Site, crew: Operators
) -> None:
    team = lost.namespace
    operator = await crew.begin(**site.settings)
    await at_work(lost, site, {"waiting": BUILDS["waiting"], "complete": BUILDS["complete"]})
    assert 0 == (await site.ask("verify", "-n", team)).code
    kill(operator)
    site.write("2027-05")
    await crew.begin(**site.settings)

    rewrapped = await site.ask("rewrap")
    assert 0 == rewrapped.code, rewrapped
    assert "active" in rewrapped.line("2027-05", "main", "active")
    assert "2026-11" not in rewrapped.out
    (site.directory / "keys" / "2026-11").unlink()
    assert 0 == (await site.ask("keys-in-use")).code
    assert 0 == (await site.ask("verify", "--all", "-n", team)).code
    async with nodes(lost, before_is_over) as ran:
        await lost.patch("waiting", {"spec": {"phase": "COMPLETE"}})
        await wait_until(lost, "waiting", stands("COMPLETE", "Succeeded"))
    assert [("waiting", "TEST"), ("waiting", "CLEANUP")] == ran

    (site.directory / "keys" / "2027-05").rename(site.directory / "taken-away")
    site.write("2028-01")
    missing = await site.ask("keys-in-use")
    assert 1 == missing.code
    assert "missing" in missing.line("2027-05")
    damaged = await site.ask("verify", "-n", team)
    assert 1 == damaged.code
    assert "KeyMissing" in damaged.out


@pytest.mark.parametrize("site", ["s3"], indirect=True)
async def test_a_store_that_is_down_is_said_and_nothing_is_made(
    lost: Api, site: Site, server: Versity
) -> None:
    server.stop()
    try:
        for verb in (["restore-from-store", "-A", "--yes"], ["states"], ["keys-in-use"]):
            said = await site.ask(*verb)
            assert (1, "") == (said.code, said.out)
            assert "cannot be reached" in said.err
    finally:
        server.start()


async def test_no_cluster_is_said_before_anything_is_done(site: Site, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    for verb in (["restore-from-store", "-A", "--yes"], ["verify"]):
        said = await site.ask(*verb, kubeconfig=nowhere)
        assert 2 == said.code
        assert "no cluster to talk to" in said.err
    assert 0 == (await site.ask("states", kubeconfig=nowhere)).code
