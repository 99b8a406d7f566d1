"""Authenticate requests by OAuth 2.0 token introspection (RFC 7662), with a cache.

Three answers are kept apart throughout: yes (a principal), no (``InvalidToken``) and no answer
(``AuthorizationServerUnavailable``); only the first two are ever remembered.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client
from cachetools import TLRUCache, TTLCache
from tornado.httputil import HTTPHeaders, HTTPServerRequest

from aiconfig_plugin.access.client_auth import client_factory
from aiconfig_plugin.access.discovery import IntrospectionEndpoint, no_response
from aiconfig_plugin.access.reply import ActiveToken, active_token, read_reply
from aiconfig_plugin.access.single_flight import SingleFlight
from aiconfig_plugin.domain import Principal
from aiconfig_plugin.errors import (
    AuthorizationServerUnavailable,
    ClientCredentialsRefused,
    ClientNotAllowed,
    ConfigurationError,
    InvalidToken,
    MissingToken,
)
from aiconfig_plugin.metrics import Outcome, process_metrics
from aiconfig_plugin.settings import Settings, variable

INACTIVE_TTL = 2.0
"""Seconds for which "not active" is remembered, at the most."""

# RFC 6750 section 2.1: the scheme (in any case, RFC 9110 section 11.1) and one b64token.
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.ASCII | re.IGNORECASE)
# Some servers would rather answer with a signed JWT (RFC 9701).
_ACCEPT = {"Accept": "application/json"}
# What an introspection endpoint answers about a token, a client or a rate; another status may
# mean that the endpoint has moved.
_ENDPOINT_STATUSES = frozenset({200, 400, 401, 403, 429})

_TOO_MANY = "Too many pending introspections."


@dataclass(frozen=True)
class Limits:
    """Limits on the calls to the authorization server; times are in seconds."""

    call_timeout: float = 3.0
    """For one introspection, once it is its turn."""
    queue_timeout: float = 20.0
    """For waiting for its turn."""
    discovery_timeout: float = 3.0
    """For finding the endpoint, all documents together. So a request is answered, if only with
    503, within these three together."""
    max_calls: int = 50
    """Introspections at a time, and connections to the authorization server."""
    max_pending: int = 2000
    """Introspections that run or wait for their turn; one more is refused, so memory stays
    bounded."""


class IntrospectionAuthenticator:
    """Authenticates requests by asking the authorization server about their bearer token.

    ``clock`` gives seconds since the epoch, ``timer`` seconds that never go backwards. Raises
    :class:`~aiconfig_plugin.errors.ConfigurationError` when a setting that it needs is missing,
    or names a file that cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
        limits: Limits = Limits(),
    ) -> None:
        if not settings.issuer:
            raise ConfigurationError(f"{variable('issuer')} is not set; introspection needs it.")
        self._settings = settings
        self._clock = clock
        self._timer = timer
        self._metrics = process_metrics()
        self._limits = limits
        self._make_client = client_factory(
            settings, timeout=limits.call_timeout, max_connections=limits.max_calls
        )
        self._client: AsyncOAuth2Client | None = None
        self._endpoint = IntrospectionEndpoint(settings, timer, limits.discovery_timeout)
        size, ttl = settings.introspection_cache_size, settings.introspection_ttl
        self._active: TLRUCache[bytes, ActiveToken] = TLRUCache(
            size, ttu=lambda _key, _value, now: now + ttl, timer=timer
        )
        # Apart, so that made-up tokens never push out those of users.
        self._inactive: TTLCache[bytes, str] = TTLCache(size, min(ttl, INACTIVE_TTL), timer=timer)
        self._calls: SingleFlight[bytes, ActiveToken] = SingleFlight()
        # Before the client's own pool, whose bookkeeping grows with the square of those waiting.
        self._turns = asyncio.Semaphore(limits.max_calls)

    async def start(self) -> None:
        """Make the client, and look for the introspection endpoint unless it is configured.

        An authorization server that is not there does not stop the start.
        """
        self._client = self._make_client()
        self._turns = asyncio.Semaphore(self._limits.max_calls)
        with contextlib.suppress(AuthorizationServerUnavailable):  # The search has logged it.
            await self._endpoint.url(self._fetch)

    async def close(self) -> None:
        """Close the connections to the authorization server, and forget every answer."""
        self.forget()
        await self._calls.close()
        await self._endpoint.close()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def __call__(self, request: HTTPServerRequest) -> Principal:
        """Authenticate a request by its ``Authorization`` header; see :meth:`authenticate`.

        Raises :class:`~aiconfig_plugin.errors.MissingToken` where there is no bearer token.
        """
        return await self.authenticate(bearer_token(request.headers))

    async def authenticate(self, token: str) -> Principal:
        """Return whom the token stands for.

        Raises :class:`~aiconfig_plugin.errors.InvalidToken` when it is not an active access token
        for this gateway, :class:`~aiconfig_plugin.errors.ClientNotAllowed` when it is another
        client's, :class:`~aiconfig_plugin.errors.AuthorizationServerUnavailable` when the
        authorization server gave no usable answer, and
        :class:`~aiconfig_plugin.errors.ClientCredentialsRefused` when it refused this gateway.
        """
        digest = _digest(token)
        active = self._active.get(digest)
        if active is not None:
            self._metrics.lookup("hit")
        elif (refusal := self._inactive.get(digest)) is not None:
            self._metrics.lookup("hit")
            raise InvalidToken(refusal)
        else:
            active = await self._ask_once(digest, token)
        active.check_time(self._clock(), self._settings.clock_leeway)
        allowed = self._settings.clients
        if allowed and active.principal.client_id not in allowed:
            raise ClientNotAllowed(f"{variable('clients')} does not name the token's client.")
        return active.principal

    def forget(self, *, token: str | None = None, subject: str | None = None) -> None:
        """Drop what is remembered of one token, of one subject, or (without either) of all.

        An answer that is under way is not remembered when it arrives.
        """
        if token is not None:
            digest = _digest(token)
            self._active.pop(digest, None)
            self._inactive.pop(digest, None)
            self._calls.forget(digest)
            return
        self._calls.forget()
        if subject is None:
            self._inactive.clear()
        for digest, active in list(self._active.items()):
            if subject is None or active.principal.subject == subject:
                self._active.pop(digest, None)

    async def _ask_once(self, digest: bytes, token: str) -> ActiveToken:
        """Ask, or wait for who is asking about the same token already."""
        if digest in self._calls:
            self._metrics.lookup("coalesced")
        else:
            self._metrics.lookup("miss")
            if len(self._calls) >= self._limits.max_pending:
                raise AuthorizationServerUnavailable(_TOO_MANY)
        return await self._calls.run(digest, lambda: self._ask(digest, token))

    async def _ask(self, digest: bytes, token: str) -> ActiveToken:
        try:
            active = await self._introspect(token)
        except InvalidToken as err:
            if self._may_remember(digest):
                self._inactive[digest] = err.detail
            raise
        if self._may_remember(digest):
            self._active[digest] = active
        return active

    def _may_remember(self, digest: bytes) -> bool:
        return self._settings.introspection_ttl > 0 and self._calls.is_joinable(digest)

    async def _introspect(self, token: str) -> ActiveToken:
        """Ask when it is this token's turn. Raises as :meth:`authenticate` does."""
        endpoint = await self._endpoint.url(self._fetch)
        try:
            await asyncio.wait_for(self._turns.acquire(), self._limits.queue_timeout)
        except asyncio.TimeoutError:
            raise AuthorizationServerUnavailable(_TOO_MANY) from None
        started = self._timer()
        outcome: Outcome = "unavailable"
        try:
            active = active_token(read_reply(await self._post(endpoint, token)), self._settings)
            outcome = "active"
            return active
        except InvalidToken:
            outcome = "inactive"
            raise
        except ClientCredentialsRefused:
            outcome = "refused"
            raise
        finally:
            self._turns.release()
            self._metrics.call(outcome, self._timer() - started)

    async def _post(self, endpoint: str, token: str) -> httpx2.Response:
        call = self._started_client.introspect_token(endpoint, token=token, headers=dict(_ACCEPT))
        timeout = self._limits.call_timeout
        try:
            response: httpx2.Response = await asyncio.wait_for(call, timeout)
        except (httpx2.HTTPError, asyncio.TimeoutError) as err:
            self._endpoint.mark_suspect()
            raise no_response(err, timeout) from err
        if response.status_code not in _ENDPOINT_STATUSES:
            self._endpoint.mark_suspect()
        return response

    async def _fetch(self, url: str) -> httpx2.Response:
        response: httpx2.Response = await self._started_client.request(
            "GET", url, withhold_token=True, headers=_ACCEPT
        )
        return response

    @property
    def _started_client(self) -> AsyncOAuth2Client:
        if self._client is None:
            raise RuntimeError("start() has not been awaited")
        return self._client


def bearer_token(headers: HTTPHeaders) -> str:
    """Return the token of an ``Authorization: Bearer`` header (RFC 6750 section 2.1).

    Raises :class:`~aiconfig_plugin.errors.MissingToken` when there is none, and
    :class:`~aiconfig_plugin.errors.InvalidToken` for what cannot be a token at all.
    """
    scheme, _, rest = headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer" or not rest.strip():
        raise MissingToken("Send an access token: Authorization: Bearer …")
    found = _BEARER.fullmatch(f"{scheme} {rest.strip()}")
    if found is None:
        raise InvalidToken("The Authorization header does not hold one bearer token.")
    return found[1]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
