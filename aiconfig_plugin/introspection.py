"""Who comes in: OAuth 2.0 token introspection (RFC 7662), remembered for a while.

The only file that knows Authlib's client. Three answers are kept apart throughout: yes (a
principal), no (``InvalidToken``) and no answer (``AuthorizationServerUnavailable``); only the
first two are ever remembered.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.auth import encode_client_secret_basic
from cachetools import TLRUCache, TTLCache
from tornado.httputil import HTTPHeaders, HTTPServerRequest

from aiconfig_plugin.errors import (
    AuthorizationServerUnavailable,
    ClientCredentialsRefused,
    ConfigurationError,
    InvalidToken,
    MissingToken,
)
from aiconfig_plugin.model import Principal
from aiconfig_plugin.settings import Settings, variable

CALL_TIMEOUT = 3.0
"""Seconds that one introspection may take, waiting for a connection included."""
INACTIVE_TTL = 2.0
"""Seconds for which "not active" is remembered, at the most."""
MAX_CONNECTIONS = 100

# RFC 6750 section 2.1: the scheme (in any case, RFC 9110 section 11.1) and one b64token.
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.ASCII | re.IGNORECASE)
# Kinds of token that are not for calling an API, in the words of those who introspect them as
# active: Keycloak's "typ", Hydra's and Cognito's "token_use".
_NOT_ACCESS = frozenset({"refresh", "refresh_token", "offline", "id", "id_token"})


@dataclass(frozen=True)
class _Active:
    """What is remembered of an active token. ``not_before`` is in seconds since the epoch."""

    principal: Principal
    not_before: float | None


class IntrospectionAuthenticator:
    """Authenticates requests by asking the authorization server about their bearer token.

    ``clock`` gives seconds since the epoch, ``timer`` seconds that never go backwards. Raises
    :class:`~aiconfig_plugin.errors.ConfigurationError` when a setting that it needs is missing.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        for name in ("issuer", "introspection_endpoint", "client_id", "client_secret"):
            if not getattr(settings, name):
                raise ConfigurationError(f"{variable(name)} is not set; introspection needs it.")
        self._settings = settings
        self._clock = clock
        self._client: AsyncOAuth2Client | None = None
        size, ttl = settings.introspection_cache_size, settings.introspection_ttl
        self._active: TLRUCache[bytes, _Active] = TLRUCache(
            size, ttu=lambda _key, _value, now: now + ttl, timer=timer
        )
        # Apart, so that made-up tokens never push out those of users.
        self._inactive: TTLCache[bytes, str] = TTLCache(size, min(ttl, INACTIVE_TTL), timer=timer)
        self._calls: dict[bytes, asyncio.Task[_Active]] = {}

    async def start(self) -> None:
        """Make the client; it connects when it is first used."""
        settings = self._settings
        self._client = AsyncOAuth2Client(
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            token_endpoint_auth_method=settings.client_auth_method,
            timeout=CALL_TIMEOUT,
            limits=httpx2.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=60),
        )
        self._client.register_client_auth_method(("client_secret_basic", _encode_basic))

    async def close(self) -> None:
        """Close the connections to the authorization server, and forget every answer."""
        calls = list(self._calls.values())
        self.forget()
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
        digest = hashlib.sha256(token.encode()).digest()
        refusal = self._inactive.get(digest)
        if refusal is not None:
            raise InvalidToken(refusal)
        active = self._active.get(digest) or await self._ask_once(digest, token)
        now = self._clock()
        expires_at = active.principal.expires_at
        if expires_at is not None and expires_at <= now:
            raise InvalidToken("The access token has expired.")
        if active.not_before is not None and active.not_before > now:
            raise InvalidToken("The access token is not valid yet.")
        return active.principal

    def forget(self, *, token: str | None = None, subject: str | None = None) -> None:
        """Drop what is remembered of one token, of one subject, or (without either) of all.

        An answer that is under way is not remembered when it arrives.
        """
        if token is not None:
            digest = hashlib.sha256(token.encode()).digest()
            for remembered in (self._active, self._inactive, self._calls):
                remembered.pop(digest, None)
            return
        self._calls.clear()
        if subject is None:
            self._inactive.clear()
        for digest, active in list(self._active.items()):
            if subject is None or active.principal.subject == subject:
                self._active.pop(digest, None)

    async def _ask_once(self, digest: bytes, token: str) -> _Active:
        """Ask, or wait for who is asking about the same token already."""
        call = self._calls.get(digest)
        if call is None:
            call = asyncio.create_task(self._ask(digest, token))
            self._calls[digest] = call
        # Shielded: a request that is given up does not take the others' answer away.
        return await asyncio.shield(call)

    async def _ask(self, digest: bytes, token: str) -> _Active:
        current = asyncio.current_task()
        try:
            active = active_token(await self._introspect(token), self._settings)
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

    async def _introspect(self, token: str) -> Any:
        """Return the reply's JSON. Raises as :meth:`authenticate` does."""
        if self._client is None:
            raise RuntimeError("start() has not been awaited")
        endpoint = self._settings.introspection_endpoint
        try:
            response = await asyncio.wait_for(
                self._client.introspect_token(endpoint, token=token), CALL_TIMEOUT
            )
        except (httpx2.HTTPError, asyncio.TimeoutError) as err:
            raise AuthorizationServerUnavailable("It gave no answer in time.") from err
        return _reply(response)


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


def active_token(reply: Any, settings: Settings) -> _Active:
    """Read an introspection reply (RFC 7662 section 2.2) by every rule but that of time.

    A member that is null counts as absent. Raises ``AuthorizationServerUnavailable`` for what is
    no reply, and ``InvalidToken`` for a token that is not active or not meant for this gateway.
    """
    if not isinstance(reply, dict):
        raise AuthorizationServerUnavailable("Its answer is not a JSON object.")
    if reply.get("active") is not True:
        raise InvalidToken("The access token is not active.")
    _check_kind(reply)
    issuer = reply.get("iss")
    if issuer is not None and issuer != settings.issuer:
        raise InvalidToken("The access token was issued by another issuer.")
    audience = reply.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if settings.audience is not None and settings.audience not in audiences:
        raise InvalidToken("The access token is meant for another audience.")
    subject = reply.get(settings.subject_claim)
    client_id = reply.get("client_id")
    principal = Principal(
        issuer=settings.issuer or "",
        subject=subject if isinstance(subject, str) and subject else None,
        scopes=_scopes(reply.get("scope")),
        client_id=client_id if isinstance(client_id, str) else None,
        expires_at=_seconds(reply, "exp"),
    )
    return _Active(principal, not_before=_seconds(reply, "nbf"))


def _check_kind(reply: Mapping[str, Any]) -> None:
    token_type = reply.get("token_type")
    if token_type is not None and str(token_type).lower() not in ("bearer", "access_token"):
        raise InvalidToken("The token is not a bearer access token.")
    for name in ("typ", "token_use"):
        if str(reply.get(name)).lower() in _NOT_ACCESS:
            raise InvalidToken("The token is not an access token.")
    if reply.get("cnf") is not None:
        # RFC 7800: it is bound to a key, and nothing here can tell whether the caller holds it.
        raise InvalidToken("The access token is bound to a key.")


def _scopes(scope: Any) -> frozenset[str]:
    """Read ``scope``: a space-separated string (RFC 6749 section 3.3); some servers send a list."""
    if isinstance(scope, str):
        return frozenset(scope.split())
    if isinstance(scope, list):
        return frozenset(item for item in scope if isinstance(item, str))
    return frozenset()


def _seconds(reply: Mapping[str, Any], name: str) -> float | None:
    value = reply.get(name)
    if value is None:
        return None
    try:
        seconds = math.nan if isinstance(value, bool) or isinstance(value, str) else float(value)
    except (TypeError, OverflowError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise InvalidToken(f"The access token has no usable {name}.")
    return seconds


def _reply(response: httpx2.Response) -> Any:
    """Return the JSON of an answer about the token, or raise what its status means."""
    status = response.status_code
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    if status in (401, 403) or error in ("invalid_client", "unauthorized_client"):
        raise ClientCredentialsRefused(
            f"The authorization server refused {variable('client_id')} and its credentials "
            f"({variable('client_auth_method')}) with HTTP {status}."
        )
    if status == 400:
        # What the server cannot even parse is no token of its own.
        raise InvalidToken("The access token is not active.")
    if status == 429:
        raise AuthorizationServerUnavailable(
            "It is being asked too often.", retry_after=_retry_after(response)
        )
    if status != 200:
        raise AuthorizationServerUnavailable(f"It answered with HTTP {status}.")
    return body


def _retry_after(response: httpx2.Response) -> int:
    """Return the seconds of ``Retry-After`` (RFC 9110 section 10.2.3), 5 where it is no number."""
    value = response.headers.get("Retry-After", "").strip()
    return min(int(value), 3600) if value.isascii() and value.isdecimal() and len(value) < 9 else 5


def _encode_basic(
    client: Any, method: str, uri: str, headers: Any, body: Any
) -> tuple[str, Any, Any]:
    """Form-encode id and secret before Basic (RFC 6749 section 2.3.1); Authlib does not."""
    encoded = _BasicPair(quote(client.client_id, safe=""), quote(client.client_secret, safe=""))
    result: tuple[str, Any, Any] = encode_client_secret_basic(encoded, method, uri, headers, body)
    return result


@dataclass(frozen=True)
class _BasicPair:
    client_id: str
    client_secret: str
