"""An issuer that publishes metadata documents, or whatever else it is told to, at chosen paths."""

from __future__ import annotations

from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"


class MetadataServer:
    """Answers GET with ``documents[path]``, as JSON; a number is a status, what is not there 404.

    ``asked`` has every path that was asked for, in order.
    """

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}
        self.asked: list[str] = []
        self._socket, self.port = bind_unused_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: HTTPServer | None = None
        self.start()

    def start(self) -> None:
        if self._socket.fileno() < 0:
            [self._socket] = bind_sockets(self.port, "127.0.0.1")
        self._server = HTTPServer(Application([(r"/.*", _Handler, {"server": self})]))
        self._server.add_socket(self._socket)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()
            self._server = None
        self._socket.close()


class _Handler(RequestHandler):
    def initialize(self, server: MetadataServer) -> None:
        self.server = server

    def get(self) -> None:
        self.server.asked.append(self.request.path)
        document = self.server.documents.get(self.request.path, 404)
        if isinstance(document, int):
            self.set_status(document)
            self.finish()
        else:
            self.finish(document if isinstance(document, (bytes, dict)) else repr(document))
