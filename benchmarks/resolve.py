"""``AIConfigPlugin.resolve`` beside a bare ``find_one``, in one process and in turn."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient

from aiconfig_plugin import AIConfigPlugin, Settings
from aiconfig_plugin.store import COLLECTION
from benchmarks.dataset import people, refill
from benchmarks.scale import Scale
from benchmarks.stage import Stage

DATABASE = "resolve"
BLOCK = 50
"""Calls of one kind before the other has its turn."""


async def measure_resolve(stage: Stage, scale: Scale) -> dict[str, list[float]]:
    """Return calls per second, one after the other, of each round."""
    owners = people(scale.owners)
    settings = Settings(**stage.settings(DATABASE))
    refill(stage.collection(DATABASE), [stage.dataset.ours(person) for person in owners])
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(stage.uri)
    collection = client[DATABASE][COLLECTION]
    ids = [document["_id"] async for document in collection.find({}, {"_id": 1})]
    plugin = AIConfigPlugin(settings)
    await plugin.start()

    async def ours(number: int) -> None:
        await plugin.resolve(owners[number % len(owners)].subject, provider="OpenAI")

    async def bare(number: int) -> None:
        await collection.find_one({"_id": ids[number % len(ids)]})

    try:
        await interleaved(ours, bare, BLOCK)
        rounds = [await interleaved(ours, bare, scale.resolves) for _ in range(scale.rounds)]
    finally:
        await plugin.close()
        client.close()
    return {"ours": [one for one, _ in rounds], "bare find_one": [other for _, other in rounds]}


async def interleaved(
    ours: Callable[[int], Awaitable[None]], bare: Callable[[int], Awaitable[None]], times: int
) -> tuple[float, float]:
    seconds = [0.0, 0.0]
    for start in range(0, times, BLOCK):
        for place, call in enumerate((ours, bare)):
            begun = time.perf_counter()
            for number in range(start, start + BLOCK):
                await call(number)
            seconds[place] += time.perf_counter() - begun
    calls = -(-times // BLOCK) * BLOCK
    return calls / seconds[0], calls / seconds[1]
