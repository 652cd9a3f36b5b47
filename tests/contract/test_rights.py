"""Who may do what to a BuildState: the chart's roles and policies on a real API server."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from clusters.providers import Cluster

pytestmark = pytest.mark.contract

NAMESPACE = "rights"
OPERATOR = "system:serviceaccount:buildstate-system:buildstate"
# Each is bound in the namespace to the ClusterRole beside the name.
PEOPLE = {
    "viewer": "buildstate-viewer",
    "author": "buildstate-author",
    "releaser": "buildstate-releaser",
    "view": "view",
    "edit": "edit",
    "admin": "admin",
}
EVERYBODY = {*PEOPLE, "nobody", "root"}
READERS = {*PEOPLE, "root"}
# They write BuildStates; `author` alone may not make Pods.
AUTHORS = {"author", "edit", "admin", "root"}
WORKERS = AUTHORS - {"author"}
RELEASERS = {"releaser", "admin", "root"}
UPDATERS = AUTHORS | RELEASERS
VERBS = ("transition", "abort", "restart", "cleanup", "restore", "checkpoint", "archive", "verify")

WORK: dict[str, object] = {"phases": {"build": {"image": "example/builder:1", "command": ["make"]}}}
FIRST = {"status": {"phase": "INIT"}}
FAILED = {"status": {"phase": "ERROR"}}
LET = ""

Refusal = Callable[..., str]


@dataclass(frozen=True)
class Act:
    """Something that one can try, without a trace, and the people who may."""

    args: tuple[str, ...]
    allowed: set[str]
    stdin: str | None = None


def build(name: str, spec: object) -> str:
    """The manifest of a BuildState."""
    meta = {"name": name} if not name.endswith("-") else {"generateName": name}
    kind = {"apiVersion": "buildstate.dev/v1alpha1", "kind": "BuildState"}
    return json.dumps({**kind, "metadata": {**meta, "namespace": NAMESPACE}, "spec": spec})


def create(spec: object, allowed: set[str]) -> Act:
    """Make a new build."""
    args = ("create", "--dry-run=server", "-f", "-")
    return Act(args, allowed, stdin=build("tried-", spec))


def patch(spec: object, allowed: set[str], name: str = "standing") -> Act:
    """Change the spec of a build that is there."""
    return Act(patched(name, {"spec": spec}, "--dry-run=server"), allowed)


def patched(name: str, change: object, *options: str) -> tuple[str, ...]:
    """The arguments that change a build."""
    where = ("-n", NAMESPACE, "patch", "buildstate", name, "--type=merge")
    return (*where, f"--patch={json.dumps(change)}", *options)


def origin(uid: str | None) -> dict[str, object]:
    """A change of the annotation that names the lost build."""
    return {"metadata": {"annotations": {"buildstate.dev/restore-from": uid}}}


def again(name: str) -> str:
    """The manifest of a build that takes over the state of a lost one."""
    manifest = json.loads(build(name, {}))
    manifest["metadata"]["annotations"] = {"buildstate.dev/restore-from": "lost"}
    return json.dumps(manifest)


def request(action: str, ident: str = "r1") -> dict[str, object]:
    """A spec that asks for an act."""
    return {"request": {"id": ident, "action": action}}


ACTS = {
    "read": Act(("-n", NAMESPACE, "get", "buildstate", "standing"), READERS),
    "delete": Act(
        ("-n", NAMESPACE, "delete", "buildstate", "standing", "--dry-run=server"), AUTHORS
    ),
    "create without work": create({}, AUTHORS),
    "create with a target": create({"phase": "SETUP"}, AUTHORS),
    "create with work": create(WORK, WORKERS),
    "create with a service account": create({"serviceAccountName": "robot"}, WORKERS),
    "create with a claim": create({"workspace": {"claimName": "shared"}}, WORKERS),
    "create with a workspace": create({"workspace": {"size": "1Gi"}}, WORKERS),
    "create with an Abort": create(request("Abort"), AUTHORS),
    "label": Act(
        patched("standing", {"metadata": {"labels": {"a": "b"}}}, "--dry-run=server"), UPDATERS
    ),
    "suspend": patch({"suspend": True}, UPDATERS),
    "suspend a build with work": patch({"suspend": True}, UPDATERS, "working"),
    "transition": patch({"phase": "BUILD"}, RELEASERS),
    "transition to the default": patch({"phase": None}, RELEASERS),
    "abort by phase": patch({"phase": "ERROR"}, UPDATERS),
    "abort by request": patch(request("Abort"), UPDATERS),
    "restart": patch(request("Restart"), UPDATERS, "failed"),
    "cleanup": patch(request("Cleanup"), RELEASERS, "failed"),
    "restore": patch(request("Restore"), UPDATERS, "failed"),
    "restore a certain checkpoint": patch(
        {"request": {"id": "r1", "action": "Restore", "checkpoint": "7-build-1f9b02ac"}},
        UPDATERS,
        "failed",
    ),
    "checkpoint": patch(request("Checkpoint"), UPDATERS),
    "archive": patch(request("Archive"), RELEASERS, "failed"),
    "verify": patch(request("Verify"), UPDATERS),
    "create with an Archive": create(request("Archive"), AUTHORS & RELEASERS),
    "create with a Restore": create(request("Restore"), AUTHORS),
    "have checkpoints taken": patch({"checkpoints": {}}, UPDATERS),
    "restore by recovery": patch({"recovery": {"strategy": "Resume"}}, UPDATERS, "failed"),
    "restart by recovery": patch({"recovery": {"strategy": "Restart"}}, UPDATERS, "failed"),
    "clean up by recovery": patch({"recovery": {"onExhausted": "Cleanup"}}, RELEASERS, "failed"),
    "take a request back": patch({"request": None}, UPDATERS, "requesting"),
    "repeat a request": patch(request("Restart", "pending"), UPDATERS, "requesting"),
    "replace a pending request": patch(request("Cleanup"), RELEASERS, "requesting"),
    "restart and transition": patch({"phase": "BUILD", **request("Restart")}, RELEASERS, "failed"),
    "add work": patch(WORK, WORKERS),
    "change work": patch({"phases": {"build": {"image": "example/builder:2"}}}, WORKERS, "working"),
    "take work away": patch({"phases": None}, WORKERS, "working"),
    "add a workspace": patch({"workspace": {"size": "1Gi"}}, WORKERS),
    "make a lost build again": Act(
        ("create", "--dry-run=server", "-f", "-"), AUTHORS, stdin=again("tried-")
    ),
    "let a build be a lost one": Act(
        patched("standing", origin("lost"), "--dry-run=server"), UPDATERS
    ),
    "let it be another lost one": Act(
        patched("restored", origin("other"), "--dry-run=server"), UPDATERS
    ),
    "write status": Act(
        patched("standing", FIRST, "--subresource=status", "--dry-run=server"), {"root"}
    ),
}

TRANSITION_HELP = (
    'on buildstates.buildstate.dev in namespace "rights"; ask for a Role with that verb, '
    "such as ClusterRole buildstate-"
)
WORK_HELP = 'in namespace "rights"; ask for a Role with that right, such as ClusterRole edit'
SAID = {
    ("edit", "transition"): (
        'User "edit" may not change spec.phase of BuildState rights/standing from SETUP to BUILD: '
        f'missing verb "transition" {TRANSITION_HELP}releaser'
    ),
    ("updater", "abort by phase"): (
        'User "updater" may not abort BuildState rights/standing: '
        f'missing verb "abort" {TRANSITION_HELP}author'
    ),
    ("updater", "restart"): (
        'User "updater" may not restart BuildState rights/failed: '
        f'missing verb "restart" {TRANSITION_HELP}author'
    ),
    ("edit", "cleanup"): (
        'User "edit" may not clean up BuildState rights/failed: '
        f'missing verb "cleanup" {TRANSITION_HELP}releaser'
    ),
    ("updater", "restore"): (
        'User "updater" may not restore BuildState rights/failed: '
        f'missing verb "restore" {TRANSITION_HELP}author'
    ),
    ("updater", "restore by recovery"): (
        'User "updater" may not restore BuildState rights/failed: '
        f'missing verb "restore" {TRANSITION_HELP}author'
    ),
    ("updater", "let a build be a lost one"): (
        'User "updater" may not let BuildState rights/standing take over the state of the build '
        "lost (annotation buildstate.dev/restore-from): "
        f'missing verb "restore" {TRANSITION_HELP}author'
    ),
    ("updater", "checkpoint"): (
        'User "updater" may not take a checkpoint of BuildState rights/standing: '
        f'missing verb "checkpoint" {TRANSITION_HELP}author'
    ),
    ("edit", "archive"): (
        'User "edit" may not archive BuildState rights/failed: '
        f'missing verb "archive" {TRANSITION_HELP}releaser'
    ),
    ("updater", "verify"): (
        'User "updater" may not verify BuildState rights/standing: '
        f'missing verb "verify" {TRANSITION_HELP}author'
    ),
    ("author", "add work"): (
        'User "author" may not set the work (phases, serviceAccountName, workspace) of BuildState '
        f'rights/standing, which runs as Pods: missing verb "create" on pods {WORK_HELP}'
    ),
    ("updater", "add a workspace"): (
        'User "updater" may not ask for a workspace with a size in BuildState rights/standing, '
        'which makes a claim: missing verb "create" on persistentvolumeclaims '
        f"{WORK_HELP}"
    ),
}


def grant(cluster: Cluster, name: str, user: str, *rules: str) -> None:
    """Give a user a Role of the namespace."""
    cluster.kubectl("-n", NAMESPACE, "create", "role", name, *rules)
    cluster.kubectl(
        "-n", NAMESPACE, "create", "rolebinding", name, f"--role={name}", f"--user={user}"
    )


def settle(refusal: Refusal, who: str, act: Act, wanted: str) -> None:
    """Wait until an act is answered as the roles and policies say once they are known."""
    deadline = time.monotonic() + 60
    while not answered(said := refusal(who, *act.args, stdin=act.stdin), wanted):
        assert time.monotonic() < deadline, f"{who} still gets: {said or 'no refusal'}"


def answered(said: str, wanted: str) -> bool:
    """Whether the refusal is the wanted one, or there is none where none is wanted."""
    return wanted in said if wanted else not said


def populate(cluster: Cluster) -> None:
    """The namespace with its people and its builds."""
    cluster.kubectl("create", "namespace", NAMESPACE)
    for user, role in PEOPLE.items():
        binding = ("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}")
        cluster.kubectl("-n", NAMESPACE, *binding)
    grant(cluster, "updater", "updater", "--verb=get,create,patch", "--resource=buildstates,pods")
    specs: dict[str, dict[str, object]] = {
        "standing": {},
        "working": WORK,
        "failed": {},
        "requesting": request("Restart", "pending"),
    }
    for name, spec in specs.items():
        manifest = build(name, {"phase": "SETUP", **spec})
        cluster.kubectl("create", "-f", "-", stdin=manifest)
    cluster.kubectl("create", "-f", "-", stdin=again("restored"))
    for name in ("failed", "requesting"):
        cluster.kubectl(*patched(name, FIRST, "--subresource=status"))
        cluster.kubectl(*patched(name, FAILED, "--subresource=status"))


@pytest.fixture(scope="module")
def rights(installed: Cluster, refusal: Refusal) -> Iterator[Refusal]:
    """A namespace where roles are aggregated and both policies are awake."""
    populate(installed)
    settle(refusal, "admin", ACTS["cleanup"], LET)
    settle(refusal, "edit", ACTS["transition"], "acts.buildstate.dev")
    settle(refusal, "author", ACTS["add work"], "work.buildstate.dev")
    yield refusal
    installed.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_an_act_is_open_to_exactly_those_who_hold_its_right(act: Act, rights: Refusal) -> None:
    allowed = {who for who in EVERYBODY if not rights(who, *act.args, stdin=act.stdin)}
    assert allowed == act.allowed


@pytest.mark.parametrize(("who", "act"), SAID)
def test_a_refusal_says_who_lacks_which_verb_and_what_to_ask_for(
    who: str, act: str, rights: Refusal
) -> None:
    said = rights(who, *ACTS[act].args)
    assert "Error from server (Forbidden)" in said
    assert said.endswith(f"denied request: {SAID[who, act]}")


@pytest.mark.parametrize("policy", ["acts", "work", "pods", "checkpoints", "finalizers"])
def test_the_server_finds_no_type_wrong_in_a_policy(policy: str, installed: Cluster) -> None:
    name = f"validatingadmissionpolicy/{policy}.buildstate.dev"
    # Without the CRD it would have nothing to check the expressions with.
    checked = "--for=jsonpath={.status.observedGeneration}=1"
    installed.kubectl("wait", checked, name, "--timeout=60s")
    status = installed.kubectl("get", name, "--output=jsonpath={.status}")
    assert json.loads(status) == {"observedGeneration": 1, "typeChecking": {}}


def test_a_refused_creation_with_generate_name_names_the_build(rights: Refusal) -> None:
    act = ACTS["create with work"]
    assert "BuildState rights/tried-" in rights("author", *act.args, stdin=act.stdin)


def test_who_may_only_create_makes_no_lost_build_again(rights: Refusal) -> None:
    act = ACTS["make a lost build again"]
    said = rights("updater", *act.args, stdin=act.stdin)
    assert "may not let BuildState rights/tried-" in said
    assert "take over the state of the build lost" in said


@pytest.mark.parametrize(
    "change",
    [origin(None), {"metadata": {"labels": {"a": "b"}}}, {"spec": {"suspend": True}}],
    ids=["without it", "with another label", "suspended"],
)
def test_a_build_that_was_made_again_is_changed_without_that_verb(
    change: object, rights: Refusal
) -> None:
    assert not rights("updater", *patched("restored", change, "--dry-run=server"))


def test_a_verb_granted_for_one_build_opens_that_build_only(
    rights: Refusal, installed: Cluster
) -> None:
    rules = ("--verb=get,patch,transition", "--resource=buildstates", "--resource-name=standing")
    grant(installed, "one", "keeper", *rules)
    grant(installed, "all", "keeper", "--verb=get,patch", "--resource=buildstates")
    settle(rights, "keeper", ACTS["transition"], LET)
    assert 'missing verb "transition"' in rights(
        "keeper", *patch({"phase": "BUILD"}, set(), "working").args
    )


def test_a_verb_in_another_namespace_opens_nothing(rights: Refusal, installed: Cluster) -> None:
    binding = ("create", "rolebinding", "guest", "--clusterrole=admin", "--user=updater")
    installed.kubectl("-n", "default", *binding)
    try:
        assert 'missing verb "abort"' in rights("updater", *ACTS["abort by phase"].args)
    finally:
        installed.kubectl("-n", "default", "delete", "rolebinding", "guest")


@pytest.mark.parametrize(
    "right",
    [
        "watch buildstates",
        "patch buildstates",
        "update buildstates --subresource=status",
        "create pods",
        "delete pods",
        "create persistentvolumeclaims",
        "create events",
        "list events",
        "list storageclasses.storage.k8s.io",
        "get namespaces",
        "list namespaces",
        "watch namespaces",
        "watch resourcequotas",
        "create resourcequotas",
        "get resourcequotas/buildstate",
        "update resourcequotas/buildstate",
        "delete resourcequotas/buildstate",
        "get configmaps",
        "list configmaps",
        "create configmaps",
        "update configmaps",
        "delete configmaps",
    ],
)
def test_the_operator_may_do_its_work(right: str, rights: Refusal) -> None:
    assert not rights(OPERATOR, "-n", NAMESPACE, "auth", "can-i", *right.split())


@pytest.mark.parametrize(
    "right",
    [
        "create buildstates",
        "update buildstates",
        "delete buildstates",
        "update buildstates --subresource=finalizers",
        *(f"{verb} buildstates" for verb in VERBS),
        "get secrets",
        "list secrets",
        "watch configmaps",
        "patch configmaps",
        "update namespaces",
        "patch namespaces",
        "delete namespaces",
        "update resourcequotas",
        "delete resourcequotas/of-the-team",
        "patch resourcequotas/buildstate",
        "deletecollection resourcequotas",
        "patch pods",
        "create pods --subresource=exec",
        "create serviceaccounts --subresource=token",
        "list persistentvolumeclaims",
        "create leases.coordination.k8s.io",
        "list nodes",
        "impersonate users",
        "bind clusterroles.rbac.authorization.k8s.io",
        "escalate clusterroles.rbac.authorization.k8s.io",
    ],
)
def test_the_operator_may_do_nothing_else(right: str, rights: Refusal) -> None:
    assert rights(OPERATOR, "-n", NAMESPACE, "auth", "can-i", *right.split())


def test_the_operator_brings_builds_back_only_where_it_was_given_the_right(
    rights: Refusal, installed: Cluster
) -> None:
    act, name = ACTS["create with a workspace"], "restore-from-store"
    assert "Forbidden" in rights(OPERATOR, *act.args, stdin=act.stdin)
    account = "--serviceaccount=buildstate-system:buildstate"
    binding = ("rolebinding", name, "--clusterrole=buildstate-author", account)
    installed.kubectl("-n", NAMESPACE, "create", *binding)
    settle(rights, OPERATOR, act, LET)
    installed.kubectl("-n", NAMESPACE, "delete", "rolebinding", name)
    settle(rights, OPERATOR, act, "Forbidden")


def test_a_role_in_a_namespace_opens_the_namespace_itself_and_no_other(
    rights: Refusal, installed: Cluster
) -> None:
    # What an operator with a list of namespaces reads their uids by.
    grant(installed, "surveyor", "surveyor", "--verb=get", "--resource=namespaces")
    settle(rights, "surveyor", Act(("get", "namespace", NAMESPACE), set()), LET)
    assert "Forbidden" in rights("surveyor", "get", "namespace", "default")
