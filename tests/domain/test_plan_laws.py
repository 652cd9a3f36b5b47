"""What is true of every plan, tried on worlds that change at random.

The world here is pure: it keeps what is written, does what is planned, and lets Pods live and die.
It may crash between a write and its acts, refuse Pods, lose its store for a while, and have its
status and its checkpoints altered.
"""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.lines_of_worlds import Line, lines
from tests.neighbours_of_worlds import DONE, Others, around, surroundings, waits
from tests.specs_of_worlds import (
    GOOD,
    keeping,
    phases_works,
    policies,
    products,
    reallocations,
    reports,
    workspaces,
)
from tests.stores_of_worlds import KeptStore
from tests.strategies import states
from tests.worlds import NAME, NAMESPACE, NOW, UID, a_report, some_work

from buildstate.api import convert
from buildstate.domain import artifacts, attempts, growths, names, restores
from buildstate.domain.actions import (
    Act,
    AddFinalizer,
    CreateClaim,
    CreatePod,
    CreateVerifier,
    DeleteClaim,
    DeletePod,
    RemoveFinalizer,
    ResizePod,
)
from buildstate.domain.allocations import RIPE_AFTER
from buildstate.domain.captures import CONDITION
from buildstate.domain.disruptions import MAX_DISRUPTIONS
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.observed import ENDED, Moment, Observed, PodPhase, PodView, Refusal, Resize
from buildstate.domain.phases import BuildPhase, BuildStatus
from buildstate.domain.plan import Plan, plan
from buildstate.domain.quantities import parse
from buildstate.domain.specs import (
    Action,
    Artifact,
    BuildSpec,
    CheckpointPolicy,
    Dependency,
    PhasesWork,
    RecoveryPolicy,
    Request,
    ResourcePolicy,
    WorkResources,
    Workspace,
)
from buildstate.domain.states import (
    MAX_AVOIDED,
    MAX_CHECKPOINTS,
    BuildState,
    HeldVolume,
    RequestOutcome,
    Transition,
    WorkResult,
)
from buildstate.domain.transitions import VALID_TRANSITIONS, path, requestable
from buildstate.domain.validation import Law, Violation, validate
from buildstate.domain.verifications import awaited

WAITING = (
    *("", "ContainerCreating", "ErrImagePull", "ImagePullBackOff", "Unschedulable"),
    "SchedulingGated",
)
ENDINGS = ("Error", "OOMKilled", "Evicted", "NodeLost", "DeadlineExceeded")
NODES = ("n1", "n2", "n3", "n4", "n5", "n6", "n7")
MAX_PASSES = 16
"""More passes than any world here needs to come to rest when nothing new happens."""


class World:
    """One build, its Pods and its claim, as a cluster without any machinery would keep them."""

    def __init__(self, spec: BuildSpec) -> None:
        self.spec = spec
        self.generation = 1
        self.now: datetime = NOW
        self.state: BuildState | None = None
        self.pods: dict[str, PodView] = {}
        self.departed: PodView | None = None
        self.resize: Resize | None = None
        self.claims: set[str] = set()
        self.violations: tuple[Violation, ...] = ()
        self.refusing: Refusal | None = None
        self.refused: tuple[str, Refusal] | None = None
        self.steps: list[Transition] = []
        self.made = 0
        self.store = KeptStore()
        self.is_finalized = False
        self.done: set[tuple[int, BuildPhase]] = set()
        self.asked: dict[str, int] = {}
        self.others: Others = {}
        self.line = Line()

    def observed(self) -> Observed:
        """The picture that the plan decides upon; a refusal counts only for the Pod it was for."""
        seen = Observed(
            namespace=NAMESPACE,
            name=NAME,
            uid=UID,
            resource_version="1",
            generation=self.generation,
            spec=self.spec,
            state=self.state,
            violations=self.violations,
            pods=tuple(self.pods.values()),
            departed=self.departed,
            resize=self.resize,
            trouble=self.store.saving,
            is_outside=True,
            is_finalized=self.is_finalized,
            others=around(self.others, self.spec, self.state),
            volumes=tuple(HeldVolume(name=name, uid="c", size="1Gi") for name in self.claims),
        )
        seen = self.line.informed(seen, self.now)
        due = restores.wanted(Moment(observed=seen, now=self.now))
        if due is not None:
            given = self.store.read(self.known.checkpoints, due, self.claims, self.now)
            seen = replace(seen, recoverable=given)
        if self.refused is None or self.state is None:
            return seen
        pod, said = self.refused
        return replace(seen, refusal=said) if awaited(self.state, seen) == pod else seen

    def decide(self) -> Plan:
        """What the plan says now."""
        return plan(self.observed(), self.now)

    def pass_once(self, *, crashes: bool = False, dies: bool = False) -> Plan:
        """One pass; it may end right before or right after the write."""
        decision = self.decide()
        self._do_all(decision.releases)
        if any(isinstance(one, AddFinalizer | RemoveFinalizer) for one in decision.releases):
            return decision  # That is another version of the object.
        assert not decision.captures or decision.state is not None
        state = self.store.take(decision, self.spec, self.now)
        if dies or (decision.captures and state is None):
            return decision
        self._write(state)
        if not crashes:
            self._do_all(decision.needs)
        return decision

    def settle(self) -> Plan:
        """Pass after pass until one writes nothing and does nothing new; give that one."""
        for _ in range(MAX_PASSES):
            before = self.refused
            decision = self.pass_once()
            is_asking = any(isinstance(act, ResizePod) for act in decision.needs)
            is_quiet = decision.state is None and not decision.releases and not is_asking
            if is_quiet and self.refused == before:
                return self.decide()
        raise AssertionError(f"still writing after {MAX_PASSES} passes: {decision}")

    def _write(self, state: BuildState | None) -> None:
        if state is None:
            return
        before = self.state
        known = before.sequence if before else 0
        if before is not None and before.phase is not state.phase:
            assert state.phase in VALID_TRANSITIONS[before.phase]
            assert known + 1 == state.sequence
        if before and before.last_request and state.last_request:
            same = before.last_request.id == state.last_request.id
            assert not same or before.last_request == state.last_request, "answered twice"
        new = [step for step in state.history if step.sequence > known]
        assert len(new) <= 1, "a write takes one edge at most"
        self.steps += new
        self._hold_the_laws_of_checkpoints(before, state)
        self.line.hold(self.observed(), state)
        self.state = self._through_the_api_server(state)
        self.violations = ()

    def _hold_the_laws_of_checkpoints(self, before: BuildState | None, state: BuildState) -> None:
        assert before is None or before.epoch <= state.epoch, "an epoch came back"
        refs = state.checkpoints
        assert len(refs) <= MAX_CHECKPOINTS
        assert [ref.number for ref in refs] == sorted({ref.number for ref in refs})
        assert {ref.name for ref in refs} <= self.store.stored.keys(), "a reference to nothing"
        assert self.store.are_readable(refs)
        if before is not None and before.is_archived and not self.violations:
            assert (before.phase, before.sequence, refs) == (
                state.phase,
                state.sequence,
                before.checkpoints,
            )
        if before is not None and before.epoch < state.epoch:
            assert {WorkResult.RESTORED} >= {
                one.result for one in state.phases if one.phase is not state.phase
            }
        ended = {one.phase for one in state.phases if one.result.is_done}
        # In ERROR something else may be declared, and a clean-up of what failed asks for none.
        if state.phase not in (BuildPhase.INIT, BuildPhase.ERROR) and state.failure is None:
            asked = {one.name for one in self.spec.artifacts if one.phase in ended}
            assert asked == {one.name for one in state.artifacts}, "what is done left something"
        self.done |= {(state.epoch, phase) for phase in ended - {BuildPhase.CLEANUP}}

    def hold_the_laws_of_resources(self) -> None:
        """What is said to be held is there, and what has been there for long is said."""
        held, live = self.known.resources, {pod.uid: pod for pod in self.live()}
        said, own = {pod.uid for pod in held.pods}, self.known.workspace_claim
        assert said <= live.keys(), "a Pod is said to be held that is gone"
        lasted = {uid for uid, pod in live.items() if pod.created + RIPE_AFTER <= self.now}
        assert lasted <= said, "a Pod that has been there for long is not said to be held"
        assert held.allocated.get("pods", "0") == str(len(said))
        assert held.allocated.get("storage", "0") == ("1Gi" if held.volumes and own else "0")

    def _through_the_api_server(self, state: BuildState) -> BuildState:
        document = convert.document_of(state)
        assert () == validate(document, UID).violations
        stored = convert.state_of({"status": document})
        assert stored is not None
        assert stored == replace(state, digest=stored.digest)
        return stored

    def _do_all(self, acts: Iterable[Act]) -> None:
        for wanted in acts:
            self._do(wanted)

    def _do(self, wanted: Act) -> None:
        match wanted:
            case CreatePod() | CreateVerifier():
                self._make_pod(wanted)
            case DeletePod(name, uid):
                assert self.pods[name].uid == uid
                self.pods[name] = replace(self.pods[name], deleting=True)
            case ResizePod():
                self._resize_pod(wanted)
            case CreateClaim(name):
                self.claims.add(name)
            case DeleteClaim(name):
                self.claims.discard(name)
            case AddFinalizer():
                self.is_finalized = True
            case RemoveFinalizer():
                self.is_finalized = False

    def _resize_pod(self, wanted: ResizePod) -> None:
        pod = self.pods[wanted.name]
        assert (pod.uid, True) == (wanted.uid, pod.is_live)
        before, refusal = self.resize, "" if self.refusing is None else "no"
        self.resize = Resize(uid=pod.uid, wanted=wanted.wanted, refusal=refusal)
        assert before is None or replace(before, refusal=refusal) != self.resize, "asked twice"
        if not refusal:
            self.pods[pod.name] = replace(pod, given=wanted.wanted)

    def _make_pod(self, wanted: CreatePod | CreateVerifier) -> None:
        if self.refusing is not None:
            self.refused = (wanted.name, self.refusing)
        elif isinstance(wanted, CreatePod):
            self._create_pod(wanted.name)
        else:
            assert not self.live(), "it would look at what is being written"
            self._put_pod(wanted.name, len(wanted.wishes))

    def _create_pod(self, name: str) -> None:
        assert self.state is not None
        assert name not in self.pods
        assert (self.state.epoch, self.state.phase) not in self.done, "it was done already"
        if self.state.workspace_claim is not None:
            assert {self.state.workspace_claim} == self.claims, "a Pod needs its claim"
        self._put_pod(name, len(artifacts.declared(self.spec, self.state.phase)))

    def _put_pod(self, name: str, count: int) -> None:
        self.refused = None
        self.made += 1
        self.asked[name] = count
        # A phase without work may be where artifacts are looked at again.
        work = self.spec.work(self.known.phase)
        self.pods[name] = PodView(
            name=name,
            uid=f"pod-{self.made}",
            resource_version="1",
            phase=PodPhase.PENDING,
            created=self.now,
            requests={"cpu": "500m"},
            given=growths.needed(work, self.known.record) if work else None,
        )

    @property
    def known(self) -> BuildState:
        """The state, once there is one."""
        assert self.state is not None
        return self.state

    def live(self) -> list[PodView]:
        """The Pods of which something may run."""
        return [pod for pod in self.pods.values() if pod.is_live]

    def change(self, **fields: Any) -> None:
        """Change the spec, as somebody does with kubectl."""
        self.spec = replace(self.spec, **fields)
        self.generation += 1

    def end_pods(self, phase: PodPhase, *, only_deleting: bool = False, **fields: Any) -> None:
        """Let what lives end, with all that it should leave behind unless something is said."""
        for pod in tuple(self.pods.values()):
            if pod.deleting:
                self.departed = self.pods.pop(pod.name)
            elif pod.is_live and not only_deleting:
                report = a_report(*[GOOD] * self.asked[pod.name])
                said = {"report": report, "verification": report}
                plain = {"phase": phase, "waiting": "", **said}
                self.pods[pod.name] = replace(pod, **{**plain, **fields})

    def lose_pods(self, *, is_seen: bool) -> None:
        """Let all Pods be gone at once, which the operator may have seen."""
        for pod in self.pods.values():
            self.departed = pod if is_seen else self.departed
        self.pods.clear()


class Builds(RuleBasedStateMachine):
    """People, kubelets and clocks do what they like; the laws hold."""

    world: World

    @initialize(
        phases=phases_works,
        workspace=workspaces,
        declared=products,
        depended_on=waits,
        recovery=policies,
        checkpoints=keeping,
        resources=reallocations,
        wanted=st.sampled_from([BuildPhase.COMPLETE, *BuildPhase]),
        suspend=st.sampled_from([False, False, False, True]),
        done=st.integers(0, 5),
    )
    def applied(
        self,
        *,
        phases: PhasesWork,
        workspace: Workspace | None,
        declared: tuple[Artifact, ...],
        depended_on: tuple[Dependency, ...],
        recovery: RecoveryPolicy,
        checkpoints: CheckpointPolicy | None,
        resources: ResourcePolicy,
        wanted: BuildPhase,
        suspend: bool,
        done: int,
    ) -> None:
        self.world = World(
            BuildSpec(
                phase=wanted,
                suspend=suspend,
                phases=phases,
                workspace=workspace,
                artifacts=declared,
                dependencies=depended_on,
                recovery=recovery,
                checkpoints=checkpoints,
                resources=resources,
            )
        )
        for _ in range(done):
            self.world.settle()
            self.world.end_pods(PodPhase.SUCCEEDED)

    # The operator.

    @rule()
    def one_pass(self) -> None:
        self.world.pass_once()

    @rule()
    def a_pass_that_crashes_after_its_write(self) -> None:
        self.world.pass_once(crashes=True)

    @rule()
    def a_pass_that_dies_before_its_write(self) -> None:
        self.world.pass_once(dies=True)

    @rule()
    def passes_until_rest(self) -> None:
        at_rest = self.world.settle()
        assert at_rest.state is None
        assert not at_rest.releases
        assert not at_rest.captures
        known, saving = self.world.known, self.world.store.saving
        missed = known.condition(CONDITION)
        if missed is not None and missed.status == "False" and not known.is_archived:
            assert saving is not None, "what is missed would have been stored"
            assert at_rest.wake_after is not None, "what is missed would never be stored"
        self.world.hold_the_laws_of_resources()
        waits = self.world.refused is not None
        assert waits or not [act for act in at_rest.needs if not isinstance(act, DeletePod)]
        assert not [act for act in at_rest.needs if isinstance(act, DeletePod)]
        assert at_rest.wake_after is None or at_rest.wake_after > 0, "it would never sleep"

    @rule(extra=st.sampled_from([0, 0, 0, 1, 40]))
    def it_sleeps_until_it_is_woken(self, extra: int) -> None:
        decision = self.world.settle()
        self.world.now += timedelta(seconds=(decision.wake_after or 0) + extra)

    # The cluster.

    @precondition(lambda self: self.world.live())
    @rule(
        phase=st.sampled_from(PodPhase),
        waiting=st.sampled_from(WAITING),
        node=st.sampled_from(NODES),
    )
    def a_pod_goes_on(self, phase: PodPhase, waiting: str, node: str) -> None:
        if phase in ENDED:
            self.world.end_pods(phase)
        for pod in self.world.live():
            placed = pod.node or node
            self.world.pods[pod.name] = replace(pod, waiting=waiting, phase=phase, node=placed)

    @precondition(lambda self: self.world.live())
    @rule(reason=st.sampled_from(ENDINGS), times=st.integers(1, 7))
    def pods_end_in_that_way_again_and_again(self, reason: str, times: int) -> None:
        for _ in range(times):
            self.world.end_pods(PodPhase.FAILED, reason=reason, node=reason)
            self.world.settle()

    @precondition(lambda self: self.world.live())
    @rule()
    def a_pod_ends_well_and_the_operator_sees_it(self) -> None:
        self.world.end_pods(PodPhase.SUCCEEDED)
        self.world.settle()

    @precondition(lambda self: self.world.live())
    @rule(phase=st.sampled_from(sorted(ENDED)), said=reports)
    def a_pod_ends_with_other_artifacts_than_were_asked_for(
        self, phase: PodPhase, said: str
    ) -> None:
        self.world.end_pods(phase, report=said)
        self.world.settle()

    @precondition(lambda self: self.world.live())
    @rule()
    def a_pod_fails_and_the_operator_sees_it(self) -> None:
        self.world.end_pods(PodPhase.FAILED)
        self.world.settle()

    @rule(slowly=st.booleans(), is_seen=st.booleans())
    def somebody_deletes_the_pods(self, slowly: bool, is_seen: bool) -> None:
        if not slowly:
            self.world.lose_pods(is_seen=is_seen)
        for pod in self.world.live():
            self.world.pods[pod.name] = replace(pod, deleting=True)

    @rule(answer=st.sampled_from([None, None, "not now", "never"]))
    def the_cluster_takes_or_refuses_pods(self, answer: str | None) -> None:
        self.world.refusing = (
            Refusal(reason="No", message=answer, is_permanent=answer == "never") if answer else None
        )

    @rule(works=st.tuples(st.booleans(), st.booleans()), is_permanent=st.booleans())
    def the_store_is_there_or_not(self, works: tuple[bool, bool], is_permanent: bool) -> None:
        store = self.world.store
        store.is_writable, store.is_readable = works
        store.is_permanent = is_permanent

    @precondition(lambda self: self.world.store.stored)
    @rule(data=st.data())
    def a_checkpoint_is_damaged(self, data: st.DataObject) -> None:
        store = self.world.store
        store.broken.add(data.draw(st.sampled_from(sorted(store.stored))))

    @rule(line=lines)
    def the_quota_is_another_one(self, line: Line) -> None:
        self.world.line = line

    @rule(others=surroundings)
    def other_builds_change(self, others: Others) -> None:
        self.world.others = others

    # People.

    @rule(data=st.data())
    def somebody_changes_the_spec(self, data: st.DataObject) -> None:
        current = self.world.state.phase if self.world.state else BuildPhase.INIT
        changes: dict[str, st.SearchStrategy[Any]] = {
            "phase": st.sampled_from(requestable(current)),
            "suspend": st.booleans(),
            "recovery": policies,
            "checkpoints": keeping,
            "resources": reallocations,
        }
        if current in (BuildPhase.INIT, BuildPhase.ERROR):
            changes |= {"phases": phases_works, "workspace": workspaces, "artifacts": products}
            changes["dependencies"] = waits
        name = data.draw(st.sampled_from(sorted(changes)))
        self.world.change(**{name: data.draw(changes[name])})

    @precondition(lambda self: self.world.state is not None)
    @rule(limit=st.sampled_from(["64Mi", "100Mi", "1Gi"]))
    def somebody_gives_the_phase_at_work_more(self, limit: str) -> None:
        name, work = self.world.known.phase.lower(), self.world.spec.work(self.world.known.phase)
        if work is not None:
            more = replace(work, resources=WorkResources(limits={"memory": limit}))
            self.world.change(phases=replace(self.world.spec.phases, **{name: more}))

    @rule(identity=st.sampled_from("abc"), action=st.sampled_from(Action), data=st.data())
    def somebody_requests_an_act(self, identity: str, action: Action, data: st.DataObject) -> None:
        known, names_there = self.world.spec.request, sorted(self.world.store.stored)
        if known is not None and known.id == identity:
            return
        checkpoint = None
        if action is Action.RESTORE:
            checkpoint = data.draw(st.sampled_from([None, "0-none-00000000", *names_there]))
        self.world.change(request=Request(id=identity, action=action, checkpoint=checkpoint))

    @precondition(lambda self: self.world.state is not None)
    @rule(claim=st.sampled_from([None, "theirs"]), status=st.sampled_from(BuildStatus))
    def somebody_alters_the_status(self, claim: str | None, status: BuildStatus) -> None:
        state = self.world.state
        assert state is not None
        self.world.state = replace(state, id="altered", workspace_claim=claim, status=status)
        self.world.violations = (
            Violation(ErrorCategory.STATE_CORRUPTION, "id", "is altered", Law.DIGEST_MISMATCH),
        )

    # The laws.

    @invariant()
    def at_most_one_pod_lives(self) -> None:
        assert len(self.world.live()) <= 1

    @invariant()
    def no_phase_is_tried_more_often_than_it_may(self) -> None:
        state = self.world.state
        record = state.record if state else None
        work = self.world.spec.work(state.phase) if state else None
        if record is None or work is None or record.result is not WorkResult.RUNNING:
            return
        assert record.attempts <= attempts.limit(work, record)
        assert record.retry is None or record.retry.disruptions <= MAX_DISRUPTIONS
        assert len(record.avoid_nodes or ()) <= MAX_AVOIDED
        if record.memory is not None:
            assert parse(record.memory) <= parse("4Gi")

    @invariant()
    def only_the_own_claim_is_ever_made(self) -> None:
        assert self.world.claims <= {names.claim_name(NAME, UID)}

    @invariant()
    def the_history_is_a_legal_path_without_gap(self) -> None:
        steps = self.world.steps
        assert list(range(1, len(steps) + 1)) == [step.sequence for step in steps]
        assert all(step.to in VALID_TRANSITIONS[step.origin] for step in steps)
        assert all(a.to is b.origin for a, b in itertools.pairwise(steps))

    @invariant()
    def a_refused_request_changes_nothing_but_its_answer(self) -> None:
        asked = self.world.observed()
        unasked = replace(asked, spec=replace(asked.spec, request=None))
        with_it = plan(asked, self.world.now)
        result = with_it.state.last_request if with_it.state else None
        is_new = asked.state is not None and asked.state.last_request != result
        if not is_new or result is None or result.outcome is RequestOutcome.DONE:
            return
        assert with_it.state is not None
        assert asked.state is not None
        if result.action is Action.RESTORE and asked.recoverable is not None:
            # What was read for it is not for anything else: the policy waits for the next pass.
            alone = replace(unasked.spec, recovery=RecoveryPolicy())
            without = plan(replace(unasked, spec=alone, recoverable=None), self.world.now)
            same = without.state or asked.state
            assert (same.history, same.checkpoints, same.phases, same.failure) == (
                with_it.state.history,
                with_it.state.checkpoints,
                with_it.state.phases,
                with_it.state.failure,
            )
            return
        without = plan(unasked, self.world.now)
        same = replace(with_it.state, last_request=asked.state.last_request)
        assert replace(without.state or asked.state, timestamp=same.timestamp) == same
        assert (without.releases, without.needs) == (with_it.releases, with_it.needs)

    def teardown(self) -> None:
        """When the faults end, the state asked for is reached, and then nothing is written."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.refusing, world.others, world.line = None, DONE, Line()
        world.store.is_writable = world.store.is_readable = True
        world.settle()
        # Nobody tells that a store is there again: it is tried when its time has come.
        world.now += timedelta(hours=1)
        world.settle()
        # What was aborted is put away only once its Pods are gone.
        world.end_pods(PodPhase.SUCCEEDED, only_deleting=True)
        world.settle()
        if world.known.is_archived:
            assert Plan() == world.decide()
            return
        self._ask_for_the_end(world)
        for _ in range(MAX_PASSES):
            world.settle()
            world.end_pods(PodPhase.SUCCEEDED)
        state = world.state
        assert state is not None
        assert BuildPhase.COMPLETE is state.phase
        assert not world.live()
        assert world.store.saving is None or world.spec.checkpoints is None
        assert Plan() == world.decide()

    def _ask_for_the_end(self, world: World) -> None:
        assert world.state is not None
        world.end_pods(PodPhase.SUCCEEDED)
        world.settle()
        world.change(suspend=False, recovery=RecoveryPolicy())
        if path(world.state.phase, BuildPhase.COMPLETE) is None:
            world.end_pods(PodPhase.SUCCEEDED, only_deleting=True)
            restart = Request(id="the end", action=Action.RESTART)
            world.change(phase=BuildPhase.COMPLETE, request=restart)
        else:
            world.change(phase=BuildPhase.COMPLETE)


Builds.TestCase.settings = settings(stateful_step_count=60)
TestBuilds = Builds.TestCase


# A sequence that somebody raised to the largest count of all leaves no room for a next one.
altered = states.filter(lambda state: state.sequence < 2**53 - 10)


@given(state=altered, recovery=policies, wanted=st.sampled_from(BuildPhase), suspend=st.booleans())
def test_whatever_an_altered_state_holds_the_build_comes_to_rest(
    state: BuildState, recovery: RecoveryPolicy, wanted: BuildPhase, suspend: bool
) -> None:
    world = World(BuildSpec(phase=wanted, suspend=suspend, recovery=recovery))
    world.state = state
    world.violations = (
        Violation(ErrorCategory.STATE_CORRUPTION, "digest", "is altered", Law.DIGEST_MISMATCH),
    )
    world.pass_once()
    failure = world.known.failure
    world.settle()
    assert ErrorCategory.STATE_CORRUPTION == (failure and failure.category)
    assert not world.live()


@given(states)
def test_nothing_that_an_altered_state_names_is_made_or_deleted(state: BuildState) -> None:
    world = World(BuildSpec(phases=PhasesWork(build=some_work())))
    world.state = state
    world.violations = (
        Violation(ErrorCategory.STATE_CORRUPTION, "digest", "is altered", Law.DIGEST_MISMATCH),
    )
    decision = world.decide()
    assert ((), ()) == (decision.releases, decision.needs)
