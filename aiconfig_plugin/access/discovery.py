"""Find an endpoint of the authorization server from the issuer identifier.

The metadata of RFC 8414, or else of OpenID Connect Discovery 1.0. Asked for once, kept, and
asked for again when the endpoint that it named stops working.
"""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import httpx2

from aiconfig_plugin.access.single_flight import SingleFlight
from aiconfig_plugin.errors import AuthorizationServerUnavailable
from aiconfig_plugin.settings import Settings, is_exposed, variable

REFRESH_INTERVAL = 5.0
"""Seconds between two refreshes at the least, however often the endpoint fails."""

Fetch: TypeAlias = Callable[[str], Awaitable[httpx2.Response]]
Member: TypeAlias = Literal["introspection_endpoint", "jwks_uri"]
"""A member of the metadata, and the setting that takes its place."""

logger = logging.getLogger("aiconfig_plugin")


class UnusableMetadata(ValueError):
    """Metadata that name no endpoint to trust; the message is for the log."""


class MetadataUnavailable(AuthorizationServerUnavailable):
    """No place had metadata to use; ``tried`` has each with the reason, for the operator."""

    def __init__(self, tried: str) -> None:
        super().__init__("The metadata of the authorization server cannot be used.")
        self.tried = tried


class Endpoint:
    """The URL of an endpoint: as it was configured, or else as it is discovered.

    ``timer`` gives seconds that never go backwards; ``timeout`` is in seconds.
    """

    def __init__(
        self, member: Member, settings: Settings, timer: Callable[[], float], timeout: float
    ) -> None:
        assert settings.issuer
        self._member: Member = member
        self.issuer = settings.issuer
        self._allow_http = settings.allow_http
        self._url: str | None = getattr(settings, member)
        self._is_configured = self._url is not None
        self._timer = timer
        self._timeout = timeout
        self._suspect = False
        self._refreshed_at = -math.inf
        self._failure = ""
        self._search: SingleFlight[None, str] = SingleFlight()

    async def url(self, fetch: Fetch) -> str:
        """Return the URL; ``fetch`` gets a document when it has to be looked for.

        Raises :class:`~aiconfig_plugin.errors.AuthorizationServerUnavailable` while no metadata
        that can be trusted were ever found. A refresh that fails leaves what was found before.
        """
        if None in self._search or self._must_search():
            try:
                self._url = await self._search.run(None, lambda: self._find(fetch))
            except AuthorizationServerUnavailable:
                if self._url is None:
                    raise
        assert self._url is not None
        return self._url

    def mark_suspect(self) -> None:
        """Say that the endpoint failed: it may have moved."""
        self._suspect = True

    async def close(self) -> None:
        """Stop looking."""
        await self._search.close()

    def _must_search(self) -> bool:
        if self._is_configured:
            return False
        if self._url is None:
            return True
        # An odd token can make a server fail, so a token's failure alone must not cost a search.
        now = self._timer()
        if not self._suspect or now - self._refreshed_at < REFRESH_INTERVAL:
            return False
        self._suspect = False
        self._refreshed_at = now
        return True

    async def _find(self, fetch: Fetch) -> str:
        try:
            found = await asyncio.wait_for(self._first(fetch), self._timeout)
        except asyncio.TimeoutError as err:
            unavailable = no_response(err, self._timeout)
            self._log_failure(unavailable.detail)
            raise unavailable from err
        except UnusableMetadata as err:
            self._log_failure(str(err))
            raise MetadataUnavailable(str(err)) from err
        if self._failure:
            self._failure = ""
            logger.info("The metadata of issuer %s name %s.", self.issuer, found)
        return found

    def _log_failure(self, failure: str) -> None:
        """Log why no endpoint was found, unless that was the reason last time too."""
        if failure == self._failure:
            return
        self._failure = failure
        consequence = (
            f"{self._url} is still used" if self._url else f"the {self._named} is not known"
        )
        logger.warning(
            "The metadata of issuer %s (%s) cannot be used, so %s: %s",
            self.issuer,
            variable("issuer"),
            consequence,
            failure,
        )

    @property
    def _named(self) -> str:
        return self._member.replace("_", " ")

    async def _first(self, fetch: Fetch) -> str:
        reasons: list[str] = []
        for url in metadata_urls(self.issuer):
            try:
                metadata = _json(await fetch(url))
                return named_endpoint(
                    metadata, self._member, self.issuer, allow_http=self._allow_http
                )
            except UnusableMetadata as err:
                reasons.append(f"{url}: {err}")
            except httpx2.HTTPError as err:
                told = no_response(err, self._timeout).detail
                reasons.append(f"{url}: {told} ({err!r})")
        raise UnusableMetadata(" ".join(reasons))


def metadata_urls(issuer: str) -> Sequence[str]:
    """Return where the metadata of an issuer may be, in the order to ask.

    RFC 8414 section 3.1 puts the well-known part between host and path, OpenID Connect
    Discovery 1.0 section 4 at the end; some servers put RFC 8414's at the end too.
    """
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    places = (
        f"/.well-known/oauth-authorization-server{path}",
        f"{path}/.well-known/openid-configuration",
        f"{path}/.well-known/oauth-authorization-server",
    )
    return [
        urlunsplit((parts.scheme, parts.netloc, place, "", "")) for place in dict.fromkeys(places)
    ]


def named_endpoint(metadata: Any, member: Member, issuer: str, *, allow_http: bool = False) -> str:
    """Return the endpoint that metadata name.

    Raises :class:`UnusableMetadata` when they are none, are another issuer's (RFC 8414
    section 3.3), or name no endpoint that may be trusted with credentials or keys.
    """
    if not isinstance(metadata, dict):
        raise UnusableMetadata("The response is not a JSON object.")
    if (found := metadata.get("issuer")) != issuer:
        raise UnusableMetadata(f"The issuer is {found!r:.200}, not {issuer!r}.")
    endpoint = metadata.get(member)
    if not isinstance(endpoint, str) or not _is_secure(endpoint, issuer, allow_http):
        raise UnusableMetadata(f"The {member} {endpoint!r:.200} cannot be used.")
    return endpoint


def no_response(err: Exception, timeout: float) -> AuthorizationServerUnavailable:
    """Return the error for a call that ended without a response."""
    if isinstance(err, (asyncio.TimeoutError, httpx2.TimeoutException)):
        detail = f"The authorization server did not respond within {timeout:g} s."
    elif _is_certificate_error(err):
        detail = f"The authorization server's certificate is not trusted ({variable('ca_file')})."
    else:
        detail = "The connection to the authorization server failed."
    return AuthorizationServerUnavailable(detail)


def _is_certificate_error(err: BaseException | None) -> bool:
    while err is not None and not isinstance(err, ssl.SSLCertVerificationError):
        err = err.__cause__ or err.__context__
    return err is not None


def _is_secure(endpoint: str, issuer: str, allow_http: bool) -> bool:
    """Whether credentials may be sent there: an issuer that is reached over TLS asks for it."""
    try:
        url, exposed = httpx2.URL(endpoint), is_exposed(endpoint)
    except (httpx2.InvalidURL, ValueError):
        return False
    may_be_http = allow_http or (issuer.lower().startswith("http:") and not exposed)
    return url.scheme in (("http", "https") if may_be_http else ("https",)) and bool(url.host)


def _json(response: httpx2.Response) -> Any:
    if response.status_code != 200:
        raise UnusableMetadata(f"The response has status {response.status_code}.")
    try:
        return response.json()
    except (ValueError, RecursionError):
        raise UnusableMetadata("The response is not JSON.") from None
