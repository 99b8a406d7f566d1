"""Authenticate requests by access tokens: one set of rules, whatever kind the tokens are of."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from tornado.httputil import HTTPServerRequest

from aiconfig_plugin.access.authorization import presented_token
from aiconfig_plugin.access.cache import TokenCache, TokenCheck, digest
from aiconfig_plugin.access.claims import ActiveToken
from aiconfig_plugin.access.client_auth import Credentials
from aiconfig_plugin.access.discovery import Endpoint
from aiconfig_plugin.access.dpop import ProofOfPossession
from aiconfig_plugin.access.introspection import Introspection, Limits
from aiconfig_plugin.access.jwk_set import JWKSet
from aiconfig_plugin.access.jwt import JWTAccessTokens
from aiconfig_plugin.access.log_outs import LogOuts
from aiconfig_plugin.access.logout_token import LogoutTokens
from aiconfig_plugin.access.server import Server
from aiconfig_plugin.domain import Logout, Principal
from aiconfig_plugin.errors import ClientNotAllowed, InvalidDPoPProof
from aiconfig_plugin.settings import Settings, variable

_NONE = Credentials()
_LIMITS = Limits()


class TokenAuthenticator:
    """Authenticates requests by their access token.

    ``clock`` gives seconds since the epoch, ``timer`` seconds that never go backwards.
    Nothing that is remembered of a token counts while ``is_believed`` says no. Raises
    :class:`~aiconfig_plugin.errors.ConfigurationError` when a setting that it needs is missing.
    """

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials = _NONE,
        *,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
        limits: Limits = _LIMITS,
        is_believed: Callable[[], bool] = lambda: True,
    ) -> None:
        is_jwt = settings.tokens == "jwt"
        self._settings = settings
        self._clock = clock
        self._server = Server(
            settings,
            credentials,
            timeout=limits.call_timeout,
            max_connections=limits.max_calls,
        )
        endpoint = Endpoint("jwks_uri", settings, timer, limits.discovery_timeout)
        self._keys = JWKSet(endpoint, self._server.fetch, timer, limits.call_timeout)
        self._check: TokenCheck = (
            JWTAccessTokens(settings, self._keys)
            if is_jwt
            else Introspection(settings, self._server, limits, timer)
        )
        self._log_outs = LogOuts() if is_jwt else None
        self._possession = None if settings.dpop == "off" else ProofOfPossession(settings, clock)
        self._logout_tokens = (
            LogoutTokens(settings, self._keys, clock) if settings.backchannel_logout else None
        )
        size, ttl = settings.introspection_cache_size, settings.introspection_ttl
        self._cache = TokenCache(size, ttl, timer, limits.max_pending, is_believed)

    async def start(self) -> None:
        """Make the client, and look for what is not configured.

        An authorization server that is not there does not stop the start.
        """
        await self._server.start()
        await self._check.start()

    async def close(self) -> None:
        """Close the connections to the authorization server, and forget every answer."""
        await self._cache.close()
        await self._check.close()
        await self._keys.close()
        await self._server.close()

    async def probe(self) -> str:
        """Try whether tokens can be checked, and say so.

        Raises as :meth:`authenticate` does, and
        :class:`~aiconfig_plugin.errors.ConfigurationError` for what only an operator can mend.
        """
        return await self._check.probe()

    async def use(self, **changed: Any) -> None:
        """Use other credentials from now on; ``changed`` are fields of them."""
        await self._server.use(**changed)

    async def __call__(self, request: HTTPServerRequest) -> Principal:
        """Authenticate a request by its ``Authorization`` header; see :meth:`authenticate`.

        Raises :class:`~aiconfig_plugin.errors.MissingToken` where there is no access token, and
        :class:`~aiconfig_plugin.errors.InvalidDPoPProof` where possession is not proved.
        """
        possession = self._possession
        token, is_dpop = presented_token(request.headers, dpop=possession is not None)
        if possession is None:
            return (await self.look_up(token)).principal
        if possession.is_required and not is_dpop:
            raise InvalidDPoPProof("The access token must be sent as DPoP, with a proof.")
        proof = possession.prove(request, token) if is_dpop else None
        active = await self.look_up(token)
        possession.accept(active, proof)
        return active.principal

    async def authenticate(self, token: str) -> Principal:
        """Return whom a bearer token stands for.

        Raises :class:`~aiconfig_plugin.errors.InvalidToken` when it is not an active access token
        for this gateway, :class:`~aiconfig_plugin.errors.ClientNotAllowed` when it is another
        client's, :class:`~aiconfig_plugin.errors.AuthorizationServerUnavailable` when the
        authorization server gave no usable answer, and
        :class:`~aiconfig_plugin.errors.ClientCredentialsRefused` when it refused this gateway.
        """
        active = await self.look_up(token)
        if self._possession is not None:
            self._possession.accept(active, None)
        return active.principal

    async def look_up(self, token: str) -> ActiveToken:
        """Return what is asserted of a token, by every rule but that of possession.

        Raises as :meth:`authenticate` does.
        """
        active = await self._cache.get(token, lambda known: self._check.check(token, known=known))
        active.check_time(self._clock(), self._settings.clock_leeway)
        if self._log_outs is not None:
            self._log_outs.check(digest(token), active)
        allowed = self._settings.clients
        if allowed and active.principal.client_id not in allowed:
            raise ClientNotAllowed(f"{variable('clients')} does not name the token's client.")
        return active

    async def logged_out(self, logout_token: str) -> str:
        """Return the subject that a logout token of the authorization server names.

        Raises :class:`~aiconfig_plugin.errors.InvalidLogoutToken`.
        """
        if self._logout_tokens is None:
            raise RuntimeError(f"{variable('backchannel_logout')} is not set")
        return await self._logout_tokens.subject(logout_token)

    def forget(
        self, *, token: str | None = None, subject: str | None = None, at: float | None = None
    ) -> None:
        """Drop what is remembered of one token, of one subject, or (without either) of all.

        An answer that is under way is not remembered when it arrives. A JWT, about which nobody
        is asked, is refused from now on, and so is what was issued to the subject before ``at``,
        seconds since the epoch, by default now.
        """
        key = None if token is None else digest(token)
        self._end(key, subject, self._clock() if at is None else at)

    def log_out(self, logout: Logout | None) -> None:
        """Do what :meth:`forget` does for a log-out that has come from the store.

        None is that some may be missing.
        """
        if logout is None:
            self._end(None, None, math.nan)
        else:
            key = None if logout.token is None else bytes.fromhex(logout.token)
            self._end(key, logout.subject, logout.at.timestamp())

    def _end(self, key: bytes | None, subject: str | None, at: float) -> None:
        self._cache.forget(key=key, subject=subject)
        if self._log_outs is not None:
            ended = subject if key is None else key
            if ended is not None:
                self._log_outs.add(ended, at)
