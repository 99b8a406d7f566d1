"""JWT access tokens (RFC 9068) of the demo's authorization server."""

from __future__ import annotations

import secrets
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from aiconfig_plugin.demo.tokens import Token

ALGORITHM = "ES256"


class Signer:
    """Signs access tokens of ``issuer`` for ``audience`` by a key that a restart forgets."""

    def __init__(self, issuer: str, audience: str) -> None:
        self._issuer = issuer
        self._audience = audience
        self._key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM}, auto_kid=True)

    def jwk_set(self) -> dict[str, Any]:
        """Return the public key (RFC 7517 section 5)."""
        return {"keys": [self._key.as_dict(private=False)]}

    def sign(self, token: Token) -> str:
        """Return the token as a JWT (section 2)."""
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "sub": token.authorization.username,
            "aud": self._audience,
            "client_id": token.authorization.client_id,
            "scope": token.scope,
            "iat": int(token.issued_at),
            "exp": int(token.expires_at),
            "jti": secrets.token_urlsafe(),
        }
        if token.jkt is not None:
            claims["cnf"] = {"jkt": token.jkt}
        header = {"typ": "at+jwt", "alg": ALGORITHM, "kid": self._key.kid}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])
