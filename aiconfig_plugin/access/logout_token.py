"""Logout tokens of the authorization server (OpenID Connect Back-Channel Logout 1.0)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from aiconfig_plugin.access.claims import audiences, finite
from aiconfig_plugin.access.dpop import ProofMemory
from aiconfig_plugin.access.jwk_set import JWKSet
from aiconfig_plugin.access.jws import WrongJWT, read_jwt
from aiconfig_plugin.errors import (
    AuthorizationServerUnavailable,
    ConfigurationError,
    InvalidLogoutToken,
)
from aiconfig_plugin.settings import Settings, variable

WINDOW = 300.0
"""Seconds by which the ``iat`` of a logout token may differ from the time here."""
EVENT = "http://schemas.openid.net/event/backchannel-logout"
# Section 2.4 recommends the first; some servers send the second or none.
_TYPES = ("logout+jwt", "application/logout+jwt", "jwt", None)


class LogoutTokens:
    """Checks logout tokens. ``clock`` gives seconds since the epoch.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError` where no client is set.
    """

    def __init__(self, settings: Settings, keys: JWKSet, clock: Callable[[], float]) -> None:
        clients = {*settings.clients, *filter(None, [settings.client_id])}
        if not clients:
            raise ConfigurationError(
                f"{variable('client_id')} or {variable('clients')} is not set; "
                f"{variable('backchannel_logout')} needs one."
            )
        self._issuer = settings.issuer
        self._leeway = settings.clock_leeway
        self._clients = clients
        self._keys = keys
        self._clock = clock
        self._taken = ProofMemory(WINDOW)

    async def subject(self, token: str) -> str:
        """Return whom a logout token logs out.

        Raises :class:`~aiconfig_plugin.errors.InvalidLogoutToken`, also where the issuer's keys
        cannot be had: section 2.8 knows no other answer to a log-out that failed.
        """
        try:
            jwt = read_jwt(token)
            typ = jwt.header.get("typ")
            if (typ.lower() if isinstance(typ, str) else typ) not in _TYPES:
                raise WrongJWT("its typ is not logout+jwt")
            claims = jwt.verify(await self._keys.keys(jwt.header.get("kid")))
            now = self._clock()
            subject, jti = check_claims(
                claims, issuer=self._issuer, clients=self._clients, now=now, leeway=self._leeway
            )
            if not self._taken.add(jti, now):
                raise WrongJWT("it was used before")
            return subject
        except WrongJWT as err:
            raise InvalidLogoutToken(f"The logout token is refused: {err}.") from None
        except AuthorizationServerUnavailable as err:
            raise InvalidLogoutToken(err.detail) from err


def check_claims(
    claims: Mapping[str, Any],
    *,
    issuer: str | None,
    clients: Collection[str],
    now: float,
    leeway: float = 0.0,
) -> tuple[str, str]:
    """Return the subject and the ``jti``, by the rules of section 2.6 but that it is new.

    Times are in seconds since the epoch. Raises ``WrongJWT``.
    """
    if claims.get("iss") != issuer:
        raise WrongJWT("it is of another issuer")
    if not any(isinstance(each, str) and each in clients for each in audiences(claims)):
        raise WrongJWT("its aud is no client of this gateway")
    iat, exp = finite(claims.get("iat")), claims.get("exp")
    if iat is None or abs(now - iat) > WINDOW:
        raise WrongJWT("its iat is not the present time")
    if exp is not None and not (finite(exp) or 0) + leeway > now:
        raise WrongJWT("it has expired")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise WrongJWT("it is about no back-channel log-out")
    if "nonce" in claims:
        raise WrongJWT("it has a nonce")
    subject, jti = claims.get("sub"), claims.get("jti")
    if not isinstance(subject, str) or not subject:
        raise WrongJWT("it has no sub")
    if not isinstance(jti, str) or not jti:
        raise WrongJWT("it has no jti")
    return subject, jti
