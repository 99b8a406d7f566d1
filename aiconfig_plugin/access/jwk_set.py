"""The issuer's public keys (RFC 7517), fetched when they are needed, and kept for a while."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import httpx2

from aiconfig_plugin.access.discovery import Endpoint, no_response
from aiconfig_plugin.access.jws import PublicKey, WrongJWT, public_key
from aiconfig_plugin.access.single_flight import SingleFlight
from aiconfig_plugin.errors import AuthorizationServerUnavailable
from aiconfig_plugin.settings import variable

LIFETIME = 600.0
"""Seconds for which the set is used without asking again."""
GRACE = 3600.0
"""Seconds for which it is used beyond that while the server gives no other."""
RETRY_INTERVAL = 30.0
"""Seconds between two fetches for unknown kids, or for a set whose lifetime is over, at least."""

Fetch: TypeAlias = Callable[[str], Awaitable[httpx2.Response]]

logger = logging.getLogger("aiconfig_plugin")


class JWKSet:
    """The issuer's keys. ``timer`` gives seconds that never go backwards; ``timeout`` is in
    seconds, for one fetch."""

    def __init__(
        self, endpoint: Endpoint, fetch: Fetch, timer: Callable[[], float], timeout: float
    ) -> None:
        self._endpoint = endpoint
        self._fetch = fetch
        self._timer = timer
        self._timeout = timeout
        self._keys: Sequence[PublicKey] | None = None
        self._loaded_at = -math.inf
        self._retried_at = -math.inf
        self._asked_for_kid_at = -math.inf
        self._is_failing = False
        self._failure = ""
        self._loading: SingleFlight[None, None] = SingleFlight()

    async def keys(self, kid: str | None) -> Sequence[PublicKey]:
        """Return the keys with this ``kid``, or all of them where it is None.

        A ``kid`` that is not in the set makes it be fetched again. Raises
        :class:`~aiconfig_plugin.errors.AuthorizationServerUnavailable` where there is no set, or
        where the server did not say whether there is such a key by now.
        """
        await self._refresh()
        found = self._with(kid)
        if found or kid is None:
            return found
        now = self._timer()
        if now - self._asked_for_kid_at >= RETRY_INTERVAL:
            self._asked_for_kid_at = now
            await self._load()
        elif None in self._loading:
            await self._load()
        elif self._is_failing:
            raise AuthorizationServerUnavailable("The JWK Set of the issuer cannot be fetched.")
        return self._with(kid)

    async def close(self) -> None:
        """Stop fetching, and forget the keys."""
        await self._loading.close()
        self._keys = None

    def _with(self, kid: str | None) -> Sequence[PublicKey]:
        keys = self._keys or ()
        return keys if kid is None else [key for key in keys if key.kid == kid]

    async def _refresh(self) -> None:
        """Fetch a set where there is none, or none that is fresh."""
        now = self._timer()
        age = now - self._loaded_at
        if self._keys is not None and age >= LIFETIME + GRACE:
            self._keys = None
        if self._keys is None:
            await self._load()
        elif age >= LIFETIME and now - self._retried_at >= RETRY_INTERVAL:
            self._retried_at = now
            try:
                await self._load()
            except AuthorizationServerUnavailable:
                pass  # It has been logged, and the copy is used on.

    async def _load(self) -> None:
        await self._loading.run(None, self._fetch_set)

    async def _fetch_set(self) -> None:
        self._is_failing = True
        url = await self._endpoint.url(self._fetch)  # It logs why there is none.
        try:
            self._keys = await asyncio.wait_for(self._fetched(url), self._timeout)
        except (httpx2.HTTPError, asyncio.TimeoutError, WrongJWT) as err:
            self._endpoint.mark_suspect()
            self._log_failure(url, err)
            raise no_response(err, self._timeout) from err
        self._is_failing = False
        self._loaded_at = self._timer()
        if self._failure:
            self._failure = ""
            logger.info("%s has a JWK Set again: %d keys.", url, len(self._keys))

    async def _fetched(self, url: str) -> Sequence[PublicKey]:
        response = await self._fetch(url)
        try:
            document = response.json() if response.status_code == 200 else None
        except (ValueError, RecursionError):
            document = None
        jwks = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(jwks, list):
            raise WrongJWT(f"no JWK Set (HTTP {response.status_code})")
        return list(_usable(jwks))

    def _log_failure(self, url: str, err: Exception) -> None:
        """Log why there is no set, unless that was the reason last time too."""
        if repr(err) != self._failure:
            self._failure = repr(err)
            logger.warning(
                "The JWK Set of issuer %s at %s (%s) cannot be fetched%s: %r",
                self._endpoint.issuer,
                url,
                variable("jwks_uri"),
                "" if self._keys is None else ", so the copy is still used",
                err,
            )


def _usable(jwks: Sequence[Any]) -> Sequence[PublicKey]:
    """Return the keys that can be read; RFC 7517 section 5: others are passed over."""
    found = []
    for jwk in jwks:
        try:
            found.append(public_key(jwk))
        except WrongJWT:
            continue
    return found
