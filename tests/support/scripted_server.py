"""An authorization server that answers as it is told and remembers what it is asked.

It has an introspection endpoint (RFC 7662) and metadata documents, on a loopback socket in the
event loop of the test.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler


@dataclass(frozen=True)
class Reply:
    """One answer. ``body`` is sent as JSON, or as it is when it is bytes."""

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    gate: asyncio.Event | None = None
    """Nothing is sent before this is set."""
    drips: bool = False
    """The body comes a byte at a time and has no end."""
    hangs_up: bool = False
    """The connection is closed instead of an answer."""


@dataclass(frozen=True)
class Call:
    """One request that came in."""

    method: str
    path: str
    headers: HTTPHeaders
    form: Mapping[str, list[str]]

    @property
    def token(self) -> str:
        return self.form["token"][0]


def active(subject: str = "alice", **members: Any) -> Reply:
    """The plainest answer that lets a token pass."""
    return Reply({"active": True, "sub": subject, **members})


INACTIVE = Reply({"active": False})
NOT_FOUND = Reply(status=404)


class ScriptedServer:
    """Answers for each token with the replies given for it, in turn; the last one stays.

    A token for which nothing was given is not active. ``documents`` has the replies to GET by
    path, and ``fetched`` every path that was asked for, in order.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.calls: list[Call] = []
        self.documents: dict[str, Reply] = {}
        self.fetched: list[str] = []
        self._replies: dict[str, list[Reply]] = {}
        self._arrived = asyncio.Condition()
        self._gates: list[asyncio.Event] = []
        self._socket, self.port = bind_unused_port()
        self.issuer = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.url = f"{self.issuer}/introspect"
        self.start()

    def start(self) -> None:
        """Listen (again, after :meth:`stop`) at the same port."""
        if self._socket.fileno() < 0:
            [self._socket] = bind_sockets(self.port, "127.0.0.1")
        routes = [(r"/.*", _Handler, {"script": self})]
        # Without an access log: what is logged is the plugin's.
        application = Application(routes, log_function=lambda handler: None)
        self._server = HTTPServer(application, ssl_options=self._tls)
        self._server.add_socket(self._socket)

    def script(self, token: str, *replies: Reply) -> None:
        self._replies[token] = list(replies)

    def gated(self, token: str, reply: Reply) -> asyncio.Event:
        """Hold this reply back until the event that is returned is set."""
        gate = asyncio.Event()
        self._gates.append(gate)
        self.script(token, Reply(reply.body, reply.status, reply.headers, gate))
        return gate

    def asked(self, token: str) -> int:
        """How often this token was asked about."""
        return sum(call.token == token for call in self.calls)

    async def until_asked(self, count: int, *, fetched: int = 0) -> None:
        """Wait until this many calls have come in, over all tokens, and as many documents."""
        async with self._arrived:
            await self._arrived.wait_for(
                lambda: len(self.calls) >= count and len(self.fetched) >= fetched
            )

    async def hang_up(self) -> None:
        """Close every connection, as a restart does; new ones are taken."""
        await self._server.close_all_connections()

    async def stop(self) -> None:
        self._server.stop()
        for gate in self._gates:
            gate.set()
        await self._server.close_all_connections()
        self._socket.close()

    async def look_up(self, path: str) -> Reply:
        async with self._arrived:
            self.fetched.append(path)
            self._arrived.notify_all()
        return self.documents.get(path, NOT_FOUND)

    async def arrive(self, call: Call) -> Reply:
        async with self._arrived:
            self.calls.append(call)
            self._arrived.notify_all()
        replies = self._replies.get(call.token, [INACTIVE])
        return replies.pop(0) if len(replies) > 1 else replies[0]


class _Handler(RequestHandler):
    def initialize(self, script: ScriptedServer) -> None:
        self.script = script

    async def get(self) -> None:
        await self._answer(await self.script.look_up(self.request.path))

    async def post(self) -> None:
        form = {name: self.get_body_arguments(name, False) for name in self.request.arguments}
        call = Call("POST", self.request.path, self.request.headers, form)
        await self._answer(await self.script.arrive(call))

    async def _answer(self, reply: Reply) -> None:
        if reply.gate is not None:
            await reply.gate.wait()
        if reply.hangs_up:
            self.detach().close()
            return
        self.set_status(reply.status)
        if not isinstance(reply.body, bytes):
            self.set_header("Content-Type", "application/json")
        for name, value in reply.headers.items():
            self.set_header(name, value)
        await self._send(reply)

    async def _send(self, reply: Reply) -> None:
        try:
            while reply.drips:
                self.write(b" ")
                await self.flush()
                await asyncio.sleep(0.005)
            if reply.status not in (204, 304):
                is_bytes = isinstance(reply.body, bytes)
                self.write(reply.body if is_bytes else json.dumps(reply.body).encode())
            await self.finish()
        except StreamClosedError:
            pass  # The caller has given up, as some tests want it to.

    def log_exception(self, *args: Any) -> None:
        if not isinstance(args[1], StreamClosedError):
            super().log_exception(*args)
