"""Check JWT access tokens (RFC 9068) here, with the issuer's keys."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from aiconfig_plugin.access.claims import ActiveToken, active_token
from aiconfig_plugin.access.jwk_set import JWKSet
from aiconfig_plugin.access.jws import PublicKey, SignedJWT, WrongJWT, read_jwt
from aiconfig_plugin.errors import AuthorizationServerUnavailable, ConfigurationError, InvalidToken
from aiconfig_plugin.settings import Settings, variable

# RFC 9068 section 4; media types are compared in any case (RFC 2045 section 5.1).
_ACCESS_TOKEN = frozenset({"at+jwt", "application/at+jwt"})


class JWTAccessTokens:
    """Verifies access tokens without a call for each.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError` where no audience is set: a JWT for
    another API of the same issuer would be as good as one for this gateway.
    """

    def __init__(self, settings: Settings, keys: JWKSet) -> None:
        if not settings.audience:
            raise ConfigurationError(
                f"{variable('audience')} is not set; {variable('tokens')}=jwt needs it."
            )
        self._settings = settings
        self._keys = keys

    async def start(self) -> None:
        """Fetch the issuer's keys."""
        with contextlib.suppress(AuthorizationServerUnavailable):  # It has been logged.
            await self._keys.keys(None)

    async def close(self) -> None:
        """Nothing: the keys are the owner's to close."""

    async def probe(self) -> str:
        keys = await self._keys.keys(None)
        if not keys:
            raise ConfigurationError("the JWK Set has no key for an algorithm that counts.")
        return f"its JWK Set has {len(keys)} keys"

    async def check(self, token: str, *, known: bool) -> ActiveToken:
        """Verify a token by every rule but those of time and possession.

        Raises ``InvalidToken``, and ``AuthorizationServerUnavailable`` where its key cannot be
        had.
        """
        jwt = read_access_token(token, any_type=self._settings.jwt_typ == "any")
        kid = jwt.header.get("kid")
        return active_jwt(jwt, await self._keys.keys(kid), self._settings)


def read_access_token(token: str, *, any_type: bool) -> SignedJWT:
    """Read what may be a JWT access token by its header, or raise ``InvalidToken``."""
    try:
        jwt = read_jwt(token)
    except WrongJWT as err:
        raise InvalidToken(f"The access token is refused: {err}.", reason="malformed") from None
    typ = jwt.header.get("typ")
    named = typ.lower() if isinstance(typ, str) else typ
    if named not in _ACCESS_TOKEN and not (any_type and named in ("jwt", None)):
        raise InvalidToken("The token's typ is not that of an access token.", reason="type")
    return jwt


def active_jwt(jwt: SignedJWT, keys: Sequence[PublicKey], settings: Settings) -> ActiveToken:
    """Verify the signature, and read the claims (RFC 9068 section 2.2), or raise
    ``InvalidToken``."""
    try:
        claims = jwt.verify(keys)
    except WrongJWT as err:
        raise InvalidToken(f"The access token is refused: {err}.", reason="signature") from None
    if claims.get("iss") is None:
        raise InvalidToken("The access token names no issuer.", reason="issuer")
    if claims.get("events") is not None:
        raise InvalidToken("The token is not an access token.", reason="type")  # RFC 8417
    if claims.get("exp") is None:
        raise InvalidToken("The access token has no exp.", reason="time")
    return active_token(claims, _scope(claims), settings)


def _scope(claims: Mapping[str, Any]) -> Any:
    """Return ``scope``, or ``scp``, which Entra ID and Okta have in its place."""
    scope = claims.get("scope")
    return claims.get("scp") if scope is None else scope
