"""What an API server does, held against a real one and against the pretended one alike.

A door is the way in: it answers requests as cluster-admin and opens watches.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from itertools import count, product
from typing import Any, NamedTuple, Protocol

import pytest

from buildstate.domain.phases import BuildPhase
from buildstate.domain.transitions import VALID_TRANSITIONS

Document = Mapping[str, Any]

METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
WAYS: Mapping[BuildPhase, tuple[BuildPhase, ...]] = {
    BuildPhase.INIT: (),
    BuildPhase.SETUP: (BuildPhase.SETUP,),
    BuildPhase.BUILD: (BuildPhase.SETUP, BuildPhase.BUILD),
    BuildPhase.TEST: (BuildPhase.SETUP, BuildPhase.BUILD, BuildPhase.TEST),
    BuildPhase.CLEANUP: (BuildPhase.ERROR, BuildPhase.CLEANUP),
    BuildPhase.COMPLETE: (BuildPhase.ERROR, BuildPhase.CLEANUP, BuildPhase.COMPLETE),
    BuildPhase.ERROR: (BuildPhase.ERROR,),
}
PAIRS = list(product(BuildPhase, BuildPhase))
WORK = {"image": "busybox", "command": ["true"]}
PATIENCE = 30.0
_names = (f"thing-{number}" for number in count())


class Said(NamedTuple):
    """One answer."""

    code: int
    document: Document

    @property
    def message(self) -> str:
        """What was said of a refusal."""
        return str(self.document.get("message", ""))

    @property
    def metadata(self) -> Document:
        """The metadata of the object."""
        metadata: Document = self.document["metadata"]
        return metadata


class Door(Protocol):
    """The way into one API server, with a namespace of its own."""

    namespace: str

    async def ask(
        self, method: str, path: str, body: Document | None = None, accept: str = "application/json"
    ) -> Said:
        """Ask for one thing; a PATCH is a merge patch."""

    def watch(self, path: str) -> AbstractAsyncContextManager[AsyncIterator[Document]]:
        """Open a watch; it gives event after event."""

    async def forget(self) -> None:
        """Make the server forget what happened until now."""


class Desk:
    """A door, with the words for what is asked most often."""

    def __init__(self, door: Door) -> None:
        self.door = door
        core = f"/api/v1/namespaces/{door.namespace}"
        self.pods, self.maps, self.quotas = (
            f"{core}/{plural}" for plural in ("pods", "configmaps", "resourcequotas")
        )
        self.claims = f"{core}/persistentvolumeclaims"
        self.builds = f"/apis/buildstate.dev/v1alpha1/namespaces/{door.namespace}/buildstates"

    async def get(self, path: str, accept: str = "application/json") -> Said:
        return await self.door.ask("GET", path, None, accept)

    async def post(self, path: str, body: Document, accept: str = "application/json") -> Said:
        return await self.door.ask("POST", path, body, accept)

    async def put(self, path: str, body: Document) -> Said:
        return await self.door.ask("PUT", path, body)

    async def patch(self, path: str, body: Document) -> Said:
        return await self.door.ask("PATCH", path, body)

    async def delete(self, path: str, **options: Any) -> Said:
        return await self.door.ask("DELETE", path, options)

    async def a_build(self, phase: BuildPhase | None = None, **spec: Any) -> str:
        """The path of a new build that stands in `phase`, or has no status yet."""
        name = next(_names)
        body = {"apiVersion": "buildstate.dev/v1alpha1", "kind": "BuildState"}
        made = await self.post(self.builds, {**body, "metadata": {"name": name}, "spec": spec})
        assert 201 == made.code, made.message
        for step in () if phase is None else (BuildPhase.INIT, *WAYS[phase]):
            moved = await self.say(f"{self.builds}/{name}", phase=step)
            assert 200 == moved.code, moved.message
        return f"{self.builds}/{name}"

    async def say(self, path: str, **status: Any) -> Said:
        """Merge into a status."""
        return await self.patch(f"{path}/status", {"status": status})

    async def a_map(self, name: str = "", **fields: Any) -> Said:
        """A new ConfigMap."""
        metadata = {"name": name or next(_names), **fields.pop("metadata", {})}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **fields}
        return await self.post(self.maps, body)

    async def a_pod(self, name: str = "", **fields: Any) -> Said:
        """A new Pod, which no node takes."""
        metadata = {"name": name or next(_names), **fields.pop("metadata", {})}
        spec = {"containers": [{"name": "work", "image": "none"}], "schedulerName": "nobody"}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        return await self.post(self.pods, {**body, "spec": {**spec, **fields}})

    async def is_gone(self, path: str) -> bool:
        """Whether an object goes, which may take some time."""
        async with asyncio.timeout(PATIENCE):
            while (await self.get(path)).code != 404:  # noqa: ASYNC110 - others make it so
                await asyncio.sleep(0.05)
        return True


async def events(stream: AsyncIterator[Document], number: int) -> list[Document]:
    """So many events of a watch, without bookmarks."""
    found: list[Document] = []
    async with asyncio.timeout(PATIENCE):
        async for event in stream:
            found += [] if event["type"] == "BOOKMARK" else [event]
            if len(found) == number:
                break
    return found


def told(found: list[Document]) -> list[tuple[str, str]]:
    """The types and names of events."""
    return [(event["type"], event["object"]["metadata"]["name"]) for event in found]


class Versions:
    """What is written, read and refused."""

    async def test_what_is_made_has_a_uid_a_version_and_a_time(self, desk: Desk) -> None:
        made = await desk.a_map(data={"a": "1"})
        assert 201 == made.code
        assert {"uid", "resourceVersion", "creationTimestamp"} <= made.metadata.keys()
        assert made.document == {**(await desk.get(_path(desk.maps, made))).document}

    async def test_a_name_is_given_once(self, desk: Desk) -> None:
        made = await desk.a_map()
        again = await desk.a_map(made.metadata["name"])
        assert (409, "AlreadyExists") == (again.code, again.document["reason"])

    async def test_what_is_not_there_is_not_found(self, desk: Desk) -> None:
        for method in ("GET", "DELETE"):
            said = await desk.door.ask(method, f"{desk.maps}/none")
            assert (404, "NotFound") == (said.code, said.document["reason"])
        assert 404 == (await desk.patch(f"{desk.maps}/none", {"data": {}})).code

    async def test_each_write_gives_a_higher_version(self, desk: Desk) -> None:
        made = await desk.a_map(data={"a": "1"})
        changed = await desk.patch(_path(desk.maps, made), {"data": {"a": "2"}})
        assert 200 == changed.code
        assert int(changed.metadata["resourceVersion"]) > int(made.metadata["resourceVersion"])

    async def test_a_write_that_changes_nothing_is_none(self, desk: Desk) -> None:
        made = await desk.a_map(data={"a": "1"})
        same = await desk.patch(_path(desk.maps, made), {"data": {"a": "1"}})
        assert made.metadata["resourceVersion"] == same.metadata["resourceVersion"]

    async def test_a_stale_write_is_a_conflict_and_changes_nothing(self, desk: Desk) -> None:
        made = await desk.a_map(data={"a": "1"})
        path = _path(desk.maps, made)
        await desk.patch(path, {"data": {"a": "2"}})
        stale = await desk.put(path, {**made.document, "data": {"a": "3"}})
        assert (409, "Conflict") == (stale.code, stale.document["reason"])
        assert {"a": "2"} == (await desk.get(path)).document["data"]

    async def test_a_write_to_another_object_of_that_name_is_a_conflict(self, desk: Desk) -> None:
        made = await desk.a_map()
        metadata = {**made.metadata, "uid": "00000000-0000-4000-8000-0000000fffff"}
        said = await desk.put(_path(desk.maps, made), {**made.document, "metadata": metadata})
        assert 409 == said.code

    async def test_only_that_very_object_is_deleted(self, desk: Desk) -> None:
        made = await desk.a_map()
        path = _path(desk.maps, made)
        other = await desk.delete(path, preconditions={"uid": "another"})
        assert (409, "Conflict") == (other.code, other.document["reason"])
        assert 200 == (await desk.delete(path, preconditions={"uid": made.metadata["uid"]})).code
        assert 404 == (await desk.get(path)).code

    async def test_metadata_alone_can_be_asked_for(self, desk: Desk) -> None:
        made = await desk.a_map(data={"a": "1"}, metadata={"labels": {"is": next(_names)}})
        path = _path(desk.maps, made)
        said = await desk.get(path, METADATA)
        assert "data" not in said.document
        assert made.metadata["uid"] == said.metadata["uid"]
        chosen = f"{desk.maps}?labelSelector=is%3D{made.metadata['labels']['is']}"
        listed = (await desk.get(chosen, METADATA_LIST)).document
        assert [made.metadata["name"]] == [one["metadata"]["name"] for one in listed["items"]]
        assert all("data" not in one for one in listed["items"])

    async def test_labels_choose(self, desk: Desk) -> None:
        label, names = next(_names), [next(_names) for _ in range(3)]
        for number, name in enumerate(names):
            await desk.a_map(name, metadata={"labels": {"of": label, "is": str(number)}})
        for selector, found in (
            (f"of%3D{label}", names),
            (f"of%3D{label}%2Cis%3D1", names[1:2]),
            ("of%3Dnobody", []),
        ):
            listed = (await desk.get(f"{desk.maps}?labelSelector={selector}")).document
            assert found == [one["metadata"]["name"] for one in listed["items"] or ()]

    async def test_a_list_says_as_of_when_it_is(self, desk: Desk) -> None:
        made = await desk.a_map()
        listed = await desk.get(desk.maps)
        version = int(listed.metadata["resourceVersion"])
        assert version >= int(made.metadata["resourceVersion"])

    async def test_a_long_list_comes_in_pages(self, desk: Desk) -> None:
        label, names = next(_names), [next(_names) for _ in range(3)]
        for name in names:
            await desk.a_map(name, metadata={"labels": {"of": label}})
        path, found = f"{desk.maps}?limit=2&labelSelector=of%3D{label}", list[str]()
        page = (await desk.get(path)).document
        found += [one["metadata"]["name"] for one in page["items"]]
        assert 2 == len(found)
        rest = (await desk.get(f"{path}&continue={page['metadata']['continue']}")).document
        found += [one["metadata"]["name"] for one in rest["items"]]
        assert (names, None) == (found, rest["metadata"].get("continue"))

    async def test_a_namespace_that_is_not_there_holds_nothing(self, desk: Desk) -> None:
        path = "/api/v1/namespaces/nowhere-at-all/configmaps"
        assert 404 == (await desk.post(path, {"metadata": {"name": "a"}})).code


class Limits:
    """What is too large, and what may not change."""

    async def test_a_configmap_of_more_than_a_mebibyte_is_refused(self, desk: Desk) -> None:
        said = await desk.a_map(data={"a": "x" * (1024 * 1024 + 1)})
        assert (422, "Invalid") == (said.code, said.document["reason"])
        assert 201 == (await desk.a_map(data={"a": "x" * (1024 * 1024 - 1)})).code

    async def test_an_immutable_configmap_stays_as_it_is(self, desk: Desk) -> None:
        made = await desk.a_map(binaryData={"a": "MQ=="}, immutable=True)
        path = _path(desk.maps, made)
        assert 422 == (await desk.patch(path, {"binaryData": {"a": "Mg=="}})).code
        assert 422 == (await desk.patch(path, {"immutable": False})).code
        assert 200 == (await desk.patch(path, {"metadata": {"annotations": {"a": "b"}}})).code
        assert 200 == (await desk.delete(path)).code

    async def test_nothing_at_all_comes_back_as_nothing(self, desk: Desk) -> None:
        made = await desk.a_map(binaryData={"a": ""})
        assert {"a": ""} == (await desk.get(_path(desk.maps, made))).document["binaryData"]


class Builds:
    """The laws of the CRD."""

    @pytest.mark.parametrize(("origin", "to"), PAIRS, ids=[f"{a}=>{b}" for a, b in PAIRS])
    async def test_exactly_the_edges_of_the_table_are_taken(
        self, desk: Desk, origin: BuildPhase, to: BuildPhase
    ) -> None:
        path = await desk.a_build(origin)
        said = await desk.say(path, phase=to)
        is_legal = to is origin or to in VALID_TRANSITIONS[origin]
        assert (200 if is_legal else 422) == said.code, said.message
        if not is_legal:
            assert f"TransitionViolation: {origin} -> {to} is not a valid" in said.message

    async def test_a_new_build_is_in_init_before_anybody_has_written_it(self, desk: Desk) -> None:
        found = (await desk.get(await desk.a_build())).document
        assert {"phase": "INIT"} == found["status"]

    @pytest.mark.parametrize("phase", BuildPhase)
    async def test_the_first_write_takes_an_edge_from_init_or_none(
        self, desk: Desk, phase: BuildPhase
    ) -> None:
        said = await desk.say(await desk.a_build(), phase=phase)
        is_legal = phase in (BuildPhase.INIT, *VALID_TRANSITIONS[BuildPhase.INIT])
        assert (200 if is_legal else 422) == said.code, said.message

    async def test_the_status_cannot_be_removed(self, desk: Desk) -> None:
        path = await desk.a_build(BuildPhase.BUILD)
        await desk.say(path, sequence=2)
        said = await desk.patch(f"{path}/status", {"status": None})
        assert 422 == said.code
        assert "status.sequence never goes down" in said.message

    @pytest.mark.parametrize("name", ["sequence", "epoch"])
    async def test_a_count_never_goes_down(self, desk: Desk, name: str) -> None:
        path = await desk.a_build(BuildPhase.INIT)
        for number, code in ((3, 200), (3, 200), (2, 422), (None, 422), (4, 200)):
            assert code == (await desk.say(path, **{name: number})).code

    async def test_each_door_changes_its_own_half(self, desk: Desk) -> None:
        path = await desk.a_build(BuildPhase.SETUP)
        await desk.patch(path, {"status": {"phase": "BUILD"}, "spec": {"suspend": True}})
        await desk.patch(f"{path}/status", {"spec": {"suspend": False}, "status": {"attempt": 1}})
        found = (await desk.get(path)).document
        assert "SETUP" == found["status"]["phase"]
        assert found["spec"]["suspend"] is True
        assert 1 == found["status"]["attempt"]

    async def test_a_new_intent_is_a_new_generation_and_a_status_is_none(self, desk: Desk) -> None:
        path = await desk.a_build(BuildPhase.INIT)
        assert 1 == (await desk.say(path, attempt=1)).metadata["generation"]
        said = await desk.patch(path, {"spec": {"suspend": True}})
        assert 2 == said.metadata["generation"]
        said = await desk.patch(path, {"metadata": {"labels": {"a": "b"}}})
        assert 2 == said.metadata["generation"]

    async def test_a_stale_status_is_a_conflict(self, desk: Desk) -> None:
        path = await desk.a_build(BuildPhase.INIT)
        known = (await desk.get(path)).document
        await desk.patch(path, {"spec": {"suspend": True}})
        status = {**known["status"], "phase": "SETUP"}
        said = await desk.put(f"{path}/status", {**known, "status": status})
        assert (409, "Conflict") == (said.code, said.document["reason"])

    async def test_a_status_of_no_version_is_refused(self, desk: Desk) -> None:
        path = await desk.a_build(BuildPhase.INIT)
        known = (await desk.get(path)).document
        metadata = {
            name: one for name, one in known["metadata"].items() if name != "resourceVersion"
        }
        said = await desk.put(f"{path}/status", {**known, "metadata": metadata})
        assert 422 == said.code

    async def test_what_was_left_out_is_filled_in_and_what_is_unknown_dropped(
        self, desk: Desk
    ) -> None:
        path = await desk.a_build(phases={"build": {**WORK, "never": 1}}, unknown=True)
        spec = (await desk.get(path)).document["spec"]
        assert "COMPLETE" == spec["phase"]
        assert "unknown" not in spec
        assert "never" not in spec["phases"]["build"]

    @pytest.mark.parametrize(
        "spec",
        [{"phase": "NOWHERE"}, {"suspend": "yes"}, {"phases": {"build": {"command": ["a"]}}}],
        ids=["an unknown word", "another type", "what is missing"],
    )
    async def test_what_has_not_the_shape_is_refused(self, desk: Desk, spec: Document) -> None:
        body = {"apiVersion": "buildstate.dev/v1alpha1", "kind": "BuildState", "spec": spec}
        said = await desk.post(desk.builds, {**body, "metadata": {"name": next(_names)}})
        assert (422, "Invalid") == (said.code, said.document["reason"])

    async def test_the_work_is_frozen_once_it_has_begun(self, desk: Desk) -> None:
        path = await desk.a_build(BuildPhase.SETUP, phases={"build": WORK})
        changed = {"spec": {"phases": {"build": {"image": "other"}}}}
        assert 422 == (await desk.patch(path, changed)).code
        await desk.say(path, phase="ERROR")
        assert 200 == (await desk.patch(path, changed)).code

    async def test_a_target_is_one_that_can_be_reached(self, desk: Desk) -> None:
        path = await desk.a_build(BuildPhase.TEST)
        assert 422 == (await desk.patch(path, {"spec": {"phase": "SETUP"}})).code
        assert 200 == (await desk.patch(path, {"spec": {"phase": "CLEANUP"}})).code

    @pytest.mark.parametrize(
        ("phase", "action", "code"),
        [
            (BuildPhase.BUILD, "Abort", 200),
            (BuildPhase.BUILD, "Restart", 422),
            (BuildPhase.ERROR, "Restart", 200),
            (BuildPhase.BUILD, "Archive", 422),
            (BuildPhase.COMPLETE, "Archive", 200),
            (BuildPhase.COMPLETE, "Abort", 422),
        ],
    )
    async def test_what_may_be_asked_for_hangs_on_the_phase(
        self, desk: Desk, phase: BuildPhase, action: str, code: int
    ) -> None:
        path = await desk.a_build(phase)
        said = await desk.patch(path, {"spec": {"request": {"id": "a", "action": action}}})
        assert code == said.code, said.message

    async def test_an_id_keeps_its_meaning(self, desk: Desk) -> None:
        path = await desk.a_build(BuildPhase.BUILD)
        await desk.patch(path, {"spec": {"request": {"id": "a", "action": "Abort"}}})
        said = await desk.patch(path, {"spec": {"request": {"id": "a", "action": "Checkpoint"}}})
        assert 422 == said.code


class Endings:
    """How objects go."""

    async def test_a_finalizer_holds_what_is_deleted(self, desk: Desk) -> None:
        path = await desk.a_build()
        await desk.patch(path, {"metadata": {"finalizers": ["buildstate.dev/store"]}})
        assert 200 == (await desk.delete(path)).code
        held = await desk.get(path)
        assert "deletionTimestamp" in held.metadata
        assert 200 == (await desk.patch(path, {"metadata": {"finalizers": None}})).code
        assert 404 == (await desk.get(path)).code

    async def test_what_is_going_takes_no_new_finalizer(self, desk: Desk) -> None:
        path = await desk.a_build()
        await desk.patch(path, {"metadata": {"finalizers": ["buildstate.dev/store"]}})
        await desk.delete(path)
        more = {"metadata": {"finalizers": ["buildstate.dev/store", "buildstate.dev/other"]}}
        assert 422 == (await desk.patch(path, more)).code
        await desk.patch(path, {"metadata": {"finalizers": None}})

    async def test_what_belongs_to_a_build_goes_with_it(self, desk: Desk) -> None:
        path = await desk.a_build()
        build = (await desk.get(path)).document
        owner = {
            "apiVersion": build["apiVersion"],
            "kind": build["kind"],
            "name": build["metadata"]["name"],
            "uid": build["metadata"]["uid"],
        }
        owned = await desk.a_map(metadata={"ownerReferences": [owner]})
        pod = await desk.a_pod(metadata={"ownerReferences": [owner]})
        free = await desk.a_map()
        await desk.delete(path)
        assert await desk.is_gone(_path(desk.maps, owned))
        assert await desk.is_gone(_path(desk.pods, pod))
        assert 200 == (await desk.get(_path(desk.maps, free))).code

    async def test_a_pod_that_no_node_has_goes_at_once(self, desk: Desk) -> None:
        pod = await desk.a_pod()
        path = _path(desk.pods, pod)
        assert 200 == (await desk.delete(path)).code
        assert 404 == (await desk.get(path)).code

    async def test_a_pod_that_has_ended_goes_at_once(self, desk: Desk) -> None:
        pod = await desk.a_pod(nodeName="nowhere")
        path = _path(desk.pods, pod)
        await desk.say(path, phase="Succeeded")
        assert 200 == (await desk.delete(path)).code
        assert 404 == (await desk.get(path)).code

    async def test_a_claim_goes_when_nobody_holds_it(self, desk: Desk) -> None:
        name = next(_names)
        claim = {
            "metadata": {"name": name},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Mi"}},
            },
        }
        assert 201 == (await desk.post(desk.claims, claim)).code
        await desk.delete(f"{desk.claims}/{name}")
        assert await desk.is_gone(f"{desk.claims}/{name}")


class Quotas:
    """What does not fit is refused."""

    async def test_a_pod_that_does_not_fit_is_refused_until_one_has_ended(self, desk: Desk) -> None:
        await self.a_quota(desk, pods="1")
        first = await desk.a_pod()
        assert 201 == first.code
        refused = await desk.a_pod()
        assert (403, "Forbidden") == (refused.code, refused.document["reason"])
        assert "exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1" in (
            refused.message
        )
        await desk.say(_path(desk.pods, first), phase="Succeeded")
        async with asyncio.timeout(PATIENCE):
            while (await desk.a_pod()).code != 201:  # noqa: ASYNC110 - a controller makes it so
                await asyncio.sleep(0.05)

    async def test_a_pod_that_asks_for_too_much_is_refused(self, desk: Desk) -> None:
        await self.a_quota(desk, **{"requests.cpu": "500m"})
        container = {"name": "work", "image": "none"}
        asking = {**container, "resources": {"requests": {"cpu": "300m"}}}
        assert 201 == (await desk.a_pod(containers=[asking])).code
        refused = await desk.a_pod(containers=[asking])
        assert 403 == refused.code
        assert "exceeded quota: small, requested: requests.cpu=300m" in refused.message
        silent = await desk.a_pod()
        assert 403 == silent.code
        assert "must specify requests.cpu" in silent.message

    async def a_quota(self, desk: Desk, **hard: str) -> None:
        """A quota that the controller has looked at."""
        body = {"metadata": {"name": "small"}, "spec": {"hard": hard}}
        assert 201 == (await desk.post(desk.quotas, body)).code
        async with asyncio.timeout(PATIENCE):
            while "used" not in await self.state_of(desk):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)

    async def state_of(self, desk: Desk) -> Document:
        """What the controller says of the quota."""
        status: Document = (await desk.get(f"{desk.quotas}/small")).document.get("status", {})
        return status


class Watches:
    """What is told of changes."""

    async def test_events_come_in_order_from_where_a_list_ended(self, desk: Desk) -> None:
        listed = await desk.get(desk.maps)
        made = await desk.a_map(data={"a": "1"})
        path, name = _path(desk.maps, made), made.metadata["name"]
        await desk.patch(path, {"data": {"a": "2"}})
        await desk.delete(path)
        query = f"watch=true&resourceVersion={listed.metadata['resourceVersion']}"
        async with desk.door.watch(f"{desk.maps}?{query}") as stream:
            found = await events(stream, 3)
        assert [("ADDED", name), ("MODIFIED", name), ("DELETED", name)] == told(found)
        versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in found]
        assert versions == sorted(versions)
        assert len({*versions}) == 3

    async def test_a_watch_hears_what_happens_while_it_is_open(self, desk: Desk) -> None:
        listed = await desk.get(desk.maps)
        query = f"watch=true&resourceVersion={listed.metadata['resourceVersion']}"
        async with desk.door.watch(f"{desk.maps}?{query}") as stream:
            made = await desk.a_map()
            assert [("ADDED", made.metadata["name"])] == told(await events(stream, 1))

    async def test_a_watch_from_nowhere_begins_with_what_there_is(self, desk: Desk) -> None:
        label, made = next(_names), [next(_names), next(_names)]
        for name in made:
            await desk.a_map(name, metadata={"labels": {"of": label}})
        chosen = f"{desk.maps}?watch=true&labelSelector=of%3D{label}"
        async with desk.door.watch(chosen) as stream:
            found = sorted(told(await events(stream, 2)))
        assert [("ADDED", name) for name in sorted(made)] == found

    async def test_who_loses_the_label_is_deleted_for_who_chose_by_it(self, desk: Desk) -> None:
        label = next(_names)
        made = await desk.a_map(metadata={"labels": {"of": label}})
        path, name = _path(desk.maps, made), made.metadata["name"]
        version = made.metadata["resourceVersion"]
        query = f"watch=true&resourceVersion={version}&labelSelector=of%3D{label}"
        async with desk.door.watch(f"{desk.maps}?{query}") as stream:
            await desk.patch(path, {"metadata": {"labels": {"of": "other"}}})
            await desk.patch(path, {"metadata": {"labels": {"of": label}}})
            found = told(await events(stream, 2))
        assert [("DELETED", name), ("ADDED", name)] == found

    async def test_a_watch_from_too_long_ago_is_told_so_in_the_stream(self, desk: Desk) -> None:
        await desk.a_map()
        await desk.door.forget()
        # Those of other kinds are served from a memory that has not forgotten.
        path = f"/api/v1/namespaces/{desk.door.namespace}/events"
        async with desk.door.watch(f"{path}?watch=true&resourceVersion=1") as stream:
            (event,) = await events(stream, 1)
        assert "ERROR" == event["type"]
        assert (410, "Expired") == (event["object"]["code"], event["object"]["reason"])


SUITE = (Versions, Limits, Builds, Endings, Quotas, Watches)


def _path(collection: str, said: Said) -> str:
    return f"{collection}/{said.metadata['name']}"
