"""A gateway that mounts the plugin, as short as it can be: python examples/gateway.py."""

import asyncio
import signal

from tornado.web import Application

from aiconfig_plugin import AIConfigPlugin, Settings


async def main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = Application()  # your gateway, with its own routes
    plugin = AIConfigPlugin(Settings.from_env())
    plugin.mount(app)
    await plugin.start()
    server = app.listen(8888, "127.0.0.1")
    try:
        await stop.wait()
    finally:
        server.stop()
        await plugin.close()


if __name__ == "__main__":
    asyncio.run(main())
