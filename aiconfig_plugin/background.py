"""Work that a plugin does now and then while its event loop runs."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

from aiconfig_plugin.errors import AIConfigError

Work: TypeAlias = Callable[[], Awaitable[object]]
Sleep: TypeAlias = Callable[[float], Awaitable[object]]

logger = logging.getLogger("aiconfig_plugin")


def every(
    seconds: float, work: Work, name: str, *, sleep: Sleep = asyncio.sleep
) -> AbstractAsyncContextManager[None]:
    """Do ``work`` every ``seconds`` inside the block, the first time after them.

    Otherwise as :func:`after_each`.
    """
    return after_each(functools.partial(sleep, seconds), work, name)


@asynccontextmanager
async def after_each(event: Work, work: Work, name: str) -> AsyncIterator[None]:
    """Await ``event``, then ``work``, again and again inside the block.

    ``name`` is for the log, as in "The heartbeat failed". Of failures in a row the first is logged;
    the next run takes place all the same. A run that is under way at the end is cancelled.
    """
    repeated = asyncio.create_task(_repeat(event, work, name))
    try:
        yield
    finally:
        repeated.cancel()
        await asyncio.gather(repeated, return_exceptions=True)


async def _repeat(event: Work, work: Work, name: str) -> None:
    has_failed = False
    while True:
        await event()
        try:
            await work()
        except Exception as err:
            if not has_failed:
                # Of an error of our own the text says all.
                bug = None if isinstance(err, AIConfigError) else err
                logger.warning("The %s failed: %s", name, err, exc_info=bug)
            has_failed = True
        else:
            if has_failed:
                logger.warning("The %s succeeds again.", name)
            has_failed = False
