"""From what an authorization server asserts of a token to a principal.

One set of rules for introspection replies (RFC 7662 section 2.2) and for JWT access tokens
(RFC 9068), however servers differ in writing them. A member that is null counts as absent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiconfig_plugin.domain import Principal
from aiconfig_plugin.errors import InvalidToken
from aiconfig_plugin.settings import Settings

# Kinds of token that are not for calling an API, in the words of those who introspect them as
# active: Keycloak's "typ", Hydra's and Cognito's "token_use".
_NOT_ACCESS = frozenset({"refresh", "refresh_token", "offline", "id", "id_token"})
_BEARER = ("bearer", "access_token")


@dataclass(frozen=True)
class ActiveToken:
    """What is remembered of an active token; times are in seconds since the epoch."""

    principal: Principal
    not_before: float | None
    issued_at: float | None = None
    sub: str | None = None
    """The subject in the words of a log-out, where the principal's is another claim."""
    bound_to: str | None = None
    """The thumbprint of the key whose possession a request must prove (RFC 9449 section 6)."""

    def check_time(self, now: float, leeway: float = 0.0) -> None:
        """Raise ``InvalidToken`` unless the token is good at ``now``, seconds since the epoch."""
        expires_at = self.principal.expires_at
        if expires_at is not None and expires_at + leeway <= now:
            raise InvalidToken("The access token has expired.", reason="time")
        if self.not_before is not None and self.not_before - leeway > now:
            raise InvalidToken("The access token is not valid yet.", reason="time")

    def is_of(self, subject: str) -> bool:
        return subject in (self.principal.subject, self.sub)


def active_token(claims: Mapping[str, Any], scope: Any, settings: Settings) -> ActiveToken:
    """Read claims by every rule but those of time and possession; ``scope`` is their scope.

    Raises ``InvalidToken`` for a token that is not an access token for this gateway.
    """
    _check_kind(claims)
    bound_to = _confirmation(claims, settings)
    issuer = claims.get("iss")
    if issuer is not None and issuer != settings.issuer:
        raise InvalidToken("The access token was issued by another issuer.", reason="issuer")
    if settings.audience is not None and settings.audience not in audiences(claims):
        raise InvalidToken("The access token is meant for another audience.", reason="audience")
    client_id, sub = claims.get("client_id"), claims.get("sub")
    subject = claims.get(settings.subject_claim)
    if client_id is not None and client_id in (subject, sub):
        subject = None  # A service's own token (RFC 9068 section 2.2): it stands for no user.
    principal = Principal(
        issuer=settings.issuer or "",
        subject=subject if isinstance(subject, str) and subject else None,
        scopes=_scopes(scope),
        client_id=client_id if isinstance(client_id, str) else None,
        expires_at=seconds(claims, "exp"),
    )
    return ActiveToken(
        principal,
        not_before=seconds(claims, "nbf"),
        issued_at=finite(claims.get("iat")),
        sub=sub if isinstance(sub, str) else None,
        bound_to=bound_to,
    )


def audiences(claims: Mapping[str, Any]) -> list[Any]:
    """Return ``aud`` as a list (RFC 7519 section 4.1.3)."""
    audience = claims.get("aud")
    return audience if isinstance(audience, list) else [audience]


def seconds(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a time of the claims, or raise ``InvalidToken`` for what is no number."""
    value = claims.get(name)
    if value is not None and (number := finite(value)) is None:
        raise InvalidToken(f"The access token has no usable {name}.", reason="time")
    return None if value is None else number


def finite(value: Any) -> float | None:
    """Return a JSON number (RFC 7519 section 2, NumericDate), None for anything else."""
    try:
        if not isinstance(value, bool) and isinstance(value, (int, float)):
            number = float(value)
            return number if math.isfinite(number) else None
    except OverflowError:
        pass  # an integer that no float can hold
    return None


def _check_kind(claims: Mapping[str, Any]) -> None:
    for name in ("typ", "token_use"):
        if str(claims.get(name)).lower() in _NOT_ACCESS:
            raise InvalidToken("The token is not an access token.", reason="type")


def _confirmation(claims: Mapping[str, Any], settings: Settings) -> str | None:
    """Return the key that the token is bound to (RFC 7800), if that can be checked here."""
    cnf, token_type = claims.get("cnf"), claims.get("token_type")
    jkt = cnf.get("jkt") if isinstance(cnf, dict) and settings.dpop != "off" else None
    if cnf is not None and (not isinstance(jkt, str) or not jkt or len(cnf) > 1):
        raise InvalidToken("The access token is bound to a key.", reason="type")
    taken = _BEARER if jkt is None else (*_BEARER, "dpop")
    if token_type is not None and str(token_type).lower() not in taken:
        raise InvalidToken("The token is not a bearer access token.", reason="type")
    return jkt


def _scopes(scope: Any) -> frozenset[str]:
    """Read ``scope``: a space-separated string (RFC 6749 section 3.3); some servers send a list."""
    if isinstance(scope, str):
        return frozenset(scope.split())
    if isinstance(scope, list):
        return frozenset(item for item in scope if isinstance(item, str))
    return frozenset()
