"""What the fields of the contract are made of: bounded texts, counts, times, quantities."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

from buildstate.api import rules
from buildstate.api.schema import INT_OR_STRING

NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
OBJECT = (
    r"^store://[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
    r"(/[^./\\\x00-\x1f][^/\\\x00-\x1f]*)+$"
)
MAX_COUNT = 2**53 - 1


def validated_by(*checks: rules.Rule) -> JsonDict:
    """Give what a schema holds of these rules."""
    return {"x-kubernetes-validations": [check.schema() for check in checks]}


def rfc3339(time: datetime) -> str:
    """Give a time in UTC as it is written in a status, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Text = Annotated[str, Field(max_length=1024)]
Reason = Annotated[str, Field(max_length=256)]
Identifier = Annotated[str, Field(min_length=1, max_length=253)]
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=NAME)]
Argument = Annotated[str, Field(max_length=32768)]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Time = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
Quantity = Annotated[
    str,
    BeforeValidator(str),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 32,
            "pattern": r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
            INT_OR_STRING: True,
        },
    ),
]
Quantities = Annotated[
    dict[str, Quantity],
    Field(max_length=16, json_schema_extra=validated_by(rules.ARE_RESOURCES)),
]
HeldQuantities = Annotated[
    dict[str, Annotated[str, Field(max_length=64)]],
    Field(max_length=32),
]
"""Quantities as the operator writes them: of Pods, with what others added to them."""

Promised = Annotated[
    dict[str, Annotated[str, Field(max_length=64)]],
    Field(max_length=256),
]
"""Quantities by the keys of quotas, of which one resource may have three."""

FreeMap = Annotated[dict[str, Text], Field(max_length=32)]


class Model(BaseModel):
    """What all parts of the contract share: camelCase, and words taken from the docstrings."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(alias=to_camel),
        populate_by_name=True,
        use_attribute_docstrings=True,
        from_attributes=True,
        frozen=True,
        extra="ignore",
    )
