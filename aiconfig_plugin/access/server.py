"""The authorization server over HTTP: Authlib's client, and a transport that is gentle with it."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client

from aiconfig_plugin.access.client_auth import Credentials, register_credentials
from aiconfig_plugin.settings import Settings

KEEPALIVE = 4.0
"""Seconds for which an idle connection is used again: less than the 5 of Node.js's servers."""
SWEEP = 0.5
"""Seconds after that by which it has been closed: a server may hold a worker for each."""

# Some servers would rather answer with a signed JWT (RFC 9701).
_ACCEPT = {"Accept": "application/json"}
_CLOSED = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError)


class Server:
    """What is asked of the authorization server. ``timeout`` is in seconds, for each step."""

    def __init__(
        self, settings: Settings, credentials: Credentials, *, timeout: float, max_connections: int
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._timeout = timeout
        self._max_connections = max_connections
        self._client: AsyncOAuth2Client | None = None
        self._transport: GentleTransport | None = None

    async def start(self) -> None:
        """Make the client; nothing is asked yet."""
        self._transport = GentleTransport(self._credentials.context, self._max_connections)
        self._client = AsyncOAuth2Client(
            client_id=self._settings.client_id,
            token_endpoint_auth_method=self._settings.client_auth_method,
            transport=self._transport,
            timeout=self._timeout,
        )
        register_credentials(self._client, self._settings, self._credentials)

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = self._transport = None

    async def use(self, **changed: Any) -> None:
        """Use other credentials from now on; ``changed`` are fields of them."""
        self._credentials = dataclasses.replace(self._credentials, **changed)
        if self._client is not None and self._transport is not None:
            register_credentials(self._client, self._settings, self._credentials)
            if "context" in changed:
                await self._transport.use(self._credentials.context)

    async def fetch(self, url: str) -> httpx2.Response:
        """Get a public document."""
        response: httpx2.Response = await self._started.request(
            "GET", url, withhold_token=True, headers=_ACCEPT
        )
        return response

    async def introspect(self, endpoint: str, token: str) -> httpx2.Response:
        """Ask about a token (RFC 7662 section 2.1), with the gateway's credentials."""
        call = self._started.introspect_token(endpoint, token=token, headers=dict(_ACCEPT))
        response: httpx2.Response = await call
        return response

    @property
    def _started(self) -> AsyncOAuth2Client:
        if self._client is None:
            raise RuntimeError("start() has not been awaited")
        return self._client


class GentleTransport(httpx2.AsyncBaseTransport):
    """Sends a request once more that met a kept connection which the server had closed.

    Idle connections are closed, not only left unused: ``keepalive`` is in seconds.
    """

    def __init__(
        self,
        context: ssl.SSLContext | None,
        max_connections: int,
        *,
        keepalive: float = KEEPALIVE,
        sweep: float = SWEEP,
    ) -> None:
        self._limits = httpx2.Limits(max_connections=max_connections, keepalive_expiry=keepalive)
        self._sweep_after = keepalive + sweep
        self._context = context
        self._proxies = getproxies()
        self._pools: dict[str | None, _SweptTransport] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._arm()
        connected = False

        async def trace(event: str, _info: Any) -> None:
            nonlocal connected
            connected = connected or event == "connection.connect_tcp.started"

        request.extensions = {**request.extensions, "trace": trace}
        pool = self._pool_for(request.url)
        try:
            return await pool.handle_async_request(request)
        except _CLOSED:
            # It fails before an answer began; only a kept connection makes it no failure of the
            # server. To introspect twice changes nothing.
            if connected:
                raise
        return await pool.handle_async_request(request)

    def _pool_for(self, url: httpx2.URL) -> _SweptTransport:
        """Return the connections to the proxy that the environment names for a URL, or without."""
        proxy = self._proxies.get(url.scheme, self._proxies.get("all"))
        if proxy is not None and proxy_bypass(url.host):
            proxy = None
        if proxy not in self._pools:
            verify = self._context or True
            self._pools[proxy] = _SweptTransport(verify=verify, limits=self._limits, proxy=proxy)
        return self._pools[proxy]

    async def use(self, context: ssl.SSLContext | None) -> None:
        """Verify servers by another context from now on."""
        self._context = context
        await self._close_pools()

    async def aclose(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*self._closing)
        await self._close_pools()

    async def _close_pools(self) -> None:
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.aclose()

    def _arm(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._sweep_after, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        for pool in self._pools.values():
            task = asyncio.ensure_future(pool.close_expired())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        if any(pool.has_connections() for pool in self._pools.values()):
            self._arm()


class _SweptTransport(httpx2.AsyncHTTPTransport):
    """Its base closes what has expired with the next request alone."""

    def has_connections(self) -> bool:
        return bool(self._pool.connections)

    async def close_expired(self) -> None:
        for connection in self._pool.connections:
            if connection.is_idle() and connection.has_expired():
                await connection.aclose()
