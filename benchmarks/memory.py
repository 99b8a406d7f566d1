"""The memory of remembered tokens, as Python's allocator counts it."""

from __future__ import annotations

import gc
import json
import tracemalloc
from typing import Any

from aiconfig_plugin import Settings
from aiconfig_plugin.introspection import ActiveToken, IntrospectionAuthenticator, active_token


class InstantIntrospection(IntrospectionAuthenticator):
    """Makes the reply in this process: what is remembered of it is the same."""

    async def _introspect(self, token: str) -> ActiveToken:
        reply = {
            "active": True,
            "sub": token.partition(".")[2],
            "client_id": "browser",
            "scope": "ai-config:read ai-config:write",
            "exp": 4_000_000_000,
        }
        return active_token(json.loads(json.dumps(reply)), self._settings)


async def bytes_of_a_token(settings: dict[str, Any], tokens: int) -> float:
    """Return the bytes for each token once so many are remembered."""
    authenticator = InstantIntrospection(
        Settings(**settings, introspection_cache_size=max(tokens, 1))
    )
    await authenticator.start()
    await authenticator.authenticate("first.owner")
    tracemalloc.start()
    try:
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for number in range(tokens):
            await authenticator.authenticate(f"token{number}.owner{number}")
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await authenticator.close()
    return (after - before) / tokens
