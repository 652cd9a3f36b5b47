"""The command line: what is wrong is said in a line, with an exit code."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.cli.desks import Heard

from buildstate.cli import commands, indexes
from buildstate.cli.verbs import Verb
from buildstate.domain.errors import Transient
from buildstate.settings import Settings

ROOT = Path(__file__).parents[2]


def ran(_settings: Settings) -> int:
    return 7


def main(heard: Heard, environment: Mapping[str, str], *words: str) -> int:
    return commands.main(words, environment, ran, heard.console)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """One volume, one store in the cluster, and no cluster."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    (tmp_path / "volume").mkdir()
    document = tmp_path / "stores.yaml"
    document.write_text(
        "default: disk\nstores:\n- {name: inside, kind: ConfigMap}\n"
        f"- {{name: disk, kind: Volume, path: {tmp_path / 'volume'}}}\n"
    )
    return {"BUILDSTATE_STORES": str(document)}


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["destroy"],
        ["restore-from-store"],
        ["restore-from-store", "-n", "team", "-A"],
        ["states", "--phase", "LUNCH"],
        ["states", "--older-than", "soon"],
        ["states", "-l", "app"],
        ["states", "-l", "=shop"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_understood_is_refused_with_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        commands.main(words, {}, ran)
    assert 2 == refused.value.code
    assert "usage: buildstate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"BUILDSTATE_WORKERS": "none"}, "bad setting: BUILDSTATE_WORKERS"),
        ({"BUILDSTATE_STORES": "/no/such/file"}, "/no/such/file cannot be read: No such file"),
    ],
)
def test_settings_that_cannot_be_used_are_named(environment: Mapping[str, str], said: str) -> None:
    heard = Heard()
    assert 2 == main(heard, environment, "states", "--store", "configmap")
    assert said in heard.err
    assert "" == heard.out


def test_a_stores_document_that_is_no_text_is_named(tmp_path: Path) -> None:
    document, heard = tmp_path / "stores", Heard()
    document.write_bytes(b"\xff\xfe")
    assert 2 == main(heard, {"BUILDSTATE_STORES": str(document)}, "states")
    assert "it is no text" in heard.err


def test_an_unknown_store_is_told_with_those_that_there_are(here: Mapping[str, str]) -> None:
    heard = Heard()
    assert 2 == main(heard, here, "keys-in-use", "--store", "tape")
    assert "there is no store tape, only disk, inside" in heard.err


@pytest.mark.parametrize("words", [["restore-from-store", "-A"], ["verify", "--store", "disk"]])
def test_what_needs_a_cluster_is_not_begun_without_one(
    words: list[str], here: Mapping[str, str]
) -> None:
    heard = Heard()
    assert 2 == main(heard, here, *words)
    assert "no cluster to talk to" in heard.err


def test_a_store_outside_can_be_read_although_the_cluster_is_gone(here: Mapping[str, str]) -> None:
    heard = Heard()
    assert 0 == main(heard, here, "states", "--store", "disk")
    assert "no state fits in 1 store (disk)" in heard.err


def test_a_store_in_a_cluster_that_is_gone_is_named_with_what_to_do(
    here: Mapping[str, str],
) -> None:
    heard = Heard()
    assert 2 == main(heard, here, "states")
    assert "store inside is in the cluster: name another one with --store" in heard.err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Transient("store disk cannot be reached"), "buildstate: store disk cannot be reached\n"),
        (KeyboardInterrupt(), "stopped; what is done stays done: ask again\n"),
    ],
)
def test_what_ends_a_command_is_one_line_and_1(
    error: BaseException, said: str, here: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_store: object) -> None:
        raise error

    monkeypatch.setattr(indexes, "StatePersistence", fail)
    heard = Heard()
    assert 1 == main(heard, here, "rebuild-index", "--store", "disk")
    assert heard.err.endswith(said)


def test_python_is_not_taken_down_around_the_threads_of_a_store(here: Mapping[str, str]) -> None:
    # Those of obstore abort the process then, one time in four: the exit code would be theirs.
    words = (
        "import atexit; atexit.register(print, 'taken down');"
        "from buildstate.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", words, "states", "--store", "disk", "-o", "json"],
        env={**here, "PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "[]\n", "") == (done.returncode, done.stdout, done.stderr)


def test_the_operator_is_run_with_its_settings() -> None:
    assert 7 == main(Heard(), {"BUILDSTATE_WORKERS": "3"}, "run")


@pytest.mark.parametrize("verb", commands.VERBS, ids=lambda verb: verb.name)
def test_every_verb_explains_itself_with_examples_that_it_understands(
    verb: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        commands.main([verb.name, "--help"], {}, ran)
    assert 0 == left.value.code
    said = capsys.readouterr().out
    assert verb.description.splitlines()[0] in said
    for example in verb.examples.splitlines():
        words = example.split()
        assert "buildstate" == words[0]
        assert verb is commands.parser().parse_args(words[1:]).do


def test_every_verb_has_a_section_in_the_reference() -> None:
    page = (ROOT / "docs/reference/command-line.md").read_text()
    verbs = {"run", *(verb.name for verb in commands.VERBS)}
    assert verbs == {line[4:-1] for line in page.splitlines() if line.startswith("## `")}
