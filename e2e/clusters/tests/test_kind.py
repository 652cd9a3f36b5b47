"""kind reads its configuration before it looks for Docker, so that much needs no Docker."""

from pathlib import Path

import pytest

from clusters import commands, kind
from clusters.providers import Profile, Unsupported


@pytest.fixture(autouse=True)
def no_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\necho no engine here >&2\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(docker.parent), prepend=":")
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "docker")


def refusal(tmp_path: Path) -> str:
    with pytest.raises(commands.CommandFailed) as failed:
        commands.run(*kind.creation("checked", tmp_path / "kubeconfig"))
    return str(failed.value)


def test_configuration_is_understood(tmp_path: Path) -> None:
    assert "docker info" in refusal(tmp_path)


def test_unknown_fields_would_be_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(kind.CONFIG.read_text().replace("role:", "roll:"))
    monkeypatch.setattr(kind, "CONFIG", broken)
    assert "field roll not found" in refusal(tmp_path)


def test_there_are_no_simulated_nodes() -> None:
    with pytest.raises(Unsupported):
        kind.KindProvider().start("checked", Profile.CONTROL_PLANE)
