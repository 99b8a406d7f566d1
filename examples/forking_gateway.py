"""One port, several processes: python examples/forking_gateway.py [PORT] [PROCESSES]."""

import asyncio
import contextlib
import os
import signal
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.process import fork_processes
from tornado.web import Application

from aiconfig_plugin import AIConfigPlugin, Settings

SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def main(app: Application, plugin: AIConfigPlugin, sockets: list, parent: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(parent, stop.set)
    await plugin.start()  # each process connects for itself
    server = HTTPServer(app)
    server.add_sockets(sockets)
    print("aiconfig listens", flush=True)
    try:
        await stop.wait()
    finally:
        loop.remove_reader(parent)
        server.stop()
        await server.close_all_connections()
        await plugin.close()


def fork(processes: int) -> int:
    """Return, in each child, a pipe that ends with the parent; the parent ends with them."""
    for number in SIGNALS:
        signal.signal(number, lambda *_: sys.exit())
    ends_with_parent, held_by_parent = os.pipe()
    try:
        fork_processes(processes, max_restarts=0)
    except SystemExit:
        os.close(held_by_parent)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()
        raise
    os.close(held_by_parent)
    return ends_with_parent


if __name__ == "__main__":
    port, processes = (int(given) for given in (*sys.argv[1:], "8888", "2")[:2])
    app = Application()
    plugin = AIConfigPlugin(Settings.from_env())  # no connection is made before the fork
    plugin.mount(app)
    sockets = bind_sockets(port, "127.0.0.1")
    asyncio.run(main(app, plugin, sockets, fork(processes)))
