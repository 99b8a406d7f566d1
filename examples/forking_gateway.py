"""One port, several processes: python examples/forking_gateway.py [PORT] [PROCESSES]."""

import asyncio
import signal
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.process import fork_processes
from tornado.web import Application

from aiconfig_plugin import AIConfigPlugin, Settings


async def main(app: Application, plugin: AIConfigPlugin, sockets: list) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await plugin.start()  # each process connects for itself
    server = HTTPServer(app)
    server.add_sockets(sockets)
    print("aiconfig listens", flush=True)
    try:
        await stop.wait()
    finally:
        server.stop()
        await server.close_all_connections()
        await plugin.close()


if __name__ == "__main__":
    port, processes = (int(given) for given in (*sys.argv[1:], "8888", "2")[:2])
    app = Application()
    plugin = AIConfigPlugin(Settings.from_env())  # no connection is made before the fork
    plugin.mount(app)
    sockets = bind_sockets(port, "127.0.0.1")
    fork_processes(processes, max_restarts=0)
    asyncio.run(main(app, plugin, sockets))
