import asyncio
from contextlib import suppress
from typing import Any

import pytest
from tests.doubles import RecordingKube

from buildstate.domain.errors import AlreadyExists, Permanent, Transient
from buildstate.engine import outboxes
from buildstate.engine.outboxes import EventOutbox


def an_event(name: str) -> dict[str, Any]:
    """An Event of that name."""
    return {"metadata": {"name": name}, "message": f"about {name}"}


async def sent(kube: RecordingKube, *names: str) -> list[str]:
    """The names that were sent until the last one was."""
    outbox = EventOutbox(kube)
    for name in names:
        outbox.put(an_event(name))
    sending = asyncio.create_task(outbox.run())
    while not kube.calls or kube.calls[-1][2] != names[-1]:  # noqa: ASYNC110 - it never ends
        await asyncio.sleep(0)
    sending.cancel()
    with suppress(asyncio.CancelledError):
        await sending
    return [call[2] for call in kube.calls]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited, in no time."""
    seconds: list[float] = []
    yield_once = asyncio.sleep

    async def pretend(delay: float) -> None:
        if delay:
            seconds.append(delay)
        await yield_once(0)

    monkeypatch.setattr(asyncio, "sleep", pretend)
    return seconds


async def test_events_are_sent_in_their_order() -> None:
    assert ["a", "b", "c"] == await sent(RecordingKube(), "a", "b", "c")


@pytest.mark.parametrize("error", [AlreadyExists("made before"), Permanent("forbidden")])
async def test_what_is_there_or_refused_is_not_sent_again(error: Exception) -> None:
    assert ["a", "b"] == await sent(RecordingKube(create=[error, None]), "a", "b")


async def test_what_may_still_go_is_sent_again(waits: list[float]) -> None:
    kube = RecordingKube(create=[Transient("busy"), Transient("busy"), None, None])
    assert ["a", "a", "a", "b"] == await sent(kube, "a", "b")
    assert [1.0, 2.0] == waits


async def test_what_never_goes_is_given_up(waits: list[float]) -> None:
    kube = RecordingKube(create=[*(Transient("busy") for _ in range(3)), None])
    assert ["a", "a", "a", "b"] == await sent(kube, "a", "b")


async def test_what_does_not_fit_is_dropped_and_said_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outboxes, "CAPACITY", 1)
    kube = RecordingKube()
    outbox = EventOutbox(kube)
    outbox.put(an_event("a"))
    outbox.put(an_event("b"))
    assert "an Event was dropped: about b" in caplog.text
