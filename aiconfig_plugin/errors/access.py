"""Who may make a request: access tokens, scopes and the authorization server."""

from __future__ import annotations

from typing import Literal, TypeAlias

from aiconfig_plugin.errors.base import AIConfigError, InternalError, Unavailable
from aiconfig_plugin.errors.request import InvalidParameter

Rejection: TypeAlias = Literal[
    "malformed", "inactive", "signature", "type", "issuer", "audience", "time", "proof",
    "logged-out", "other",
]  # fmt: skip
"""Why a token was rejected, in a word for the metrics."""


class MissingToken(AIConfigError):
    """The request carries no bearer token (RFC 6750 section 3.1: a challenge without ``error``)."""

    code = "missing-token"
    title = "Access token required"
    status = 401


class InvalidToken(AIConfigError):
    """The access token is unknown, expired, revoked or not meant for this gateway."""

    code = "invalid-token"
    title = "Invalid access token"
    status = 401

    def __init__(self, detail: str | None = None, *, reason: Rejection = "other") -> None:
        super().__init__(detail)
        self.reason = reason


class InvalidDPoPProof(InvalidToken):
    """The token is bound to a key, or must be, and the request does not prove possession of it.

    RFC 9449 section 7.1: the challenge is one of the scheme ``DPoP``.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail, reason="proof")


class IntrospectionRefused(InvalidToken):
    """The authorization server refused the introspection request with status 400.

    The caller is told of an inactive token. ``told`` is what the server says of the request, for
    the log and the operator.
    """

    def __init__(self, told: str) -> None:
        super().__init__("The access token is not active.", reason="inactive")
        self.told = told


class InvalidLogoutToken(InvalidParameter):
    """A back-channel log-out request was refused; nobody was logged out."""

    title = "Invalid logout token"


class InsufficientScope(AIConfigError):
    """The token is valid but lacks ``scope`` (RFC 6750 section 3.1)."""

    code = "insufficient-scope"
    title = "Insufficient scope"
    status = 403

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"The scope {scope} is required." if scope else "The request is not permitted."
        )
        self.scope = scope


class UserRequired(AIConfigError):
    """The token is active but does not represent a user."""

    code = "user-required"
    title = "The access token does not represent a user"
    status = 403


class ClientNotAllowed(AIConfigError):
    """The token is active, but it was issued to a client that the operator does not accept."""

    code = "client-not-allowed"
    title = "The client of the access token is not allowed"
    status = 403


class CrossSiteRequest(AIConfigError):
    """A browser sent a credential by itself, and nothing shows that a page of this site asked."""

    code = "cross-site-request"
    title = "Cross-site request"
    status = 403


class ClientCredentialsRefused(InternalError):
    """The authorization server refused this gateway's own client credentials."""


class AuthorizationServerUnavailable(Unavailable):
    """The authorization server did not answer, or not in a usable way."""

    code = "authorization-server-unavailable"
    title = "Authorization server unavailable"
