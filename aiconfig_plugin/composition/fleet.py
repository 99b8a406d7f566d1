"""This process among the others that share its database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiconfig_plugin.access import TokenAuthenticator
from aiconfig_plugin.background import every
from aiconfig_plugin.composition.access import open_authenticator
from aiconfig_plugin.composition.reloading import Reloader
from aiconfig_plugin.domain import (
    HEARTBEAT,
    LOGOUTS_KEPT,
    LOGOUTS_POLL,
    LogoutFeed,
    Logouts,
    Membership,
)
from aiconfig_plugin.metrics import process_metrics
from aiconfig_plugin.settings import Settings


@asynccontextmanager
async def as_member(membership: Membership) -> AsyncIterator[None]:
    """Be a member of the fleet inside the block.

    Raises :class:`~aiconfig_plugin.errors.StorageUnavailable` at its beginning.
    """
    try:
        await membership.beat()
        async with every(HEARTBEAT, membership.beat, "heartbeat"):
            yield
    finally:
        await membership.leave()


def open_tokens(
    settings: Settings, reloader: Reloader, logouts: Logouts
) -> tuple[TokenAuthenticator, LogoutFeed]:
    """Return what authenticates requests, and what tells it of the log-outs of all processes."""
    feed: LogoutFeed
    tokens = open_authenticator(settings, reloader, is_believed=lambda: feed.is_believed)
    # About a JWT nobody is asked, so the log-outs from before the start count too.
    back = LOGOUTS_KEPT if settings.tokens == "jwt" else 0.0
    feed = LogoutFeed(logouts, tokens.log_out, back=back)
    return tokens, feed


@asynccontextmanager
async def checking(tokens: TokenAuthenticator, feed: LogoutFeed) -> AsyncIterator[None]:
    """Check tokens inside the block, and follow the log-outs; raises as :func:`as_member`."""
    metrics = process_metrics()

    async def poll() -> None:
        try:
            await feed.poll()
        finally:
            metrics.logout_feed(feed.age)

    try:
        await tokens.start()
        await feed.poll()
        async with every(LOGOUTS_POLL, poll, "log-out feed"):
            yield
    finally:
        await tokens.close()
