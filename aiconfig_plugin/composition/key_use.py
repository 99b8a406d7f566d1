"""Writes what is known of the use of API keys, now and then and at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiconfig_plugin.background import every
from aiconfig_plugin.domain import KeyUseRecorder

FLUSH_INTERVAL = 5.0
"""Seconds after which other processes know of a use, at most."""


@asynccontextmanager
async def recording(key_use: KeyUseRecorder) -> AsyncIterator[None]:
    """Write in the background inside the block, and once more after it."""
    try:
        async with every(FLUSH_INTERVAL, key_use.flush, "write of the use of API keys"):
            yield
    finally:
        await key_use.close()
