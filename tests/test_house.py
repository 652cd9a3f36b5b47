"""The house: what the design promises about the code itself, measured."""

import ast
import re
import statistics
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from buildstate.domain import actions
from buildstate.domain.checkpoints import DamageReason
from buildstate.domain.dependencies import Standing
from buildstate.domain.errors import ErrorCategory
from buildstate.domain.validation import Law
from buildstate.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[1]
OPERATOR = ROOT / "operator"
PACKAGE = OPERATOR / "buildstate"
REFERENCE = ROOT / "docs" / "reference"
ROOMS = {
    "operator/buildstate": PACKAGE,
    "e2e/clusters": ROOT / "e2e" / "clusters",
    "bench": ROOT / "bench",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(room: Path) -> list[Path]:
    """The Python files of a room."""
    return sorted(room.rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    """One file as a tree."""
    return ast.parse(path.read_text())


def functions(room: Path) -> Iterator[tuple[str, Function]]:
    """Every function of a room, with its place."""
    for path in sources(room):
        for node in ast.walk(parsed(path)):
            if isinstance(node, Function):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node


def length(function: Function) -> int:
    """The lines of a function's body, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def imports(path: Path) -> set[str]:
    """The modules that a file imports, in full."""
    nodes = list(ast.walk(parsed(path)))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return plain | parts


def importers(name: str) -> set[str]:
    """The rooms and files of the package that import a library."""
    return {
        path.relative_to(PACKAGE).parts[0]
        for path in sources(PACKAGE)
        if any(module.partition(".")[0] == name for module in imports(path))
    }


def test_the_source_root_is_no_package() -> None:
    # It would shadow Python's own `operator`.
    assert not (OPERATOR / "__init__.py").exists()


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS)
def test_functions_are_short(room: Path) -> None:
    lengths = sorted(length(function) for _, function in functions(room))
    assert len(lengths) > 10
    assert statistics.median(lengths) <= 6
    assert lengths[len(lengths) * 9 // 10] <= 20


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS)
def test_no_function_is_long(room: Path) -> None:
    assert [] == [place for place, function in functions(room) if length(function) > 50]


@pytest.mark.parametrize("room", [*ROOMS.values(), ROOT / "tests"], ids=[*ROOMS, "tests"])
def test_no_file_is_long(room: Path) -> None:
    # Tables of situations are data; the worlds that they stand in are code.
    limit = 700 if room.name == "tests" else 400
    long = [path for path in sources(room) if len(path.read_text().splitlines()) > limit]
    assert [] == long


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS)
def test_every_function_is_annotated(room: Path) -> None:
    assert [] == [place for place, function in functions(room) if not is_annotated(function)]


def is_annotated(function: Function) -> bool:
    """Say whether everything that goes in and out has a type."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    packed = [one for one in (given.vararg, given.kwarg) if one]
    typed = [one for one in (*named, *packed) if one.arg not in ("self", "cls")]
    return function.returns is not None and all(one.annotation for one in typed)


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS)
def test_no_module_is_a_drawer_for_what_is_left(room: Path) -> None:
    drawers = {"utils", "util", "helpers", "common", "misc", "types", "base", "logging", "operator"}
    assert [] == [path for path in sources(room) if path.stem in drawers]


def test_every_public_thing_says_what_it_is() -> None:
    silent = [
        f"{path.relative_to(ROOT)} {node.name}"
        for path in sources(PACKAGE)
        for node in parsed(path).body
        if isinstance(node, Function | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert [] == silent


def test_every_module_says_why_it_exists() -> None:
    assert [] == [path for path in sources(PACKAGE) if not ast.get_docstring(parsed(path))]


# Who may know whom; import-linter holds the layers, this the libraries.


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("kubernetes", {"kube"}),
        ("orjson", {"kube", "testing"}),
        ("kopf", {"handlers", "wiring.py"}),
        ("prometheus_client", {"telemetry"}),
        ("pydantic", {"api", "engine", "settings.py", "stores"}),
        ("aiohttp", {"kube", "telemetry"}),
    ],
)
def test_a_library_is_known_only_where_it_belongs(library: str, rooms: set[str]) -> None:
    assert set() < importers(library) <= rooms


def test_the_domain_knows_nothing_but_the_language() -> None:
    known = {
        module.partition(".")[0]
        for path in sources(PACKAGE / "domain")
        for module in imports(path)
        if not module.startswith("buildstate.domain")
    }
    assert known
    assert set() == known - sys.stdlib_module_names
    assert set() == known & {"asyncio", "os", "random", "socket", "time", "uuid", "logging"}


def test_the_domain_takes_the_time_as_an_argument() -> None:
    text = "".join(path.read_text() for path in sources(PACKAGE / "domain"))
    assert [] == re.findall(r"\.(?:now|utcnow|today)\(\)", text)


def test_every_act_has_its_case() -> None:
    cases = {
        node.cls.id
        for node in ast.walk(parsed(PACKAGE / "engine" / "act.py"))
        if isinstance(node, ast.MatchClass) and isinstance(node.cls, ast.Name)
    }
    assert cases == {act.__name__ for act in get_args(actions.Act)}


# What people are told has a row in the reference, and nothing else has.


def rows(page: str) -> set[str]:
    """The first cells of the tables of a page, which name what the rows are about."""
    return set(re.findall(r"^\| `([^`]+)` ", (REFERENCE / page).read_text(), re.MULTILINE))


def test_every_metric_has_a_row() -> None:
    metrics = Metrics()
    metrics.watch_builds(tuple)
    families = list(metrics.registry.collect())
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name for family in families
    }
    assert names == rows("metrics.md")


def test_every_reason_has_a_row() -> None:
    assert {*ErrorCategory} | reasons() == rows("reasons.md")


def reasons() -> set[str]:
    """The reasons that the code gives: the CamelCase words that stand where a reason does."""
    found = {reason for path in sources(PACKAGE) for reason in _reasons_in(parsed(path))}
    # These are made of parts, or are the words for what comes without one.
    made = {"Accepted", "Error", "NoneDue", "Refused", "RequestDone", "RequestRefused", "Stored"}
    return found | made | {*DamageReason} | {*Law} | {*Standing} - {Standing.SATISFIED}


GIVING = {
    # call: the place of the reason among its arguments
    "Situation": 1,
    "Grievance": 0,
    "_tell": 1,
    "enter": 3,
    "restart": 3,
    "restore": 4,
}


CONSTANTS = {
    "BAD_PATH",
    "EXCEEDS_LIMIT_RANGE",
    "EXCEEDS_QUOTA",
    "EVICTED",
    "FORBIDDEN",
    "FOREIGN",
    "INVALID",
    "NODE_LOST",
    "LIMIT_RANGE",
    "NOT_FOUND",
    "POD_SECURITY",
    "QUOTA_EXCEEDED",
    "QUOTA_NEEDS_REQUESTS",
    "OOM_KILLED",
    "POD_DELETED",
    "PREEMPTED",
    "RESIZE_DEFERRED",
    "RESIZE_INFEASIBLE",
    "RESIZE_REFUSED",
    "RETRYING",
    "STALE",
    "STORE_UNKNOWN",
    "TARGET_REACHED",
    "TOO_LARGE",
    "TRANSITION_VIOLATION",
    "UNSCHEDULABLE",
    "UNREADABLE",
}
"""What a module calls a reason that is given in several places."""


def _reasons_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _reasons_of(node)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in CONSTANTS:
            yield ast.literal_eval(node.value)


def _reasons_of(call: ast.Call) -> Iterator[str]:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = [keyword.value for keyword in call.keywords if keyword.arg == "reason"]
    if name in GIVING:
        given += call.args[GIVING[name] : GIVING[name] + 1]
    for value in given:
        word = value.value if isinstance(value, ast.Constant) else None
        # Others may have a function of that name, and give it sentences.
        if isinstance(word, str) and word.isalpha():
            yield word
