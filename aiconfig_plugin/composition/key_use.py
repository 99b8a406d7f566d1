"""Writes what is known of the use of API keys, now and then and at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiconfig_plugin.background import Sleep, every
from aiconfig_plugin.domain import KeyUseRecorder

FLUSH_INTERVAL = 5.0
"""Seconds after which other processes know of a use, at most."""


@asynccontextmanager
async def recording(
    key_use: KeyUseRecorder, *, sleep: Sleep = asyncio.sleep
) -> AsyncIterator[None]:
    """Write in the background inside the block, and once more after it."""
    work = "write of the use of API keys"
    try:
        async with every(FLUSH_INTERVAL, key_use.flush, work, sleep=sleep):
            yield
    finally:
        await key_use.close()
