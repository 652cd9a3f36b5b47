"""Many builds and little quota, in a world whose quota controller takes its time."""

import itertools
from collections.abc import Iterator
from datetime import datetime

import pytest

from buildstate.testing.kubelets import Ending
from buildstate.testing.lines import Side
from buildstate.testing.requests import Document
from buildstate.testing.stories import Story, made, put
from buildstate.testing.weathers import deadly
from buildstate.testing.worlds import QUIET_SECONDS, Run, lived

FITS = 3
TOGETHER = 0.05


def work(**requests: str) -> Document:
    """Work that asks for that much."""
    return {"image": "busybox", "resources": {"requests": requests}}


def quota(**hard: str) -> Document:
    """A quota of that size."""
    named = {f"requests.{name}": value for name, value in hard.items()}
    return {"metadata": {"name": "compute"}, "spec": {"hard": named}}


def a_story(number: int, seconds: float = 1.0) -> Story:
    """So many builds of two Pods each, which last so long, and room for three."""
    names = [f"build-{one:02}" for one in range(number)]
    spec = {"phases": {"build": work(cpu="1"), "test": work(cpu="1")}}
    return Story(
        name="line",
        deeds=(
            put("resourcequotas", quota(cpu=str(FITS))),
            *(made(name, spec) for name in names),
        ),
        script={phase: (Ending(seconds=seconds),) for phase in ("BUILD", "TEST")},
        ends=dict.fromkeys(names, "COMPLETE"),
    )


class Telling:
    """What a run tells of its line, one change after the other."""

    def __init__(self, run: Run) -> None:
        self.most_live = self.most_promised = 0
        self.waited = self.idle = 0.0
        self.began: dict[str, float] = {}
        self.first_seen: dict[str, datetime] = {}
        self._live: set[str] = set()
        self._waiting: set[str] = set()
        self._promised: dict[str, int] = {}
        last = 0.0
        for seconds, plural, name, document in changes(run):
            if self._waiting:
                self.waited += seconds - last
                self.idle += (seconds - last) * (1 - len(self._live) / FITS)
            last = seconds
            if plural == "pods":
                self._pod(name, document)
            elif plural == "buildstates":
                self._build(name, document, seconds)

    def overtaken(self) -> list[tuple[str, str]]:
        """Who began after somebody who came later; what is let go together begins together."""
        return [
            (one, other)
            for one, other in itertools.permutations(self.began, 2)
            if self.first_seen[one] < self.first_seen[other]
            and self.began[one] > self.began[other] + TOGETHER
        ]

    def _pod(self, name: str, document: Document) -> None:
        phase = (document.get("status") or {}).get("phase", "Pending")
        assert phase != "Failed"
        is_live = phase not in ("Succeeded", "Failed")
        (self._live.add if is_live else self._live.discard)(name)
        self.most_live = max(self.most_live, len(self._live))

    def _build(self, name: str, document: Document, seconds: float) -> None:
        status = document.get("status") or {}
        if "startTime" not in status:
            return
        self.first_seen[name] = datetime.fromisoformat(status["startTime"])
        waits = status["status"] == "Waiting"
        (self._waiting.add if waits else self._waiting.discard)(name)
        promise = status["resources"].get("promised", {})
        self._promised[name] = int(promise.get("requests.cpu", "0"))
        self.most_promised = max(self.most_promised, sum(self._promised.values()))
        if status["phase"] != "INIT":
            self.began.setdefault(name, seconds)


def changes(run: Run) -> Iterator[tuple[float, str, str, Document]]:
    """Every object that was written, with the time."""
    for commit in run.commits:
        for change in commit.changes:
            yield commit.seconds, change.ref.plural, change.ref.name, change.after


def test_fifty_builds_keep_room_for_three_full_in_their_order() -> None:
    run = lived(a_story(50, seconds=4), 1)
    told = Telling(run)
    assert () == run.problems
    assert (FITS, FITS) == (told.most_live, told.most_promised)
    assert told.idle < 0.1 * told.waited, f"idle for {told.idle:.1f} s of {told.waited:.1f} s"
    assert [] == told.overtaken()


def test_two_builds_that_need_what_the_other_has_do_not_wait_for_each_other() -> None:
    one = {"setup": work(cpu="2", memory="1Gi"), "build": work(cpu="1", memory="2Gi")}
    other = {"setup": work(cpu="1", memory="2Gi"), "build": work(cpu="2", memory="1Gi")}
    story = Story(
        name="crossed",
        deeds=(
            put("resourcequotas", quota(cpu="2", memory="2Gi")),
            made("one", {"phases": one}),
            made("other", {"phases": other}),
        ),
        ends={"one": "COMPLETE", "other": "COMPLETE"},
    )
    run = lived(story, 1)
    assert ((), 1) == (run.problems, Telling(run).most_live)


@pytest.mark.parametrize("number", [9, 17, 25, 33])
def test_who_is_killed_keeps_the_order_and_the_promises(number: int) -> None:
    run = lived(a_story(8), 1, deadly({number: Side.SENT}))
    told = Telling(run)
    assert ((), 2) == (run.problems, run.lives)
    assert told.most_promised <= FITS
    assert told.most_live <= FITS
    assert [] == told.overtaken()


def test_a_chain_of_builds_is_not_kept_from_room_by_those_who_wait_for_it() -> None:
    names = [f"build-{number}" for number in range(6)]
    spec = {"phases": {"setup": work(cpu="1"), "build": work(cpu="1")}}
    chained = (
        made(name, {**spec, "dependencies": [{"name": before}]})
        for name, before in itertools.pairwise(names)
    )
    story = Story(
        name="chained",
        deeds=(put("resourcequotas", quota(cpu="1")), *chained, made(names[-1], spec)),
        ends=dict.fromkeys(names, "COMPLETE"),
    )
    run = lived(story, 1)
    assert ((), 1) == (run.problems, Telling(run).most_live)


def test_two_hundred_builds_that_wait_are_not_written() -> None:
    names = [f"build-{one:03}" for one in range(201)]
    story = Story(
        name="resting",
        deeds=(
            put("resourcequotas", quota(cpu="1")),
            *(made(name, {"phases": {"setup": work(cpu="1")}}) for name in names),
        ),
        script={"SETUP": (Ending(exit_code=None),) * 2},
        ends=dict.fromkeys(names[1:], "INIT"),
    )
    run = lived(story, 5)
    at_rest = run.seconds - QUIET_SECONDS
    assert [] == [one for one in run.commits if one.seconds > at_rest and "operator" in one.who]
