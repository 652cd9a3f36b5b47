"""The operator itself: killed, watched, upgraded, taken away."""

import pytest

import installations
from installations import Installation, wait_until
from stories import Namespace, build, fares, kill_operator, phase_is, way, work


def test_killed_in_the_middle_of_a_phase_it_goes_on_and_makes_no_pod_twice(
    namespace: Namespace,
) -> None:
    installation = namespace.installation
    if not _is_local(installation):
        pytest.skip("the processes of the node are not on this machine")
    slow = work("sleep 5")
    namespace.apply(build("hardy", phases={"setup": slow, "build": slow, "test": work("true")}))
    for phase in ("SETUP", "BUILD"):
        namespace.wait("hardy", fares("Running", phase))
        kill_operator(installation)

    status = namespace.wait("hardy", phase_is("COMPLETE", "ERROR"))

    assert ["INIT", "SETUP", "BUILD", "TEST", "CLEANUP", "COMPLETE"] == way(status)
    assert 3 == len(namespace.pods())
    assert {"1"} == {p["metadata"]["labels"]["buildstate.dev/attempt"] for p in namespace.pods()}


def test_a_changed_status_is_found_out(namespace: Namespace) -> None:
    namespace.apply(build("forged", phase="BUILD"))
    namespace.wait("forged", fares("Waiting", "BUILD"))

    namespace.kubectl(
        "patch",
        "bs",
        "forged",
        "--subresource=status",
        "--type=merge",
        "-p",
        '{"status":{"phase":"TEST"}}',
    )

    failure = namespace.wait("forged", phase_is("ERROR"))["failure"]
    assert "StateCorruption" == failure["category"]


def test_finished_builds_cause_no_writes(namespace: Namespace) -> None:
    namespace.apply(*(build(f"done-{n}", phases={"build": work("true")}) for n in range(3)))
    namespace.kubectl("wait", "--for=jsonpath={.status.phase}=COMPLETE", "bs", "--all")
    versions = {bs["metadata"]["resourceVersion"] for bs in namespace.get("bs")["items"]}

    # A new process looks at every build once.
    namespace.installation.restart()
    namespace.apply(build("after"))
    namespace.wait("after", phase_is("COMPLETE"))

    now = {bs["metadata"]["resourceVersion"] for bs in namespace.get("bs")["items"]}
    assert versions < now
    assert 1 == len(now - versions)


def test_it_tells_how_it_is(namespace: Namespace) -> None:
    namespace.apply(build("counted", phases={"build": work("true")}))
    namespace.wait("counted", phase_is("COMPLETE"))

    metrics = namespace.installation.page("metrics")

    assert (
        'buildstate_transitions_total{from="CLEANUP",result="committed",to="COMPLETE"}' in metrics
    )
    assert 'buildstate_builds{phase="COMPLETE",status="Succeeded"}' in metrics
    assert "counted" not in metrics
    assert "ok\n" == namespace.installation.page("healthz")
    assert "ok\n" == namespace.installation.page("readyz")


def test_its_log_is_one_json_record_a_line_and_holds_no_traceback(
    installation: Installation,
) -> None:
    records = installation.logs()

    assert records
    assert [] == [record for record in records if record["level"] == "ERROR"]
    assert [] == [record for record in records if "exc_info" in record]


def test_it_can_be_upgraded_and_taken_away_with_builds_in_the_cluster(
    namespace: Namespace,
) -> None:
    installation = namespace.installation
    namespace.apply(build("stays", phase="BUILD"), build("goes", phase="BUILD"))
    namespace.wait("stays", fares("Waiting", "BUILD"))

    installation.helm(
        "upgrade",
        installations.RELEASE,
        installations.CHART,
        "--reuse-values",
        "--set",
        "operator.logLevel=debug",
        "--wait",
        "--timeout",
        "120s",
    )
    installation.helm("uninstall", installations.RELEASE, "--wait")

    namespace.kubectl("delete", "bs", "goes", "--timeout=30s")
    assert "BUILD" == namespace.get("bs", "stays")["status"]["phase"]
    installation.install()
    namespace.patch("stays", phase="COMPLETE")
    namespace.wait("stays", phase_is("COMPLETE"))
    wait_until(lambda: installation.page("readyz"), lambda page: page == "ok\n", 30)


def _is_local(installation: Installation) -> bool:
    return type(installation.cluster).__module__ == "clusters.local"
