"""The configuration handler of jupyter-ai 2 in its own server: one file on disk for all users."""

from __future__ import annotations

import logging
import os

from benchmarks.contenders.serving import listen, options, ready


def main() -> None:
    given = options()
    os.environ["JUPYTER_DATA_DIR"] = os.environ["JUPYTER_CONFIG_DIR"] = given["directory"]
    os.environ["JUPYTER_RUNTIME_DIR"] = given["directory"]

    from jupyter_ai.config_manager import ConfigManager
    from jupyter_ai.handlers import GlobalConfigHandler
    from jupyter_server.serverapp import ServerApp
    from tornado.httpserver import HTTPServer
    from tornado.ioloop import IOLoop

    server = ServerApp(log_level=logging.ERROR, allow_root=True, open_browser=False)
    server.jpserver_extensions = {}
    server.initialize(
        argv=[f"--IdentityProvider.token={given['token']}", "--ServerApp.port=0"],
        find_extensions=False,
        new_httpserver=False,
    )
    manager = ConfigManager(logging.getLogger("config"), {}, {}, {})
    server.web_app.settings["jai_config_manager"] = manager
    server.web_app.add_handlers(".*$", [("/api/ai/config", GlobalConfigHandler)])
    server.web_app.settings["log_function"] = lambda _handler: None
    listener = listen()
    HTTPServer(server.web_app).add_sockets([listener])
    ready(listener)
    IOLoop.current().start()


if __name__ == "__main__":
    main()
