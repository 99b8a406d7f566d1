"""The memory of remembered tokens, as Python's allocator counts it."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

from tornado.httputil import HTTPHeaders, HTTPServerRequest

from aiconfig_plugin import AIConfigPlugin
from benchmarks.contenders.ours import make_plugin
from benchmarks.environment import Environment
from benchmarks.rounds import Results


def measure_memory(env: Environment) -> Results:
    """Return the bytes for each token once so many are remembered."""
    each = asyncio.run(bytes_of_a_token(env))
    return {f"one of {env.scale.tokens:,} tokens": {"ours": {"bytes": [each]}}}


async def bytes_of_a_token(env: Environment) -> float:
    plugin = make_plugin(env.settings("memory"), env.driver)
    await plugin.start()
    try:
        await remember(plugin, "first.owner")
        tracemalloc.start()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for number in range(env.scale.tokens):
            await remember(plugin, f"token{number}.owner{number}")
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await plugin.close()
        env.mongo.drop_database("memory")
    return (after - before) / env.scale.tokens


async def remember(plugin: AIConfigPlugin, token: str) -> None:
    headers = HTTPHeaders({"Authorization": f"Bearer {token}"})
    await plugin.authenticate(HTTPServerRequest("GET", "/", headers=headers))
