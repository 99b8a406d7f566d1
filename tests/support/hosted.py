"""The plugin in an application of a host's own, over a repository in memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from tests.support.gateway import READ_PATH, RawResponse, parse_response


class Hosted:
    """An application that listens on a loopback port."""

    def __init__(self, port: int, client: AsyncHTTPClient) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._client = client

    async def call(
        self,
        method: str,
        path: str = READ_PATH,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> HTTPResponse:
        sent = dict(headers or {})
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        return await self._client.fetch(
            self.url + path,
            method=method,
            headers=sent,
            body=None if body is None else json.dumps(body),
            raise_error=False,
            follow_redirects=False,
            allow_nonstandard_methods=True,
        )

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], *parts: bytes
    ) -> RawResponse:
        """Send everything over a connection that is then closed, and only then read.

        So does a proxy that forwards what it has.
        """
        sent = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", **headers}
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for part in (request_head(method, path, sent), *parts):
                writer.write(part)
                await writer.drain()
            return parse_response(await reader.read())
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def request_head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextlib.asynccontextmanager
async def serving(app: Application, **server: Any) -> AsyncIterator[Hosted]:
    socket, port = bind_unused_port()
    http = HTTPServer(app, **server)
    http.add_socket(socket)
    client = AsyncHTTPClient(force_instance=True)
    try:
        yield Hosted(port, client)
    finally:
        http.stop()
        await http.close_all_connections()
        client.close()
