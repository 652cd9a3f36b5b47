import pytest

from buildstate.kube.traces import Request
from buildstate.telemetry.health import FAILING_FOR, REOPENED_WITHIN, WatchHealth


class Life:
    """The health of two watches, and a time that passes when it is told to."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.health = WatchHealth(("buildstates", "pods"), lambda: self.time)

    def opened(self, *resources: str) -> None:
        for resource in resources or ("buildstates", "pods"):
            self.health.told(Request("watch", resource, 200, 0.1))

    def failed(self, resource: str, code: int = 0) -> None:
        self.health.told(Request("watch", resource, code, 0.1))

    def state(self) -> tuple[list[str], list[str]]:
        """What is not ready, and what is dead."""
        return self.health.not_ready(), self.health.dead()


@pytest.fixture
def life() -> Life:
    """Two watches that were just asked for."""
    return Life()


def test_at_the_start_nothing_is_ready_and_nothing_dead(life: Life) -> None:
    assert (["buildstates", "pods"], []) == life.state()


def test_open_watches_are_ready(life: Life) -> None:
    life.opened()
    assert ([], []) == life.state()


def test_one_watch_is_not_enough(life: Life) -> None:
    life.opened("pods")
    assert ["buildstates"] == life.health.not_ready()


def test_a_watch_that_never_opens_is_dead_after_a_while(life: Life) -> None:
    life.opened("pods")
    life.time += FAILING_FOR
    before = life.health.dead()
    life.time += 1
    assert ([], ["buildstates"]) == (before, life.health.dead())


@pytest.mark.parametrize("code", [0, 401, 403, 429, 500])
def test_a_watch_that_cannot_be_opened_again_is_not_ready(life: Life, code: int) -> None:
    life.opened()
    life.failed("pods", code)
    assert (["pods"], []) == life.state()


def test_a_watch_that_fails_for_long_is_dead(life: Life) -> None:
    life.opened()
    life.failed("pods")
    life.time += FAILING_FOR - 1
    life.failed("pods")
    before = life.health.dead()
    life.time += 2
    assert ([], ["pods"]) == (before, life.health.dead())


def test_a_watch_that_opens_again_lives(life: Life) -> None:
    life.failed("pods")
    life.time += 10 * FAILING_FOR
    life.opened()
    assert ([], []) == life.state()


def test_a_failure_after_a_recovery_counts_anew(life: Life) -> None:
    life.failed("pods")
    life.time += 10 * FAILING_FOR
    life.opened()
    life.failed("pods")
    assert (["pods"], []) == life.state()


def test_a_watch_that_was_not_opened_again_in_time_is_dead(life: Life) -> None:
    life.opened()
    life.time += REOPENED_WITHIN - 1
    before = life.state()
    life.time += 1
    assert (([], []), (["buildstates", "pods"], ["buildstates", "pods"])) == (
        before,
        life.state(),
    )


@pytest.mark.parametrize(
    "request_",
    [Request("list", "pods", 500, 0.1), Request("watch", "secrets", 500, 0.1)],
    ids=["another verb", "another resource"],
)
def test_other_requests_say_nothing_about_the_watches(life: Life, request_: Request) -> None:
    life.opened()
    life.health.told(request_)
    assert ([], []) == life.state()
