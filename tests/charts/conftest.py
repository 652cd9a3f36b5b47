"""The chart as Helm renders it, without a cluster."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import clusters
from clusters.commands import run

CHART = Path(__file__).parents[2] / "charts" / "buildstate"

Objects = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="session")
def template() -> Callable[..., str]:
    """The manifest as text, with options of `helm template`."""
    helm = clusters.tool("helm")
    where = (CHART, "--namespace", "buildstate-system")
    return lambda *options, name="buildstate": run(helm, "template", name, *where, *options)


@pytest.fixture(scope="session")
def render(template: Callable[..., str]) -> Callable[..., Objects]:
    """The manifest's objects by kind and name (with the namespace where it is another one)."""

    def objects(*values: str) -> Objects:
        options = [f"--set-json={value}" for value in values]
        return {key(one): one for one in yaml.safe_load_all(template(*options)) if one}

    return objects


def key(one: dict[str, Any]) -> tuple[str, str]:
    """How tests name an object."""
    meta = one["metadata"]
    where = meta.get("namespace", "buildstate-system")
    return one["kind"], meta["name"] if where == "buildstate-system" else f"{where}/{meta['name']}"
