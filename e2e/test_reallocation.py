"""What has too little memory gets more, and what loses its Pod goes on, on a real node."""

from installations import wait_until
from stories import PATIENCE, Namespace, build, condition, phase_is, work

SMALL = {"limits": {"memory": "64Mi"}}
EATS_100_MIB = "dd if=/dev/zero of=/dev/null bs=100M count=1"
LIMIT = """limit() {
  cat /sys/fs/cgroup/memory.max 2> /dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes
}"""


def test_a_command_that_eats_memory_is_killed_gets_more_and_succeeds(
    namespace: Namespace,
) -> None:
    namespace.apply(build("hungry", phases={"build": work(EATS_100_MIB, resources=SMALL)}))

    status = namespace.wait("hungry", phase_is("COMPLETE", "ERROR"))

    assert "Succeeded" == status["status"], status
    (record,) = status["phases"]
    assert ("128Mi", 2, "OOMKilled") == (
        record["memory"],
        record["attempts"],
        record["retry"]["reason"],
    )


def test_a_command_that_eats_all_memory_fails_at_its_maximum(namespace: Namespace) -> None:
    policy = {"memoryGrowth": {"maximum": "96Mi"}}
    phases = {"build": work(EATS_100_MIB, resources=SMALL)}
    namespace.apply(build("greedy", phases=phases, resources=policy))

    failure = namespace.wait("greedy", phase_is("ERROR"))["failure"]

    assert ("OOMKilled", 2) == (failure["reason"], failure["attempt"])
    assert "96Mi was not enough" in failure["message"]


def test_a_pod_that_somebody_deletes_is_followed_by_another_attempt(namespace: Namespace) -> None:
    script = "test -e begun && exit 0; touch begun; sleep 600"
    namespace.apply(
        build("robbed", workspace={"size": "16Mi"}, phases={"build": work(script)}),
    )
    running = wait_until(lambda: namespace.get("pods")["items"], _one_runs, PATIENCE)

    namespace.kubectl("delete", "pod", running[0]["metadata"]["name"])

    status = namespace.wait("robbed", phase_is("COMPLETE", "ERROR"))
    assert "Succeeded" == status["status"], condition(status, "Ready")
    (record,) = status["phases"]
    assert ("PodDeleted", 2) == (record["retry"]["reason"], record["attempts"])


def test_a_container_that_runs_is_resized_in_place(namespace: Namespace) -> None:
    # Its own control group says what it may use: the command ends when that has changed.
    script = (
        f"{LIMIT}; test $(limit) = 67108864; while test $(limit) = 67108864; do sleep 0.2; done"
    )
    namespace.apply(build("grown", phases={"build": work(script, resources=SMALL)}))
    wait_until(lambda: namespace.get("pods")["items"], _one_runs, PATIENCE)

    namespace.patch("grown", phases={"build": {"resources": {"limits": {"memory": "96Mi"}}}})

    status = namespace.wait("grown", phase_is("COMPLETE", "ERROR"))
    assert "Succeeded" == status["status"], condition(status, "Ready")
    (record,) = status["phases"]
    assert 1 == record["attempts"]


def _one_runs(pods: list[dict[str, dict[str, str]]]) -> bool:
    return any(pod["status"]["phase"] == "Running" for pod in pods)
