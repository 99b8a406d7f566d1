"""Where the authorization server introspects, found from its issuer identifier.

The metadata of RFC 8414, or else of OpenID Connect Discovery 1.0. Asked for once, kept, and
asked for again when the endpoint that it named stops working.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2

from aiconfig_plugin.errors import AuthorizationServerUnavailable

DISCOVERY_TIMEOUT = 3.0
"""Seconds that finding the endpoint may take, both documents together."""
REFRESH_INTERVAL = 5.0
"""Seconds between two refreshes at the least, however often the endpoint fails."""


class IntrospectionEndpoint:
    """The URL of the introspection endpoint: as it was configured, or else as it is discovered.

    ``timer`` gives seconds that never go backwards.
    """

    def __init__(self, issuer: str, configured: str | None, timer: Callable[[], float]) -> None:
        self._issuer = issuer
        self._url = configured
        self._is_configured = configured is not None
        self._timer = timer
        self._doubted = False
        self._refreshed_at = -math.inf
        self._search: asyncio.Task[str] | None = None

    async def url(self, fetch: Callable[[str], Awaitable[httpx2.Response]]) -> str:
        """Return the URL; ``fetch`` gets a document when it has to be looked for.

        Raises :class:`~aiconfig_plugin.errors.AuthorizationServerUnavailable` while no metadata
        that can be trusted were ever found. A refresh that fails leaves what was found before.
        """
        if self._search is None and self._must_search():
            self._search = asyncio.create_task(self._find(fetch))
            self._search.add_done_callback(_take_quietly)
        if self._search is not None:
            # Shielded: a request that is given up does not take the others' answer away.
            try:
                self._url = await asyncio.shield(self._search)
            except AuthorizationServerUnavailable as err:
                if self._url is None:
                    raise AuthorizationServerUnavailable(err.detail) from err.__cause__
        assert self._url is not None
        return self._url

    def doubt(self) -> None:
        """Say that the endpoint failed: it may have moved."""
        self._doubted = True

    def close(self) -> None:
        """Stop looking."""
        if self._search is not None:
            self._search.cancel()

    def _must_search(self) -> bool:
        if self._is_configured:
            return False
        if self._url is None:
            return True
        # An odd token can make a server fail, so a token's failure alone must not cost a search.
        now = self._timer()
        if not self._doubted or now - self._refreshed_at < REFRESH_INTERVAL:
            return False
        self._doubted = False
        self._refreshed_at = now
        return True

    async def _find(self, fetch: Callable[[str], Awaitable[httpx2.Response]]) -> str:
        try:
            return await asyncio.wait_for(self._first(fetch), DISCOVERY_TIMEOUT)
        except (httpx2.HTTPError, asyncio.TimeoutError) as err:
            raise AuthorizationServerUnavailable("Its metadata cannot be read.") from err
        finally:
            self._search = None

    async def _first(self, fetch: Callable[[str], Awaitable[httpx2.Response]]) -> str:
        reasons: list[str] = []
        for url in metadata_urls(self._issuer):
            response = await fetch(url)
            try:
                return named_endpoint(_json(response), self._issuer)
            except AuthorizationServerUnavailable as err:
                reasons.append(err.detail)
        raise AuthorizationServerUnavailable(" ".join(dict.fromkeys(reasons)))


def metadata_urls(issuer: str) -> Sequence[str]:
    """Return where the metadata of an issuer may be, in the order to ask.

    RFC 8414 section 3.1 puts the well-known part between host and path, OpenID Connect
    Discovery 1.0 section 4 at the end.
    """
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    return [
        urlunsplit((parts.scheme, parts.netloc, well_known, "", ""))
        for well_known in (
            f"/.well-known/oauth-authorization-server{path}",
            f"{path}/.well-known/openid-configuration",
        )
    ]


def named_endpoint(metadata: Any, issuer: str) -> str:
    """Return the introspection endpoint that metadata name.

    Raises :class:`~aiconfig_plugin.errors.AuthorizationServerUnavailable` when they are none, are
    another issuer's (RFC 8414 section 3.3), or name no endpoint that credentials may be sent to.
    """
    if not isinstance(metadata, dict):
        raise AuthorizationServerUnavailable("Its metadata cannot be read.")
    if metadata.get("issuer") != issuer:
        raise AuthorizationServerUnavailable("Its metadata are those of another issuer.")
    endpoint = metadata.get("introspection_endpoint")
    if not isinstance(endpoint, str) or not _fits(endpoint, issuer):
        raise AuthorizationServerUnavailable("Its metadata name no usable introspection endpoint.")
    return endpoint


def _take_quietly(search: asyncio.Task[str]) -> None:
    """Take an error that nobody waits for any more, or asyncio would report it as lost."""
    if not search.cancelled():
        search.exception()


def _fits(endpoint: str, issuer: str) -> bool:
    """An issuer that is reached over TLS does not send credentials elsewhere without it."""
    try:
        url = httpx2.URL(endpoint)
    except httpx2.InvalidURL:
        return False
    schemes = ("https",) if issuer.lower().startswith("https:") else ("http", "https")
    return url.scheme in schemes and bool(url.host)


def _json(response: httpx2.Response) -> Any:
    try:
        return response.json() if response.status_code == 200 else None
    except (ValueError, RecursionError):
        return None
