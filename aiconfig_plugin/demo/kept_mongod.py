"""The demo's ``mongod``, started again when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiconfig_plugin.background import every
from aiconfig_plugin.demo.mongod import Mongod

logger = logging.getLogger("aiconfig_plugin")

CHECK_INTERVAL = 1.0
"""Seconds between two looks at the process."""


@asynccontextmanager
async def kept_mongod(
    data: Path, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> AsyncIterator[Mongod]:
    """Run a private ``mongod`` over ``data`` inside the block; one that ends is started again.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError` when it cannot start at first.
    """
    mongod = Mongod(data)
    running = _Running(mongod)
    try:
        await running.start()
        async with every(CHECK_INTERVAL, running.check, "restart of MongoDB", sleep=sleep):
            yield mongod
    finally:
        await running.stop()


class _Running:
    def __init__(self, mongod: Mongod) -> None:
        self._mongod = mongod
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._starting = asyncio.create_task(asyncio.to_thread(self._mongod.start))
        await asyncio.shield(self._starting)

    async def check(self) -> None:
        ended = self._mongod.ended
        if ended is None:
            return
        logger.warning("MongoDB ended %s; it is started again (log: %s).", ended, self._mongod.log)
        # The plugin knows it by its port.
        self._mongod.keep_port()
        await self.start()
        logger.warning("MongoDB runs again.")

    async def stop(self) -> None:
        # A cancelled demo does not cancel the thread: only a start that is over can be undone.
        if self._starting is not None:
            await asyncio.wait({self._starting})
        await asyncio.to_thread(self._mongod.stop)
