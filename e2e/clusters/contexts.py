"""What an image is built from, as one hash: the context less what .dockerignore leaves out."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Rule:
    """One line of a .dockerignore."""

    pattern: re.Pattern[str]
    keeps: bool

    @staticmethod
    def parse(line: str) -> "Rule":
        """The rule of a line that is neither empty nor a comment."""
        keeps = line.startswith("!")
        words = re.split(r"(\*\*/?|\*|\?)", line.lstrip("!").strip().strip("/"))
        wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
        expression = "".join(wild.get(word, re.escape(word)) for word in words)
        return Rule(re.compile(rf"{expression}(?:/.*)?"), keeps)


def key(context: Path, dockerfile: Path, settings: Mapping[str, str]) -> str:
    """A hash of every file that can end in the image, of the Dockerfile and of the settings."""
    digest = hashlib.sha256(repr(sorted(settings.items())).encode())
    digest.update(dockerfile.read_bytes())
    for file in _files(context, _rules(context, dockerfile)):
        digest.update(f"{file.relative_to(context)}\0{file.lstat().st_mode}\0".encode())
        digest.update(_content(file))
    return digest.hexdigest()[:16]


def _content(file: Path) -> bytes:
    return str(file.readlink()).encode() if file.is_symlink() else file.read_bytes()


def _rules(context: Path, dockerfile: Path) -> list[Rule]:
    own = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    file = own if own.exists() else context / ".dockerignore"
    lines = file.read_text().splitlines() if file.exists() else []
    return [Rule.parse(line) for line in lines if line.strip() and not line.startswith("#")]


def _files(context: Path, rules: list[Rule]) -> Iterator[Path]:
    # A kept exception may be anywhere below what is left out, so that has to be walked too.
    prune = not any(rule.keeps for rule in rules)
    for directory, names, files in os.walk(context):
        here = Path(directory)
        if prune:
            names[:] = [n for n in names if not _ignored(here / n, context, rules)]
        names.sort()
        links = [n for n in names if (here / n).is_symlink()]
        for name in sorted(files + links):
            if not _ignored(here / name, context, rules):
                yield here / name


def _ignored(path: Path, context: Path, rules: list[Rule]) -> bool:
    relative = path.relative_to(context).as_posix()
    matching = [rule for rule in rules if rule.pattern.fullmatch(relative)]
    # The last rule that matches decides.
    return bool(matching) and not matching[-1].keeps
