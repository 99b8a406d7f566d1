"""Real reverse proxies in front of a gateway, with compression as operators switch it on."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from aiconfig_plugin.demo.mongod import free_port
from tests.support.processes import TIMEOUT, need

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  gzip on; gzip_proxied any; gzip_min_length 1;
  gzip_types application/json application/problem+json text/javascript;
  client_max_body_size 4m;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_set_header Host $http_host; }}
    location /stripped/ {{ proxy_pass http://127.0.0.1:{upstream}/; }}
  }}
}}
"""
HAPROXY = """
global
  log stderr local0 alert
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  bind 127.0.0.1:{port}
  default_backend back
backend back
  compression algo gzip
  compression type application/json application/problem+json text/javascript
  http-request set-path %[path,regsub(^/stripped/,/)]
  server gateway 127.0.0.1:{upstream}
"""
COMMANDS = {
    "nginx": (NGINX, ("-p", "{folder}", "-e", "{folder}/error.log", "-c", "{file}")),
    "haproxy": (HAPROXY, ("-db", "-f", "{file}")),
}


class Proxy:
    """``nginx`` or ``haproxy`` on a port of its own, in front of a port of this machine."""

    def __init__(self, name: str, upstream: int, folder: Path) -> None:
        configuration, arguments = COMMANDS[name]
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        file = folder / f"{name}.conf"
        file.write_text(
            configuration.format(port=self.port, upstream=upstream, folder=folder), "utf-8"
        )
        given = [argument.format(folder=folder, file=file) for argument in arguments]
        self._process = subprocess.Popen([need(name), *given], stderr=subprocess.DEVNULL)

    def __enter__(self) -> Proxy:
        deadline = time.monotonic() + TIMEOUT
        while not _listens(self.port):
            assert self._process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(TIMEOUT)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class ServedInThread:
    """An application on a loop in a thread, for tests whose own thread drives a browser."""

    def __init__(self, make: Callable[[], Application]) -> None:
        [self._socket] = bind_sockets(0, "127.0.0.1")
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(make)))

    async def _serve(self, make: Callable[[], Application]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = HTTPServer(make())
        server.add_socket(self._socket)
        self._ready.set()
        await self._stop.wait()
        server.stop()
        await server.close_all_connections()

    def __enter__(self) -> ServedInThread:
        self._thread.start()
        assert self._ready.wait(TIMEOUT)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(TIMEOUT)
