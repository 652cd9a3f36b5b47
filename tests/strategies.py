"""Values at random, as wide as the API server lets them be."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from buildstate.domain.phases import BuildPhase
from buildstate.domain.states import (
    ArtifactRecord,
    BuildState,
    Condition,
    DependencyState,
    Failure,
    HeldPod,
    HeldVolume,
    PhaseRecord,
    RecoveryState,
    RequestResult,
    ResourceState,
    Retry,
    Transition,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
words = st.from_regex(r"[A-Z][A-Za-z]{0,20}", fullmatch=True)
counts = st.integers(0, 2**53 - 1)
times = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
)
free_maps = st.dictionaries(texts, texts, max_size=3)

retries = st.builds(
    Retry, reason=words, message=texts, growths=st.integers(0, 16), disruptions=st.integers(0, 5)
)

states = st.builds(
    BuildState,
    id=st.uuids().map(str),
    timestamp=times,
    target=st.sampled_from(BuildPhase),
    observed_generation=counts,
    sequence=counts,
    attempt=counts,
    phases=st.lists(
        st.builds(PhaseRecord, attempts=counts, start_time=times, attempt_time=times,
                  completion_time=st.none() | times, retry=st.none() | retries,
                  memory=st.none() | st.just("128Mi"),
                  avoid_nodes=st.none() | st.lists(words, max_size=5).map(tuple),
                  unschedulable_time=st.none() | times),
        max_size=3,
    ).map(tuple),
    history=st.lists(
        st.builds(Transition, sequence=counts, reason=words, time=times), max_size=3
    ).map(tuple),
    last_request=st.none()
    | st.builds(RequestResult, id=texts, reason=words, message=texts, time=times),
    recovery=st.builds(RecoveryState, attempts=counts),
    dependencies=st.lists(
        st.builds(DependencyState, name=texts, uid=texts, time=times), max_size=3
    ).map(tuple),
    failure=st.none()
    | st.builds(
        Failure,
        reason=words,
        message=texts,
        attempt=counts,
        exit_code=st.none() | st.integers(-(2**31), 2**31 - 1),
    ),
    resources=st.builds(
        ResourceState,
        asked=free_maps,
        allocated=free_maps,
        released=free_maps,
        pods=st.lists(st.builds(HeldPod, name=words, uid=texts), max_size=3).map(tuple),
        volumes=st.lists(
            st.builds(HeldVolume, name=words, uid=texts, size=texts), max_size=2
        ).map(tuple),
    ),
    artifacts=st.lists(
        st.builds(
            ArtifactRecord,
            name=texts,
            path=texts,
            size=counts,
            sha256=st.just("ab" * 32),
            time=times,
        ),
        max_size=3,
    ).map(tuple),
    workspace_claim=st.none() | st.just("demo-workspace"),
    metadata=free_maps,
    start_time=st.none() | times,
    completion_time=st.none() | times,
    conditions=st.lists(
        st.builds(
            Condition,
            type=words,
            status=st.sampled_from(["True", "False", "Unknown"]),
            reason=words,
            message=texts,
            observed_generation=counts,
            last_transition_time=times,
        ),
        max_size=4,
    ).map(tuple),
    digest=st.just(""),
)  # fmt: skip
