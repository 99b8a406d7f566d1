"""Read introspection replies (RFC 7662 section 2.2)."""

from __future__ import annotations

import re
from typing import Any

import httpx2

from aiconfig_plugin.access.claims import ActiveToken, active_token
from aiconfig_plugin.errors import (
    AuthorizationServerUnavailable,
    ClientCredentialsRefused,
    IntrospectionRefused,
    InvalidToken,
)
from aiconfig_plugin.settings import Settings, variable

MAX_TOLD = 200
"""Characters of a server's ``error_description`` that go to the log."""


def read_reply(response: httpx2.Response, settings: Settings, token: str = "") -> ActiveToken:
    """Read an answer about ``token`` by every rule but those of time and possession.

    Raises ``AuthorizationServerUnavailable`` for what is no answer, ``ClientCredentialsRefused``
    for a refusal of this gateway, ``IntrospectionRefused`` for one of the request, and
    ``InvalidToken`` for a token that is not active or not meant for this gateway.
    """
    reply = _body(response, token)
    if not isinstance(reply, dict):
        raise AuthorizationServerUnavailable("The introspection reply is not a JSON object.")
    if reply.get("active") is not True:
        raise InvalidToken("The access token is not active.", reason="inactive")
    if reply.get("token_type") is None and settings.require_token_type:
        raise InvalidToken(
            "The token may not be an access token: it has no token_type.", reason="type"
        )
    return active_token(reply, reply.get("scope"), settings)


def _body(response: httpx2.Response, token: str) -> Any:
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
        raise IntrospectionRefused(_told(body, token))
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


def _told(body: Any, token: str) -> str:
    """Return ``error`` and ``error_description`` (RFC 6749 section 5.2), without the token."""
    members = body if isinstance(body, dict) else {}
    parts = [str(members[name]) for name in ("error", "error_description") if members.get(name)]
    text = ": ".join(parts) or "no error was named"
    if token:
        text = text.replace(token, "[token]")
    # Part of a JWT that a server quotes is as good as all of it to nobody, but it may name a user.
    text = re.sub(r"[A-Za-z0-9_-]{40,}", "[…]", text)
    return re.sub(r"[^\x20-\x7e…]+", " ", text)[:MAX_TOLD]


def _retry_after(response: httpx2.Response) -> int:
    """Return the seconds of ``Retry-After`` (RFC 9110 section 10.2.3), 5 where it is no number."""
    value = response.headers.get("Retry-After", "").strip()
    return min(int(value), 3600) if value.isascii() and value.isdecimal() and len(value) < 9 else 5
