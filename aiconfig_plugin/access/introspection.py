"""Check tokens by asking the authorization server about them (RFC 7662).

Three answers are kept apart throughout: yes, no (``InvalidToken``) and no answer
(``AuthorizationServerUnavailable``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import httpx2

from aiconfig_plugin.access.cache import MAX_PENDING
from aiconfig_plugin.access.claims import ActiveToken
from aiconfig_plugin.access.discovery import Endpoint, no_response
from aiconfig_plugin.access.reply import read_reply
from aiconfig_plugin.access.server import Server
from aiconfig_plugin.access.turns import HIGHEST, AdaptiveLimit, Rate, Turns
from aiconfig_plugin.errors import (
    AuthorizationServerUnavailable,
    ClientCredentialsRefused,
    ConfigurationError,
    IntrospectionRefused,
    InvalidToken,
)
from aiconfig_plugin.metrics import Outcome, process_metrics
from aiconfig_plugin.settings import Settings

LOG_INTERVAL = 60.0
"""Seconds after which the same refusal of a request is logged again."""

# What an introspection endpoint answers about a token, a client or a rate; another status may
# mean that the endpoint has moved.
_ENDPOINT_STATUSES = frozenset({200, 400, 401, 403, 429})

logger = logging.getLogger("aiconfig_plugin")


@dataclass(frozen=True)
class Limits:
    """Limits on the calls to the authorization server; times are in seconds."""

    call_timeout: float = 3.0
    """For one call, once it is its turn."""
    queue_timeout: float = 20.0
    """For waiting for its turn."""
    discovery_timeout: float = 3.0
    """For finding the endpoint, all documents together. So a request is answered, if only with
    503, within these three together."""
    max_calls: int = HIGHEST
    """Introspections at a time, and connections to the authorization server."""
    max_pending: int = MAX_PENDING
    """Introspections that run or wait for their turn; half of it for tokens that were active here
    before."""


class Introspection:
    """Asks the authorization server. ``timer`` gives seconds that never go backwards."""

    def __init__(
        self, settings: Settings, server: Server, limits: Limits, timer: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._server = server
        self._limits = limits
        self._timer = timer
        self._metrics = process_metrics()
        self._endpoint = Endpoint(
            "introspection_endpoint", settings, timer, limits.discovery_timeout
        )
        rate = settings.introspection_rate
        self._rate = None if rate is None else Rate(rate, timer)
        self._turns = self._fresh_turns()
        self._logged: tuple[str, float] = ("", -math.inf)

    async def start(self) -> None:
        """Look for the introspection endpoint unless it is configured."""
        self._turns = self._fresh_turns()
        with contextlib.suppress(AuthorizationServerUnavailable):  # The search has logged it.
            await self._endpoint.url(self._server.fetch)

    async def close(self) -> None:
        await self._endpoint.close()

    async def probe(self) -> str:
        try:
            await self.check(secrets.token_urlsafe(), known=False)
        except IntrospectionRefused as err:
            raise ConfigurationError(
                f"the endpoint refused the introspection of a made-up token (HTTP 400): {err.told}"
            ) from None
        except InvalidToken:
            return "it accepts this gateway's credentials"
        raise ConfigurationError("the endpoint accepted an invalid token.")

    async def check(self, token: str, *, known: bool) -> ActiveToken:
        """Ask when it is this token's turn.

        Raises ``InvalidToken``, ``AuthorizationServerUnavailable`` when the server gave no usable
        answer, and ``ClientCredentialsRefused`` when it refused this gateway.
        """
        endpoint = await self._endpoint.url(self._server.fetch)
        if self._rate is not None:
            self._rate.take(known=known)
        async with self._turns.turn(known=known) as answered:
            return await self._introspect(endpoint, token, answered)

    async def _introspect(
        self, endpoint: str, token: str, answered: Callable[[], None]
    ) -> ActiveToken:
        started = self._timer()
        outcome: Outcome = "unavailable"
        try:
            response = await self._post(endpoint, token)
            answered()
            active = read_reply(response, self._settings, token)
            outcome = "active"
            return active
        except InvalidToken as err:
            outcome = "inactive"
            if isinstance(err, IntrospectionRefused):
                self._log_refusal(err.told)
            raise
        except ClientCredentialsRefused:
            outcome = "refused"
            raise
        finally:
            self._metrics.call(outcome, self._timer() - started)

    async def _post(self, endpoint: str, token: str) -> httpx2.Response:
        timeout = self._limits.call_timeout
        try:
            response = await asyncio.wait_for(self._server.introspect(endpoint, token), timeout)
        except (httpx2.HTTPError, asyncio.TimeoutError) as err:
            self._endpoint.mark_suspect()
            raise no_response(err, timeout) from err
        if response.status_code not in _ENDPOINT_STATUSES:
            self._endpoint.mark_suspect()
        return response

    def _log_refusal(self, told: str) -> None:
        """Log what a 400 says, not with every token that a stranger makes up."""
        now, (before, at) = self._timer(), self._logged
        if told != before or now - at >= LOG_INTERVAL:
            self._logged = told, now
            logger.warning(
                "The authorization server refused an introspection with HTTP 400: %s", told
            )

    def _fresh_turns(self) -> Turns:
        highest = self._limits.max_calls
        limit = AdaptiveLimit(self._limits.call_timeout, highest=highest)
        return Turns(limit, self._timer, self._limits.queue_timeout)
