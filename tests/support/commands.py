"""What a driver sends to MongoDB, command by command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)


class CommandRecorder(CommandListener):
    """Give it to a client as one of its ``event_listeners``."""

    def __init__(self) -> None:
        self.started_events: list[CommandStartedEvent] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.started_events.append(event)

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...

    @property
    def commands(self) -> list[dict[str, Any]]:
        return [dict(event.command) for event in self.started_events]

    @property
    def names(self) -> list[str]:
        return [event.command_name for event in self.started_events]

    def shared_reads(self, port: int | None = None) -> int:
        """Return how many queries were for several documents, on the server of this port."""
        return sum(
            "$in" in str(event.command.get("filter", {}).get("_id"))
            and port in (None, event.connection_id[1])
            for event in self.started_events
        )

    def clear(self) -> None:
        self.started_events.clear()


@contextmanager
def recorded(uri: str, name: str) -> Iterator[tuple[Any, CommandRecorder]]:
    """A database of a host with Motor, and what is sent to it."""
    commands = CommandRecorder()
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(uri, event_listeners=[commands])
    try:
        yield client[name], commands
    finally:
        client.close()
