"""What may be asked of a build, at random, and what its Pods may report."""

from hypothesis import strategies as st
from tests.worlds import a_report, an_artifact, some_work

from buildstate.domain.findings import Finding, Found, Lack
from buildstate.domain.phases import BuildPhase
from buildstate.domain.specs import (
    CheckpointPolicy,
    DeletionPolicy,
    MemoryGrowth,
    OnExhausted,
    PhasesWork,
    RecoveryPolicy,
    RecoveryStrategy,
    ReleasePolicy,
    ResourcePolicy,
    WhenUnavailable,
    WorkResources,
    Workspace,
)

works = st.builds(
    some_work,
    timeout_seconds=st.none() | st.integers(1, 120),
    backoff_limit=st.integers(0, 2),
    resources=st.sampled_from([WorkResources(), WorkResources(limits={"memory": "64Mi"})]),
)
some = st.none() | works
phases_works = st.builds(PhasesWork, setup=works, build=some, test=some, cleanup=some)
workspaces = st.sampled_from(
    [
        None,
        Workspace(claim_name="theirs"),
        *(Workspace(size="1Gi", release=policy) for policy in ReleasePolicy),
    ]
)
policies = st.builds(
    RecoveryPolicy,
    strategy=st.sampled_from(sorted(RecoveryStrategy, reverse=True)),
    limit=st.integers(0, 2),
    backoff_seconds=st.integers(0, 20),
    on_exhausted=st.sampled_from(OnExhausted),
)
products = st.sampled_from(
    [(), (), (an_artifact("lib", BuildPhase.SETUP), an_artifact("app", sha256="ab" * 32))]
)
keeping = st.none() | st.builds(
    CheckpointPolicy,
    on_transition=st.booleans(),
    interval_seconds=st.sampled_from([None, 10, 60]),
    keep=st.integers(1, 3),
    full_every=st.integers(1, 4),
    when_unavailable=st.sampled_from(WhenUnavailable),
    deletion_policy=st.sampled_from(DeletionPolicy),
)


reallocations = st.builds(
    ResourcePolicy,
    memory_growth=st.builds(MemoryGrowth, maximum=st.sampled_from([None, "64Mi", "100Mi", "1Gi"])),
    schedule_timeout_seconds=st.integers(1, 60),
)
GOOD = Found(7, "ab" * 32)
SOME: tuple[Finding, ...] = (GOOD, Found(0, "cd" * 32), Lack.ABSENT)
findings_at_random = st.sampled_from(SOME)
reports = st.just("hello") | st.lists(findings_at_random, max_size=2).map(
    lambda found: a_report(*found)
)
