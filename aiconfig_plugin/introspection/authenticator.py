"""Who comes in: OAuth 2.0 token introspection (RFC 7662), remembered for a while.

Three answers are kept apart throughout: yes (a principal), no (``InvalidToken``) and no answer
(``AuthorizationServerUnavailable``); only the first two are ever remembered.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Callable

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client
from cachetools import TLRUCache, TTLCache
from tornado.httputil import HTTPHeaders, HTTPServerRequest

from aiconfig_plugin.domain import Principal
from aiconfig_plugin.errors import (
    AIConfigError,
    AuthorizationServerUnavailable,
    ClientCredentialsRefused,
    ConfigurationError,
    InvalidToken,
    MissingToken,
)
from aiconfig_plugin.introspection.client_auth import client_factory
from aiconfig_plugin.introspection.discovery import IntrospectionEndpoint
from aiconfig_plugin.introspection.reply import ActiveToken, active_token, read_reply
from aiconfig_plugin.metrics import Outcome, process_metrics
from aiconfig_plugin.settings import Settings, variable

__all__ = [
    "CALL_TIMEOUT",
    "INACTIVE_TTL",
    "MAX_CALLS",
    "MAX_OUTSTANDING",
    "QUEUE_TIMEOUT",
    "IntrospectionAuthenticator",
    "active_token",
    "bearer_token",
]

CALL_TIMEOUT = 3.0
"""Seconds that one introspection may take once it is its turn."""
QUEUE_TIMEOUT = 20.0
"""Seconds that it may wait for its turn. So an answer, if only a 503, comes within these two and
``discovery.DISCOVERY_TIMEOUT`` together."""
MAX_CALLS = 50
"""Introspections at a time, and connections to the authorization server."""
MAX_OUTSTANDING = 2000
"""Introspections that run or wait for their turn; one more is refused, so memory stays bounded."""
INACTIVE_TTL = 2.0
"""Seconds for which "not active" is remembered, at the most."""

# RFC 6750 section 2.1: the scheme (in any case, RFC 9110 section 11.1) and one b64token.
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.ASCII | re.IGNORECASE)
# Some servers would rather answer with a signed JWT (RFC 9701).
_ACCEPT = {"Accept": "application/json"}
# Statuses that speak of the token, the client or the rate; others speak against the endpoint.
_FROM_THE_ENDPOINT = frozenset({200, 400, 401, 403, 429})

logger = logging.getLogger("aiconfig_plugin")


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
    ) -> None:
        if not settings.issuer:
            raise ConfigurationError(f"{variable('issuer')} is not set; introspection needs it.")
        self._settings = settings
        self._clock = clock
        self._timer = timer
        self._metrics = process_metrics()
        self._make_client = client_factory(
            settings, timeout=CALL_TIMEOUT, max_connections=MAX_CALLS
        )
        self._client: AsyncOAuth2Client | None = None
        self._endpoint = IntrospectionEndpoint(
            settings.issuer, settings.introspection_endpoint, timer
        )
        size, ttl = settings.introspection_cache_size, settings.introspection_ttl
        self._active: TLRUCache[bytes, ActiveToken] = TLRUCache(
            size, ttu=lambda _key, _value, now: now + ttl, timer=timer
        )
        # Apart, so that made-up tokens never push out those of users.
        self._inactive: TTLCache[bytes, str] = TTLCache(size, min(ttl, INACTIVE_TTL), timer=timer)
        self._calls: dict[bytes, asyncio.Task[ActiveToken]] = {}
        # Before the client's own pool, whose bookkeeping grows with the square of those waiting.
        self._turns = asyncio.Semaphore(MAX_CALLS)

    async def start(self) -> None:
        """Make the client, and look for the introspection endpoint unless it is configured.

        An authorization server that is not there does not stop the start.
        """
        self._client = self._make_client()
        self._turns = asyncio.Semaphore(MAX_CALLS)
        try:
            await self._endpoint.url(self._fetch)
        except AuthorizationServerUnavailable as err:
            logger.warning("The introspection endpoint is not known yet: %s", err)

    async def close(self) -> None:
        """Close the connections to the authorization server, and forget every answer."""
        calls = list(self._calls.values())
        self.forget()
        self._endpoint.close()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
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
        for this gateway, :class:`~aiconfig_plugin.errors.AuthorizationServerUnavailable` when the
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
        active.check_time(self._clock())
        return active.principal

    def forget(self, *, token: str | None = None, subject: str | None = None) -> None:
        """Drop what is remembered of one token, of one subject, or (without either) of all.

        An answer that is under way is not remembered when it arrives.
        """
        if token is not None:
            digest = _digest(token)
            for remembered in (self._active, self._inactive, self._calls):
                remembered.pop(digest, None)
            return
        self._calls.clear()
        if subject is None:
            self._inactive.clear()
        for digest, active in list(self._active.items()):
            if subject is None or active.principal.subject == subject:
                self._active.pop(digest, None)

    async def _ask_once(self, digest: bytes, token: str) -> ActiveToken:
        """Ask, or wait for who is asking about the same token already."""
        call = self._calls.get(digest)
        self._metrics.lookup("coalesced" if call else "miss")
        if call is None:
            if len(self._calls) >= MAX_OUTSTANDING:
                raise AuthorizationServerUnavailable("Too many are waiting for it.")
            call = asyncio.create_task(self._ask(digest, token))
            call.add_done_callback(_take_quietly)
            self._calls[digest] = call
        try:
            # Shielded: a request that is given up does not take the others' answer away.
            return await asyncio.shield(call)
        except AIConfigError as err:
            # One error for all who wait: each begins its own traceback.
            raise err.with_traceback(None) from err.__cause__
        except asyncio.CancelledError:
            if call.cancelled():
                raise AuthorizationServerUnavailable("This gateway is closing.") from None
            raise

    async def _ask(self, digest: bytes, token: str) -> ActiveToken:
        current = asyncio.current_task()
        try:
            active = await self._introspect(token)
        except InvalidToken as err:
            if self._calls.get(digest) is current and self._settings.introspection_ttl:
                self._inactive[digest] = err.detail
            raise
        else:
            if self._calls.get(digest) is current and self._settings.introspection_ttl:
                self._active[digest] = active
            return active
        finally:
            if self._calls.get(digest) is current:
                del self._calls[digest]

    async def _introspect(self, token: str) -> ActiveToken:
        """Ask when it is this token's turn. Raises as :meth:`authenticate` does."""
        endpoint = await self._endpoint.url(self._fetch)
        try:
            await asyncio.wait_for(self._turns.acquire(), QUEUE_TIMEOUT)
        except asyncio.TimeoutError:
            raise AuthorizationServerUnavailable("Too many are waiting for it.") from None
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
        try:
            response: httpx2.Response = await asyncio.wait_for(call, CALL_TIMEOUT)
        except (httpx2.HTTPError, asyncio.TimeoutError) as err:
            self._endpoint.doubt()
            raise AuthorizationServerUnavailable("It gave no answer in time.") from err
        if response.status_code not in _FROM_THE_ENDPOINT:
            self._endpoint.doubt()
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


def _take_quietly(call: asyncio.Task[ActiveToken]) -> None:
    """Take an error that nobody waits for any more, or asyncio would report it as lost."""
    if not call.cancelled():
        call.exception()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
