"""The plugin in a gateway that has nothing else; ``plain`` hides the accelerator of ``speed``."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from benchmarks.contenders.serving import listen, options, ready

ACCELERATOR = "jsonschema_rs"
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


def accelerated() -> bool:
    """Tell whether the plugin validates with the accelerator, which it may load late."""
    from aiconfig_plugin.errors import SchemaViolation
    from aiconfig_plugin.http import parse_submission

    with contextlib.suppress(SchemaViolation):
        parse_submission(b"{}")
    return sys.modules.get(ACCELERATOR) is not None


def make_plugin(settings: dict[str, Any], driver: str) -> Any:
    from pymongo import AsyncMongoClient

    from aiconfig_plugin import AIConfigPlugin, Settings

    database = None
    if driver == "pymongo":
        database = AsyncMongoClient(settings["mongodb_uri"])[settings["mongodb_database"]]
    return AIConfigPlugin(Settings(**settings), database=database)


async def main() -> None:
    given = options()
    if given["plain"]:
        sys.modules[ACCELERATOR] = None  # type: ignore[assignment]  # before it could be imported
    app, watch = Application(), LoopWatch()
    plugin = make_plugin(given["settings"], given.get("driver", "motor"))
    plugin.mount(app)
    await plugin.start()
    if given.get("watch"):
        app.add_handlers(".*", [("/loop-watch", LoopWatchHandler, {"watch": watch})])
        watch.start()
    listener = listen(given.get("port", 0))
    HTTPServer(app).add_sockets([listener])
    ready(listener, accelerated=accelerated())
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
