"""What `serve` runs: an HTTP server that finishes what it began, and files read on SIGHUP."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)

from aiconfig_plugin.background import after_each
from aiconfig_plugin.plugin import AIConfigPlugin

DRAIN_TIMEOUT = 12.0
"""Seconds for which requests in flight may take to finish: longer than any answer takes."""
IDLE_TIMEOUT = 75.0
"""Seconds for which a connection may wait for its next request."""
BODY_TIMEOUT = 60.0
"""Seconds within which a body must arrive."""


@asynccontextmanager
async def reloading_on_hangup(plugin: AIConfigPlugin) -> AsyncIterator[None]:
    """Read the files of the settings again on each SIGHUP inside the block."""
    hangup = asyncio.Event()

    async def next_hangup() -> None:
        await hangup.wait()
        hangup.clear()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
    async with after_each(next_hangup, plugin.reload, "reload"):
        yield


class DrainingServer(HTTPServer):
    """As its base. :meth:`drain` ends it without cutting off an answer."""

    def initialize(  # type: ignore[override]  # as the base's own, which takes more
        self, request_callback: HTTPServerConnectionDelegate
    ) -> None:
        super().initialize(
            request_callback, idle_connection_timeout=IDLE_TIMEOUT, body_timeout=BODY_TIMEOUT
        )
        self._busy: set[object] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def drain(self, seconds: float = DRAIN_TIMEOUT) -> None:
        """Accept no more connections, wait for the requests in flight, and close the rest."""
        self.stop()
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except asyncio.TimeoutError:
            pass
        await self.close_all_connections()

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        # Called when a connection begins to wait for a request, so the one before it is answered.
        self._settle(server_conn)
        delegate = super().start_request(server_conn, request_conn)
        return _Noticed(delegate, self, server_conn)

    def on_close(self, server_conn: object) -> None:
        self._settle(server_conn)
        super().on_close(server_conn)

    def begin(self, server_conn: object) -> None:
        self._busy.add(server_conn)
        self._idle.clear()

    def _settle(self, server_conn: object) -> None:
        self._busy.discard(server_conn)
        if not self._busy:
            self._idle.set()


class _Noticed(HTTPMessageDelegate):
    """Tells the server when the head of a request has arrived; passes everything on."""

    def __init__(
        self, delegate: HTTPMessageDelegate, server: DrainingServer, server_conn: object
    ) -> None:
        self._delegate = delegate
        self._server = server
        self._server_conn = server_conn

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        self._server.begin(self._server_conn)
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        self._delegate.finish()

    def on_connection_close(self) -> None:
        self._delegate.on_connection_close()
