"""The plugin in a gateway that has nothing else."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tornado.web import Application, RequestHandler

from aiconfig_plugin import AIConfigPlugin, Settings
from benchmarks.contenders.serving import mongo_client, options, serve

TICK = 0.001
"""Seconds between two looks at the clock."""


class LoopWatch:
    """Notes how much too late a callback comes that asks to be called every :data:`TICK`."""

    def __init__(self) -> None:
        self.longest = 0.0

    def start(self) -> None:
        asyncio.get_running_loop().call_later(TICK, self._tick, time.perf_counter())

    def _tick(self, asked: float) -> None:
        self.longest = max(self.longest, time.perf_counter() - asked - TICK)
        self.start()


class LoopWatchHandler(RequestHandler):
    def initialize(self, watch: LoopWatch) -> None:
        self.watch = watch

    def get(self) -> None:
        longest, self.watch.longest = self.watch.longest, 0.0
        self.write({"seconds": longest})


def make_plugin(settings: dict[str, Any], driver: str) -> AIConfigPlugin:
    database = None
    if driver == "pymongo":
        database = mongo_client(settings["mongodb_uri"], driver)[settings["mongodb_database"]]
    return AIConfigPlugin(Settings(**settings), database=database)


async def main() -> None:
    given = options()
    app = Application()
    plugin = make_plugin(given["settings"], given["driver"])
    plugin.mount(app)
    await plugin.start()
    if given.get("watch"):
        watch = LoopWatch()
        app.add_handlers(".*", [("/loop-watch", LoopWatchHandler, {"watch": watch})])
        watch.start()
    await serve(app, given.get("port", 0))


if __name__ == "__main__":
    asyncio.run(main())
