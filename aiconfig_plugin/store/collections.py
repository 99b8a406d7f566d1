"""What a collection must have: its name, validator and indexes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Document: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Index:
    """An index over ``keys``; ``options`` are those of ``createIndexes``."""

    keys: Mapping[str, int]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name that the drivers and the shell give."""
        return "_".join(f"{path}_{order}" for path, order in self.keys.items())


@dataclass(frozen=True)
class CollectionSpec:
    """One collection, to be declared by the module that uses it.

    ``validator`` holds the members that the collection's validator must have; others that an
    operation has put there are kept.
    """

    name: str
    validator: Mapping[str, Any]
    indexes: tuple[Index, ...] = ()


def object_of(required: Mapping[str, Any], **optional: Any) -> Document:
    """Return the schema of an object that has these members and no other."""
    return {
        "bsonType": "object",
        "required": list(required),
        "properties": {**required, **optional},
        "additionalProperties": False,
    }


def string_of(low: int = 0, high: int | None = None, **more: str) -> Document:
    """Return the schema of a string of ``low`` to ``high`` characters."""
    bounds = {"minLength": low} if high is None else {"minLength": low, "maxLength": high}
    return {"bsonType": "string", **bounds, **more}
