"""Starting once, whoever asks first, and closing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from aiconfig_plugin.errors import AIConfigError, StorageUnavailable

logger = logging.getLogger("aiconfig_plugin")


class Lifecycle:
    """Starts by :meth:`start`, or with the first request that needs it.

    ``open`` puts what is to be closed again on the stack that it is given. Those who ask while it
    runs share its outcome, so that an outage is not waited for by one after the other.
    """

    def __init__(self, open: Callable[[AsyncExitStack], Awaitable[None]]) -> None:
        self._open = open
        self._opened = AsyncExitStack()
        self._starting: asyncio.Task[None] | None = None
        self._is_closed = False
        self.is_started = False

    async def start(self) -> None:
        """Start unless that is done. Raises what ``open`` does; nothing stays open then."""
        self._is_closed = False
        if self.is_started:
            return
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
            # Whoever waited may have been cancelled.
            self._starting.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._starting)

    async def ensure_started(self) -> None:
        """As :meth:`start`, for a request: raise ``StorageUnavailable`` while it cannot be served.

        A plugin that was closed stays so: its host is about to end.
        """
        if self.is_started:
            return
        if self._is_closed:
            raise StorageUnavailable("The gateway is shutting down.")
        try:
            await self.start()
        except StorageUnavailable:
            raise
        except Exception as error:
            unexpected = None if isinstance(error, AIConfigError) else error
            logger.error("The plugin cannot start: %s", error, exc_info=unexpected)
            raise StorageUnavailable("The gateway has not started yet.") from error

    async def _start(self) -> None:
        try:
            async with AsyncExitStack() as opened:
                await self._open(opened)
                self._opened = opened.pop_all()
                self.is_started = True
        finally:
            self._starting = None

    async def close(self) -> None:
        """Close what was opened, once a start under way has ended. May be called again."""
        self._is_closed = True
        if self._starting is not None:
            await asyncio.wait([self._starting])
        self.is_started = False
        await self._opened.aclose()
