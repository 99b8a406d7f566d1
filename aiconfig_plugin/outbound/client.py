"""HTTP clients that reach one origin and no other address than one that was checked.

A name is resolved here, every address of the answer is checked, and the connection goes to a
checked one: a name that resolves to something else a moment later makes no difference. TLS and
``Host`` still see the name.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import httpcore2
import httpx2

from aiconfig_plugin.base_url import BaseURL
from aiconfig_plugin.errors import BaseURLRefused

CONNECT_TIMEOUT: Final = 5.0
"""Seconds for resolving the name and connecting. The total is for the caller to bound."""
LIMITS: Final = httpx2.Limits(max_connections=10, max_keepalive_connections=2)
"""Of one client."""

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host; raises OSError where there are none."""

_IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
# RFC 4291 section 2.4: what is assigned of global unicast addresses.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052


def origin_client(
    base: BaseURL,
    *,
    public_only: bool,
    tls: ssl.SSLContext | None = None,
    resolve: Resolver | None = None,
) -> httpx2.AsyncClient:
    """Return a client for ``base`` alone: no redirects, no proxy of the environment.

    With ``public_only`` the name must resolve to global addresses alone. ``tls`` takes the place
    of the system's certificate authorities. Whatever is against the
    rules raises :class:`~aiconfig_plugin.errors.BaseURLRefused` before anything is sent.
    """
    backend = _PinningBackend(resolve or _lookup, public_only)
    return httpx2.AsyncClient(
        base_url=base.url,
        transport=_OriginTransport(base.origin, backend, tls or _system_tls()),
        timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT),
        follow_redirects=False,
        trust_env=False,
    )


@functools.cache
def _system_tls() -> ssl.SSLContext:
    """Loading the certificates takes the event loop some 30 ms."""
    return httpx2.create_ssl_context(trust_env=False)


class _OriginTransport(httpx2.AsyncHTTPTransport):
    """Sends a request only where its URL has the one origin."""

    def __init__(
        self, origin: str, backend: httpcore2.AsyncNetworkBackend, tls: ssl.SSLContext
    ) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._origin = origin
        # httpx2 has no argument for the backend; its pool does.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=LIMITS.max_connections,
            max_keepalive_connections=LIMITS.max_keepalive_connections,
            network_backend=backend,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            origin = BaseURL.parse(str(request.url.copy_with(path="/", query=None, fragment=None)))
        except ValueError:
            raise BaseURLRefused("The request is not for a URL that can be called.") from None
        if origin.origin != self._origin:
            raise BaseURLRefused("The request is for another origin than the entry's.")
        return await super().handle_async_request(request)


class _PinningBackend(httpcore2.AnyIOBackend):
    def __init__(self, resolve: Resolver, public_only: bool) -> None:
        self._resolve = resolve
        self._public_only = public_only

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        seconds = min(timeout or CONNECT_TIMEOUT, CONNECT_TIMEOUT)
        try:
            return await asyncio.wait_for(self._connect(host, port, socket_options), seconds)
        except asyncio.TimeoutError as err:
            raise httpcore2.ConnectTimeout(f"no connection within {seconds:g} s") from err

    async def _connect(
        self, host: str, port: int, socket_options: Iterable[Any] | None
    ) -> httpcore2.AsyncNetworkStream:
        try:
            addresses = await self._resolve(host.strip("[]"), port)
        except OSError as err:
            raise httpcore2.ConnectError("the name does not resolve") from err
        if self._public_only and not all(map(is_global, addresses)):
            raise BaseURLRefused("The host does not resolve to public addresses alone.")
        failed: Exception = httpcore2.ConnectError("the name has no address")
        for address in addresses:
            try:
                return await super().connect_tcp(address, port, socket_options=socket_options)
            except httpcore2.ConnectError as err:
                failed = err
        raise failed


async def _lookup(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_global(text: str) -> bool:
    """Tell whether an address, and every IPv4 address inside it, is reachable from anywhere."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # with a zone: of one link
        return False
    return all(
        inner.is_global
        and not inner.is_multicast
        and (inner.version == 4 or inner in _GLOBAL_UNICAST)
        for inner in _unwrapped(address)
    )


def _unwrapped(address: _IPAddress) -> Iterator[_IPAddress]:
    """The address itself, or in its place what a translator or tunnel would make of it."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in _NAT64:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    elif address.teredo is not None:
        yield from address.teredo
    elif address.sixtofour is not None:
        yield address.sixtofour
    else:
        yield address
