from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildstate.domain.checkpoints import (
    FORMAT,
    CheckpointKind,
    CheckpointRef,
    CheckpointTrigger,
    Damage,
    DamageReason,
    Seal,
    is_name,
    parse_seal,
)
from buildstate.domain.phases import BuildPhase

DIGEST = "sha256:" + "0" * 64
SEAL = Seal(
    format=FORMAT,
    namespace="team-a",
    namespace_uid="11111111-aaaa-4aaa-8aaa-111111111111",
    build="shop",
    build_uid="22222222-bbbb-4bbb-8bbb-222222222222",
    number=7,
    epoch=1,
    sequence=12,
    phase="BUILD",
    kind="Delta",
    trigger="Interval",
    parent=DIGEST,
    content_digest=DIGEST,
    time="2026-11-03T10:00:00.000Z",
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "buildstate.dev/checkpoint/v2"),
        ("namespace", ""),
        ("build", "x" * 254),
        ("buildUid", None),
        ("namespaceUid", ["x"]),
        ("number", -1),
        ("number", True),
        ("number", 1.0),
        ("number", 2**53),
        ("epoch", "1"),
        ("sequence", None),
        ("phase", "build"),
        ("kind", "full"),
        ("trigger", []),
        ("parent", None),
        ("parent", "sha256:" + "A" * 64),
        ("contentDigest", ""),
        ("contentDigest", DIGEST + "\n"),
        ("time", "2026-11-03"),
        ("time", "2026-11-03T10:00:00"),
        ("time", "2026-02-30T10:00:00Z"),
        ("time", "2026-11-03T10:00:00.000Z\n"),
        ("time", "\uff12026-11-03T10:00:00Z"),
    ],
    ids=repr,
)
def test_a_field_that_is_not_what_it_must_be_is_named(field: str, value: Any) -> None:
    found = parse_seal({**SEAL.document(), field: value})
    assert isinstance(found, Damage)
    assert found.reason == DamageReason.MANIFEST_UNREADABLE
    assert field in found.message


@given(st.none() | st.integers() | st.dictionaries(st.text(), st.text()))
def test_what_is_no_seal_is_none(document: Any) -> None:
    assert isinstance(parse_seal(document), Damage)


def test_a_seal_has_all_its_fields_and_no_more() -> None:
    more, less = {**SEAL.document(), "more": 1}, SEAL.document()
    less.pop("time")
    assert isinstance(parse_seal(more), Damage)
    assert isinstance(parse_seal(less), Damage)


def test_a_delta_without_a_parent_is_no_seal() -> None:
    assert isinstance(parse_seal({**SEAL.document(), "parent": ""}), Damage)
    full = replace(SEAL, kind="Full", parent="")
    assert full == parse_seal(full.document())


def test_a_seal_comes_back_from_its_document() -> None:
    assert SEAL == parse_seal(SEAL.document())


def test_the_reference_says_what_the_seal_does() -> None:
    assert SEAL.reference() == CheckpointRef(
        name=f"7-build-{SEAL.digest[7:15]}",
        number=7,
        epoch=1,
        sequence=12,
        phase=BuildPhase.BUILD,
        kind=CheckpointKind.DELTA,
        trigger=CheckpointTrigger.INTERVAL,
        digest=SEAL.digest,
        parent=DIGEST,
        time=datetime(2026, 11, 3, 10, tzinfo=UTC),
    )


def test_the_name_of_a_seal_is_the_name_of_a_checkpoint() -> None:
    assert is_name(SEAL.name)
    assert is_name(replace(SEAL, number=2**53 - 1).name)
    wrong = ("", "x", "../7-build-0", f"{SEAL.name}.json", f"{SEAL.name}\n", "7-Build-00000000")
    assert not any(map(is_name, wrong))


def test_only_a_missing_key_may_come_back() -> None:
    lasting = {reason for reason in DamageReason if Damage(reason, "").is_lasting}
    assert {*DamageReason} - lasting == {DamageReason.KEY_MISSING}
