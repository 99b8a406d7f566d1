"""The plugin in a gateway that has nothing else."""

import asyncio
import time

from tornado.web import Application, RequestHandler

from aiconfig_plugin import AIConfigPlugin, Settings
from benchmarks.contenders.serving import options, serve

TICK = 0.001  # seconds between two looks at the clock


class LongestHold(RequestHandler):
    """Tells how much too late a callback came, since the last request, that asks for every tick."""

    seconds = 0.0

    @classmethod
    def watch(cls, asked: float) -> None:
        now = time.perf_counter()
        cls.seconds = max(cls.seconds, now - asked - TICK)
        asyncio.get_running_loop().call_later(TICK, cls.watch, now)

    def get(self) -> None:
        self.write({"seconds": LongestHold.seconds})
        LongestHold.seconds = 0.0


async def main() -> None:
    given = options()
    app = Application()
    plugin = AIConfigPlugin(Settings(**given["settings"]))
    plugin.mount(app)
    await plugin.start()
    if given["watch"]:
        app.add_handlers(".*", [("/longest-hold", LongestHold)])
        LongestHold.watch(time.perf_counter())
    await serve(app, given["port"])


if __name__ == "__main__":
    asyncio.run(main())
