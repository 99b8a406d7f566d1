"""Read introspection replies (RFC 7662 section 2.2), however servers differ in writing them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from aiconfig_plugin.domain import Principal
from aiconfig_plugin.errors import (
    AuthorizationServerUnavailable,
    ClientCredentialsRefused,
    InvalidToken,
)
from aiconfig_plugin.settings import Settings, variable

# Kinds of token that are not for calling an API, in the words of those who introspect them as
# active: Keycloak's "typ", Hydra's and Cognito's "token_use".
_NOT_ACCESS = frozenset({"refresh", "refresh_token", "offline", "id", "id_token"})


@dataclass(frozen=True)
class ActiveToken:
    """What is remembered of an active token. ``not_before`` is in seconds since the epoch."""

    principal: Principal
    not_before: float | None

    def check_time(self, now: float, leeway: float = 0.0) -> None:
        """Raise ``InvalidToken`` unless the token is good at ``now``, seconds since the epoch."""
        expires_at = self.principal.expires_at
        if expires_at is not None and expires_at + leeway <= now:
            raise InvalidToken("The access token has expired.")
        if self.not_before is not None and self.not_before - leeway > now:
            raise InvalidToken("The access token is not valid yet.")


def active_token(reply: Any, settings: Settings) -> ActiveToken:
    """Read an introspection reply (RFC 7662 section 2.2) by every rule but that of time.

    A member that is null counts as absent. Raises ``AuthorizationServerUnavailable`` for what is
    no reply, and ``InvalidToken`` for a token that is not active or not meant for this gateway.
    """
    if not isinstance(reply, dict):
        raise AuthorizationServerUnavailable("The introspection reply is not a JSON object.")
    if reply.get("active") is not True:
        raise InvalidToken("The access token is not active.")
    _check_kind(reply, settings)
    issuer = reply.get("iss")
    if issuer is not None and issuer != settings.issuer:
        raise InvalidToken("The access token was issued by another issuer.")
    audience = reply.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if settings.audience is not None and settings.audience not in audiences:
        raise InvalidToken("The access token is meant for another audience.")
    client_id = reply.get("client_id")
    subject = reply.get(settings.subject_claim)
    if client_id is not None and client_id in (subject, reply.get("sub")):
        subject = None  # A service's own token (RFC 9068 section 2.2): it stands for no user.
    principal = Principal(
        issuer=settings.issuer or "",
        subject=subject if isinstance(subject, str) and subject else None,
        scopes=_scopes(reply.get("scope")),
        client_id=client_id if isinstance(client_id, str) else None,
        expires_at=_seconds(reply, "exp"),
    )
    return ActiveToken(principal, not_before=_seconds(reply, "nbf"))


def _check_kind(reply: Mapping[str, Any], settings: Settings) -> None:
    token_type = reply.get("token_type")
    if token_type is None and settings.require_token_type:
        raise InvalidToken("The token may not be an access token: it has no token_type.")
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
        if not isinstance(value, bool) and isinstance(value, (int, float)):
            seconds = float(value)
            if math.isfinite(seconds):
                return seconds
    except OverflowError:
        pass  # an integer that no float can hold
    raise InvalidToken(f"The access token has no usable {name}.")


def read_reply(response: httpx2.Response) -> Any:
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
            "The authorization server limits how often it may be asked.",
            retry_after=_retry_after(response),
        )
    if status != 200:
        raise AuthorizationServerUnavailable(
            f"The authorization server responded with HTTP {status}."
        )
    return body


def _retry_after(response: httpx2.Response) -> int:
    """Return the seconds of ``Retry-After`` (RFC 9110 section 10.2.3), 5 where it is no number."""
    value = response.headers.get("Retry-After", "").strip()
    return min(int(value), 3600) if value.isascii() and value.isdecimal() and len(value) < 9 else 5
