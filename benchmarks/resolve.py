"""``AIConfigPlugin.resolve`` beside a bare ``find_one``, in one process and in turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from aiconfig_plugin import AIConfigPlugin
from benchmarks.contenders.ours import make_plugin
from benchmarks.contenders.serving import mongo_client
from benchmarks.dataset import SMALL
from benchmarks.environment import COLLECTION, Environment
from benchmarks.rounds import Figures, Results, in_turn

DATABASE = "resolve"
AT_ONCE = (1, 64)
WARM_UP = 100

Call = Callable[[int], Awaitable[object]]


def measure_resolve(env: Environment) -> Results:
    """Return calls per second: one after the other, and so many at once."""
    env.mongo[DATABASE][COLLECTION].insert_many(env.dataset.ours)
    plugin = make_plugin(env.settings(DATABASE), env.driver)
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(plugin.start())
        contenders = {"ours": ours(env, plugin), "bare": bare(env)}

        def turn(call: Call, at_once: int, times: int) -> Figures:
            return {"rate": loop.run_until_complete(rate(call, at_once, times))}

        for call in contenders.values():
            turn(call, 1, WARM_UP)
        return {
            f"resolve, {at_once} at once": in_turn(
                env.scale.rounds,
                {
                    name: partial(turn, call, at_once, env.scale.calls)
                    for name, call in contenders.items()
                },
            )
            for at_once in AT_ONCE
        }
    finally:
        loop.run_until_complete(plugin.close())
        loop.close()


def ours(env: Environment, plugin: AIConfigPlugin) -> Call:
    people = env.dataset.of_size(SMALL)
    return lambda number: plugin.resolve(people[number % len(people)].subject, provider="OpenAI")


def bare(env: Environment) -> Call:
    collection = mongo_client(env.uri, env.driver)[DATABASE][COLLECTION]
    ids = [document["_id"] for document in env.dataset.ours if len(document["models"]) == SMALL]
    return lambda number: collection.find_one({"_id": ids[number % len(ids)]})


async def rate(call: Call, at_once: int, times: int) -> float:
    async def caller(first: int) -> None:
        for number in range(first, times, at_once):
            await call(number)

    begun = time.perf_counter()
    await asyncio.gather(*map(caller, range(at_once)))
    return times / (time.perf_counter() - begun)
