"""Connections to the authorization server on bad days: closed, cut off, kept for too long."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from tornado.testing import bind_unused_port

from aiconfig_plugin.access.server import KEEPALIVE, SWEEP, GentleTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class RawServer:
    """Does for each request, in order, what the script says; the last is repeated.

    A script's bytes are sent; ``None`` closes the connection first.
    """

    def __init__(self, *script: bytes | None) -> None:
        self._script = list(script)
        self.requests = 0
        self.connections = 0
        self.closed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket, self.port = bind_unused_port()
        self.url = f"http://127.0.0.1:{self.port}/"

    async def __aenter__(self) -> RawServer:
        def begin(*streams: Any) -> None:
            self._tasks.add(asyncio.ensure_future(self._serve(*streams)))

        self._server = await asyncio.start_server(begin, sock=self._socket)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await asyncio.gather(*self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                answer = self._script.pop(0) if len(self._script) > 1 else self._script[0]
                if answer is not None:
                    writer.write(answer)
                    await writer.drain()
                if answer is None or answer != OK:
                    break
        self.closed.set()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def client(**given: float) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=GentleTransport(None, 50, **given)) as made:
        yield made


async def test_a_kept_connection_that_was_closed_is_no_failure() -> None:
    async with RawServer(OK, None, OK) as server, client() as http:
        for _ in range(2):
            assert (await http.post(server.url)).status_code == 200
        assert (server.requests, server.connections) == (3, 2)


async def test_a_new_connection_that_is_closed_is_a_failure_at_once() -> None:
    async with RawServer(None) as server, client() as http:
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.post(server.url)
        assert server.requests == 1


async def test_a_request_is_sent_once_more_and_not_again() -> None:
    async with RawServer(OK, None) as server, client() as http:
        await http.post(server.url)
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.post(server.url)
        assert server.requests == 3


@pytest.mark.parametrize("half", [OK[:-1], b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
async def test_half_an_answer_is_not_asked_for_again(half: bytes) -> None:
    async with RawServer(OK, half) as server, client() as http:
        await http.post(server.url)
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.post(server.url)
        assert server.requests == 2


async def test_idle_connections_are_closed_and_not_only_left() -> None:
    assert KEEPALIVE + SWEEP <= 5
    async with RawServer(OK) as server, client(keepalive=0.01, sweep=0.01) as http:
        await http.post(server.url)
        await asyncio.wait_for(server.closed.wait(), 10)
        assert (await http.post(server.url)).status_code == 200
        assert server.connections == 2


async def test_a_connection_in_use_is_kept() -> None:
    async with RawServer(OK) as server, client() as http:
        for _ in range(5):
            await http.post(server.url)
        assert server.connections == 1


async def test_a_proxy_of_the_environment_is_used_but_for_what_it_exempts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with RawServer(OK) as proxy, RawServer(OK) as direct:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with client() as http:
            assert (await http.post("http://issuer.invalid/introspect")).status_code == 200
            assert (await http.post(direct.url)).status_code == 200
    assert (proxy.requests, direct.requests) == (1, 1)


async def test_another_context_takes_new_connections() -> None:
    transport = GentleTransport(None, 50)
    async with RawServer(OK) as server, httpx2.AsyncClient(transport=transport) as http:
        await http.post(server.url)
        await transport.use(None)
        assert (await http.post(server.url)).status_code == 200
        assert server.connections == 2
