"""What the table of routes is made of."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tornado.web import RequestHandler

from aiconfig_plugin.domain import Action


class Access(enum.Enum):
    """What a method asks of its caller."""

    PUBLIC = "public"
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True)
class Operation:
    """One method of a route, and how the OpenAPI document describes it."""

    access: Access
    id: str = ""
    summary: str = ""
    description: str = ""
    status: int = 200
    answer: str = ""
    """What a success means; its body is the component ``schema``."""
    schema: str | None = None
    headers: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    reads_body: bool = False
    media_type: str = "application/json"
    """Of the body that it reads."""
    body: str = "Config"
    """The component that a JSON body must fit."""
    action: Action | None = None
    """What the audit trail calls a write; where its scope is missing, http records it."""
    problems: tuple[int, ...] = ()
    """The statuses of failure beyond those that any request may meet."""


@dataclass(frozen=True)
class Route:
    """A path under the prefix, its handler and its operations by method; GET brings HEAD along."""

    path: str
    handler: type[RequestHandler]
    operations: Mapping[str, Operation]
    label: str = ""
    """What the metrics call it, where that is not its path."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What this route's handler needs for itself."""

    @cached_property
    def methods(self) -> Mapping[str, Operation]:
        """The operations with HEAD. A method that is not here is refused."""
        get = self.operations.get("GET")
        return {**self.operations, **({"HEAD": get} if get else {})}
