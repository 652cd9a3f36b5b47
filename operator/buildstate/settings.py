"""What the platform team may set, from environment variables that begin with BUILDSTATE_."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from buildstate.domain import budgets
from buildstate.kube.reporters import DEFAULT_IMAGE, Image

PREFIX = "BUILDSTATE_"


def _names(text: object) -> object:
    if not isinstance(text, str):
        return text
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _size(text: object) -> object:
    if not isinstance(text, str):
        return text
    if text.strip() in ("", "{}"):
        return {} if text.strip() else None
    size = budgets.size_of(text)
    if isinstance(size, budgets.BadSize):
        raise ValueError(size.message)  # noqa: TRY004 - pydantic takes no other
    return size


class Settings(BaseModel):
    """The settings of one operator process."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid")

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much is logged."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """How many builds are reconciled at the same time."""
    sweep_seconds: Annotated[float, Field(ge=10, le=86400)] = 300
    """Seconds between two comparisons of the cache with the cluster, give or take a fifth."""
    namespaces: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
    """Namespaces to serve, with commas between them; empty for all."""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port of /metrics, /healthz and /readyz."""
    stores: Path | None = None
    """File that says which stores there are; without it checkpoints are kept in ConfigMaps."""
    store_namespace: Annotated[str, Field(min_length=1, max_length=63)] = "default"
    """Namespace of the index of what is kept in ConfigMaps: the operator's own."""
    erase_seconds: Annotated[float, Field(ge=0, le=86400)] = 600
    """Seconds after which a deleted build is let go although its store could not be erased."""
    reporter_image: Annotated[str, Field(max_length=512)] = DEFAULT_IMAGE.name
    """Image of the containers that measure artifacts: the operator's own."""
    reporter_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When that image is pulled."""

    quota: Annotated[Mapping[str, str] | None, BeforeValidator(_size)] = None
    """Size of the ResourceQuota of namespaces that are labelled for one, as JSON, where they name
    none themselves; without it none is kept."""

    @property
    def reporter(self) -> Image:
        """The image of the containers that measure artifacts, and when it is pulled."""
        return Image(self.reporter_image, self.reporter_pull_policy)


class BadSettings(Exception):
    """A variable has a value that cannot be used; the text says which and why."""


def settings_of(environment: Mapping[str, str]) -> Settings:
    """Give the settings in `environment`; raises BadSettings."""
    own = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX)
    }
    try:
        return Settings.model_validate(own)
    except ValidationError as error:
        lines = (f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise BadSettings("; ".join(lines)) from error
