"""An image is built again when something in it changes, and only then."""

from pathlib import Path

import pytest

from clusters import contexts


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "app" / "cache").mkdir(parents=True)
    (tmp_path / "app" / "main.py").write_text("1")
    (tmp_path / "app" / "cache" / "old.pyc").write_text("1")
    (tmp_path / "notes.md").write_text("1")
    return tmp_path


def key(context: Path, **settings: str) -> str:
    return contexts.key(context, context / "Dockerfile", settings)


def changes(context: Path, name: str) -> bool:
    before = key(context)
    (context / name).write_text("2")
    return key(context) != before


def test_every_file_counts_without_rules(context: Path) -> None:
    assert changes(context, "app/main.py")
    assert changes(context, "app/cache/old.pyc")
    assert changes(context, "Dockerfile")


def test_settings_count(context: Path) -> None:
    assert key(context, BASE_IMAGE="a") != key(context, BASE_IMAGE="b")


@pytest.mark.parametrize("rule", ["**/cache", "app/cache/", "**/*.pyc", "app/*/old.pyc"])
def test_what_is_left_out_does_not_count(context: Path, rule: str) -> None:
    (context / ".dockerignore").write_text(f"# not these\n{rule}\n")
    assert not changes(context, "app/cache/old.pyc")
    assert changes(context, "app/main.py")


def test_exceptions_count(context: Path) -> None:
    (context / ".dockerignore").write_text("*\n!app\napp/cache\n")
    assert not changes(context, "notes.md")
    assert not changes(context, "app/cache/old.pyc")
    assert changes(context, "app/main.py")
