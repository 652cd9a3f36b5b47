import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.worlds import NOW, a_build

from buildstate.domain.phases import BuildPhase
from buildstate.domain.states import Transition
from buildstate.kube.traces import Request
from buildstate.telemetry.metrics import Metrics

OF_ONE_OBJECT = {"name", "namespace", "uid", "build", "pod", "id", "node"}
STEP = Transition(
    sequence=1, origin=BuildPhase.INIT, to=BuildPhase.SETUP, reason="Advanced", time=NOW
)


@pytest.fixture
def metrics() -> Metrics:
    """Figures of which each has moved once."""
    metrics = Metrics()
    metrics.watch_queue(lambda: 3)
    metrics.watch_builds(lambda: [("INIT", "Pending"), ("INIT", "Pending"), ("ERROR", "Failed")])
    metrics.state_changed(a_build().in_phase(BuildPhase.INIT).known)
    metrics.transition(STEP, 1.5)
    metrics.failed("PhaseFailed")
    metrics.answered("Restart", "Done")
    metrics.never_fits("ExceedsQuota")
    metrics.resources.promised(2.5)
    metrics.resources.watch_lines(lambda: 4)
    metrics.retried("OOMKilled")
    metrics.retried("what a Pod says")
    metrics.validated(True, 0.001)
    metrics.reconciled("ok", 0.01)
    metrics.reconciled("transient", 0.01)
    metrics.waited(0.2)
    metrics.requested(Request("get", "pods", 200, 0.1))
    metrics.requested(Request("watch", "pods", 200, 300))
    metrics.recovered("restored", 4)
    metrics.corrected("PodMadeAgain")
    stored = metrics.checkpoints
    stored.checkpoint_taken("Full", "Transition", "stored", seconds=0.5, size=900)
    stored.checkpoint_taken("Delta", "Interval", "unavailable", seconds=0.25, size=0)
    stored.checkpoint_damaged("PayloadAltered")
    stored.operated("main", "save", "transient", 2)
    stored.mirrored("ok", 0.1)
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """One figure."""
    return metrics.registry.get_sample_value(f"buildstate_{name}", labels)


def test_every_metric_says_what_it_is(metrics: Metrics) -> None:
    assert [] == [
        family.name
        for family in metrics.registry.collect()
        if not (family.documentation.endswith(".") and family.name.startswith("buildstate_"))
    ]


def test_no_label_ever_holds_the_name_of_an_object(metrics: Metrics) -> None:
    labels = {
        label
        for family in metrics.registry.collect()
        for sample in family.samples
        for label in sample.labels
    }
    assert labels
    assert set() == labels & OF_ONE_OBJECT


def test_every_figure_moves(metrics: Metrics) -> None:
    # A figure that nothing moves is one that nobody should have been promised.
    still = [
        family.name
        for family in metrics.registry.collect()
        if not any(sample.value for sample in family.samples if sample.name[-8:] != "_created")
    ]
    assert [] == still


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("state_changes_total", {"phase": "INIT", "status": "Pending"}, 1),
        ("transitions_total", {"from": "INIT", "to": "SETUP", "result": "committed"}, 1),
        ("phase_duration_seconds_sum", {"phase": "INIT", "left_for": "SETUP"}, 1.5),
        ("errors_total", {"category": "PhaseFailed"}, 1),
        ("quota_refusals_total", {"reason": "ExceedsQuota"}, 1),
        ("quota_wait_seconds_sum", {}, 2.5),
        ("quota_waiting", {}, 4),
        ("retries_total", {"reason": "OOMKilled"}, 1),
        ("retries_total", {"reason": "Other"}, 1),
        ("requests_total", {"action": "Restart", "outcome": "Done"}, 1),
        ("validations_total", {"result": "valid"}, 1),
        ("validation_duration_seconds_count", {}, 1),
        ("reconciles_total", {"result": "ok"}, 1),
        ("reconciles_total", {"result": "transient"}, 1),
        ("reconcile_errors_total", {"kind": "transient"}, 1),
        ("reconcile_errors_total", {"kind": "ok"}, None),
        ("reconcile_duration_seconds_count", {}, 2),
        ("queue_latency_seconds_sum", {}, 0.2),
        ("queue_depth", {}, 3),
        ("api_requests_total", {"verb": "get", "resource": "pods", "code": "200"}, 1),
        ("api_requests_total", {"verb": "watch", "resource": "pods", "code": "200"}, 1),
        ("api_request_duration_seconds_count", {"verb": "get"}, 1),
        ("api_request_duration_seconds_count", {"verb": "watch"}, None),
        (
            "checkpoints_total",
            {"kind": "Full", "trigger": "Transition", "result": "stored"},
            1,
        ),
        (
            "checkpoints_total",
            {"kind": "Delta", "trigger": "Interval", "result": "unavailable"},
            1,
        ),
        ("checkpoint_bytes_sum", {"kind": "Full"}, 900),
        ("checkpoint_bytes_count", {"kind": "Delta"}, None),
        ("checkpoint_duration_seconds_sum", {}, 0.75),
        ("integrity_failures_total", {"reason": "PayloadAltered"}, 1),
        ("recoveries_total", {"result": "restored"}, 1),
        ("recovery_duration_seconds_sum", {}, 4),
        (
            "store_operations_total",
            {"store": "main", "operation": "save", "result": "transient"},
            1,
        ),
        ("store_operation_duration_seconds_sum", {"store": "main", "operation": "save"}, 2),
        ("mirrored_states_total", {"result": "ok"}, 1),
        ("builds", {"phase": "INIT", "status": "Pending"}, 2),
        ("builds", {"phase": "ERROR", "status": "Failed"}, 1),
        ("builds", {"phase": "COMPLETE", "status": "Succeeded"}, None),
    ],
)
def test_the_figure_is(
    metrics: Metrics, name: str, labels: dict[str, str], expected: float | None
) -> None:
    assert expected == value(metrics, name, **labels)


def test_an_invalid_state_is_counted_as_such(metrics: Metrics) -> None:
    metrics.validated(False, 0.001)
    assert 1 == value(metrics, "validations_total", result="invalid")


def test_the_census_is_taken_at_each_scrape() -> None:
    metrics, builds = Metrics(), [("INIT", "Pending")]
    metrics.watch_builds(lambda: builds)
    before = value(metrics, "builds", phase="INIT", status="Pending")
    builds.append(("INIT", "Pending"))
    assert (1, 2) == (before, value(metrics, "builds", phase="INIT", status="Pending"))


def test_the_exposition_can_be_read_by_prometheus(metrics: Metrics) -> None:
    text = metrics.exposition().decode()
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"buildstate_transitions", "buildstate_builds", "buildstate_queue_depth"} <= names


def test_two_operators_in_one_process_do_not_share_figures() -> None:
    first, second = Metrics(), Metrics()
    first.failed("PhaseFailed")
    assert value(second, "errors_total", category="PhaseFailed") is None


def test_a_state_that_was_altered_is_a_failure_of_integrity() -> None:
    metrics = Metrics()
    metrics.failed("StateCorruption")
    metrics.failed("PhaseFailed")
    page = metrics.exposition().decode()
    assert 'buildstate_integrity_failures_total{reason="StateCorruption"} 1.0' in page
    assert 'reason="PhaseFailed"' not in page
