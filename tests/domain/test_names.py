import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildstate.domain.names import (
    MAX_BUILD_NAME,
    checkpoint_name,
    claim_name,
    document_name,
    event_name,
    pod_name,
)
from buildstate.domain.phases import WORK_PHASES, BuildPhase

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

# Twenty-one triples are MAX_BUILD_NAME characters.
triples = st.sampled_from(["a", "z9", "a-b", "0.1", "x--", "--x", "-.-", "9", "b.c"])
builds = (
    st.lists(triples, min_size=1, max_size=MAX_BUILD_NAME // 3)
    .map("".join)
    .filter(DNS_SUBDOMAIN.fullmatch)
)
uids = st.uuids().map(str)
counts = st.integers(0, 2**53)


@given(builds, uids, st.sampled_from(WORK_PHASES), counts, counts)
def test_the_name_of_a_pod_is_a_dns_label(
    build: str, uid: str, phase: BuildPhase, sequence: int, attempt: int
) -> None:
    name = pod_name(build, uid, phase, sequence, attempt)
    assert DNS_LABEL.fullmatch(name)
    assert len(name) <= 63


@given(builds, uids)
def test_the_name_of_a_claim_is_a_dns_label(build: str, uid: str) -> None:
    name = claim_name(build, uid)
    assert DNS_LABEL.fullmatch(name)
    assert len(name) <= 63


@given(builds, uids, st.text(st.characters(exclude_categories=["Cs"])))
def test_the_name_of_an_event_is_a_dns_subdomain(build: str, uid: str, mark: str) -> None:
    name = event_name(build, uid, mark)
    assert DNS_SUBDOMAIN.fullmatch(name)
    assert len(name) <= 253


def test_the_names_stay_what_they_are() -> None:
    # A new release must find the Pods of the one before.
    expected = (
        "my-build-build-301aa5a182",
        "my-build-workspace-17b788a70e",
        "my-build.1f47472cf9",
    )
    found = (
        pod_name("my.build", "uid", BuildPhase.BUILD, 2, 1),
        claim_name("my.build", "uid"),
        event_name("my.build", "uid", "2"),
    )
    assert expected == found


@pytest.mark.parametrize(
    "other",
    [
        ("demo", "other", BuildPhase.BUILD, 2, 1),
        ("demo", "uid", BuildPhase.TEST, 2, 1),
        ("demo", "uid", BuildPhase.BUILD, 3, 1),
        ("demo", "uid", BuildPhase.BUILD, 2, 2),
        ("demo", "uid", BuildPhase.BUILD, 21, 1),
    ],
    ids=["uid", "phase", "sequence", "attempt", "digits"],
)
def test_another_effect_has_another_name(other: tuple[str, str, BuildPhase, int, int]) -> None:
    assert pod_name("demo", "uid", BuildPhase.BUILD, 2, 1) != pod_name(*other)


def test_long_names_that_begin_alike_are_told_apart() -> None:
    first, second = "b" * 62 + "1", "b" * 62 + "2"
    assert claim_name(first, "uid-1") != claim_name(second, "uid-2")


@given(st.text(), uids)
def test_the_name_of_a_checkpoint_or_document_is_a_dns_label(text: str, uid: str) -> None:
    for name in (checkpoint_name("active", uid, text), document_name(f"active/team/{uid}/{text}")):
        assert DNS_LABEL.fullmatch(name)
        assert len(name) <= 63


def test_the_name_of_a_checkpoint_tells_its_own() -> None:
    name = checkpoint_name("active", "u", "7-build-1f9b02ac")
    assert name.startswith("checkpoint-7-build-1f9b02ac-")
    others = [("archived", "u", "7-build-1f9b02ac"), ("active", "v", "7-build-1f9b02ac")]
    assert name not in {checkpoint_name(*other) for other in others}
