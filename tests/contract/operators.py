"""Operator processes, and what stands around them: a kubelet, and builds that one waits for."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import Any

from bench.processes import OperatorProcess, running
from tests.contract.apis import Api, Document
from tests.contract.zygotes import Zygote

from buildstate.domain.transitions import VALID_TRANSITIONS
from buildstate.domain.validation import validate

WORK = {"image": "none", "command": ["true"]}
FOUR = dict.fromkeys(("setup", "build", "test", "cleanup"), WORK)
FORWARD = ["SETUP", "BUILD", "TEST", "CLEANUP", "COMPLETE"]
PATIENCE = 30.0

Verdict = Callable[[Document], str]


class Operators:
    """Operator processes, begun and killed as the test likes."""

    def __init__(
        self, kubeconfig: Path, logs: Path, stack: ExitStack, mother: Zygote | None = None
    ) -> None:
        self._kubeconfig = kubeconfig
        self._logs = logs
        self._stack = stack
        self._mother = mother
        self._count = count(1)

    async def begin(self, **settings: str) -> OperatorProcess:
        """Start one more, and wait until it is ready; `settings` are of its environment."""
        if self._mother is not None:
            own = {"KUBECONFIG": str(self._kubeconfig), **settings}
            begun = await self._mother.begin(self._logs, **own)
            self._stack.callback(self._mother.end, begun)
            return begun
        log = self._logs / f"operator-{next(self._count)}.log"
        context = running(self._kubeconfig, log, settings)
        operator = await asyncio.to_thread(context.__enter__)
        self._stack.push(context)
        return operator

    def lines(self, part: str) -> list[str]:
        """The records of any log that have `part`."""
        logs = sorted(self._logs.glob("operator-*.log"))
        lines = (line for log in logs for line in log.read_text().splitlines())
        return [line for line in lines if part in line]

    def tracebacks(self) -> list[str]:
        """The records with a traceback in any log."""
        return self.lines("Traceback")


def kill(operator: OperatorProcess) -> None:
    """End an operator as the kernel does when there is no memory left."""
    os.kill(operator.pid, signal.SIGKILL)


def phase_of(pod: Document) -> str:
    """The phase that a Pod does the work of."""
    return str(pod["metadata"]["labels"]["buildstate.dev/phase"])


def name_of(pod: Document) -> str:
    """The name of an object."""
    return str(pod["metadata"]["name"])


def build_of(pod: Document) -> str:
    """The name of the build that a Pod belongs to."""
    return str(pod["metadata"]["labels"]["buildstate.dev/build"])


def always(phase: str) -> Verdict:
    """End all work like that."""
    return lambda _pod: phase


def failing(phase: str, times: int) -> Verdict:
    """Fail the work of one phase that many times, and let all else succeed."""
    left = count(1)

    def judge(pod: Document) -> str:
        is_due = phase_of(pod) == phase and next(left) <= times
        return "Failed" if is_due else "Succeeded"

    return judge


@dataclass
class FailsOnce:
    """Fails the first TEST of every build, or as many as `times` says of it."""

    times: dict[str, int] = field(default_factory=dict)
    failed: Counter[str] = field(default_factory=Counter)

    def __call__(self, pod: Document) -> str:
        name = build_of(pod)
        if phase_of(pod) != "TEST" or self.failed[name] >= self.times.get(name, 1):
            return "Succeeded"
        self.failed[build_of(pod)] += 1
        return "Failed"


def holding(phase: str) -> Verdict:
    """Let the work of one phase go on and on, and all else succeed."""
    return lambda pod: "" if phase_of(pod) == phase else "Succeeded"


SUCCEEDING = always("Succeeded")


@asynccontextmanager
async def kubelet(api: Api, judge: Verdict = SUCCEEDING) -> AsyncIterator[list[str]]:
    """End every Pod as `judge` says, "" for not yet; gives the phases that were run, in order."""
    ran: list[str] = []
    seen: set[str] = set()

    async def look() -> None:
        for pod in await api.pods("Pending"):
            if name_of(pod) not in seen:
                seen.add(name_of(pod))
                ran.append(phase_of(pod))
            if end := judge(pod):
                await api.set_pod_phase(name_of(pod), end)

    async def work() -> None:
        while True:
            await look()
            await asyncio.sleep(0.03)

    task = asyncio.create_task(work())
    try:
        yield ran
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


Build = dict[str, Any]


async def wait_until(api: Api, name: str, holds: Callable[[Build], bool]) -> Build:
    """Give the build as soon as that holds of its status."""
    seen: Build = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                seen = dict(await api.get(name))
                if holds(seen.get("status", {})):
                    return seen
                await asyncio.sleep(0.03)
    except TimeoutError:
        message = f"it never came to that: {seen.get('status', {})}"
        raise AssertionError(message) from None


async def wait_for(api: Api, name: str, phase: str) -> Build:
    """Give the build as soon as it is in that phase."""
    return await wait_until(api, name, lambda status: status.get("phase") == phase)


async def wait_for_answer(api: Api, name: str, identity: str) -> Document:
    """Give the answer to a request as soon as it is there."""
    build = await wait_until(
        api, name, lambda status: status.get("lastRequest", {}).get("id") == identity
    )
    answer: Document = build["status"]["lastRequest"]
    return answer


async def ask(api: Api, name: str, identity: str, action: str, **request: str) -> Document:
    """Request an act, and give the answer to it."""
    asked = {"id": identity, "action": action, "checkpoint": None, **request}
    answer = await api.patch(name, {"spec": {"request": asked}})
    assert 200 == answer.code, answer.message
    return await wait_for_answer(api, name, identity)


async def wait_for_pods(api: Api, number: int) -> list[Document]:
    """Give the Pods as soon as there are that many."""
    async with asyncio.timeout(PATIENCE):
        while True:
            pods = await api.pods()
            if len(pods) >= number:
                return pods
            await asyncio.sleep(0.02)


def condition_of(build: Build, kind: str) -> Document:
    """The condition of that type."""
    conditions = build["status"]["conditions"]
    found: Document = next(one for one in conditions if one["type"] == kind)
    return found


def assert_sound(build: Build, expected: list[str] | None = None) -> None:
    """The state is valid, and its history is a legal path, the one that was expected."""
    status = build["status"]
    assert not validate(status, build["metadata"]["uid"]).violations
    history = status["history"]
    if expected is not None:
        assert expected == [step["to"] for step in history]
    steps = [(step["from"], step["to"]) for step in history]
    assert all(to in VALID_TRANSITIONS[origin] for origin, to in steps)
    assert all(one[1] == two[0] for one, two in pairwise(steps))
    numbers = [step["sequence"] for step in history]
    assert all(two == one + 1 for one, two in pairwise(numbers))
