"""Storages that store nothing: kopf keeps no memory of ours in annotations.

They are right only while no on.create, on.update, on.delete, on.field or on.resume handler exists;
a test holds that.
"""

from collections.abc import Iterable
from typing import Any

import kopf


class NoDiffBase(kopf.DiffBaseStorage):
    """Remembers no earlier form of an object: nobody asks for a difference."""

    def build(
        self,
        *,
        body: kopf.Body,  # noqa: ARG002 - the signature is kopf's, as are those below
        extra_fields: Iterable[Any] | None = None,  # noqa: ARG002
        ignored_fields: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> kopf.BodyEssence:
        """Give an empty essence, which saves a deep copy of each object."""
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002
        """Give what was never stored."""
        return kopf.BodyEssence({})

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


class NoProgress(kopf.ProgressStorage):
    """Remembers no progress of handlers: there are none that have any."""

    def fetch(self, *, key: Any, body: kopf.Body) -> None:
        """Give what was never stored."""

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Store nothing."""

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Remove nothing."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        """Touch nothing."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """Give the essence as it is."""
        return essence
