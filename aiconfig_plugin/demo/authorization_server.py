"""The demo's OAuth2 authorization server, kept in memory; its routes are in ``oauth_handlers``.

It is for one machine: the passwords stand on the log-in page, and a restart forgets all tokens.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from aiconfig_plugin.access import ALGORITHMS, check_proof
from aiconfig_plugin.demo.grants import ServerCore
from aiconfig_plugin.demo.signing import Signer
from aiconfig_plugin.demo.tokens import SCOPES, Authorization, Client, Store, Token, same
from aiconfig_plugin.errors import InvalidDPoPProof

SPA_CLIENT_ID = "demo-spa"
"""The public client: it has no secret and must use PKCE with S256."""


class AuthorizationServer:
    """An authorization server with one public client and one resource server.

    ``issuer`` is an origin, plain http on the loopback interface alone; ``gateway_client`` is the
    id and secret that may introspect; ``users`` maps names to passwords; ``redirect_uris`` are
    compared as they are; ``origins`` may call the token endpoints from a page (CORS);
    ``token_lifetime`` is in seconds; with ``jwt`` access tokens are JWTs (RFC 9068), and otherwise
    opaque. A client that proves possession of a key gets tokens bound to it (RFC 9449).
    Raises ValueError for an argument out of range.
    """

    def __init__(
        self,
        issuer: str,
        *,
        gateway_client: tuple[str, str],
        users: Mapping[str, str],
        redirect_uris: Sequence[str],
        origins: Sequence[str] = (),
        token_lifetime: int = 3600,
        jwt: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not _is_safe_origin(issuer):
            raise ValueError("issuer must be an https origin, or an http one on loopback")
        if not all(gateway_client) or gateway_client[0] == SPA_CLIENT_ID:
            raise ValueError("gateway_client must be an id of its own and a secret")
        if token_lifetime < 1:
            raise ValueError("token_lifetime must be at least one second")
        self.issuer = issuer
        self.users = dict(users)
        self.origins = frozenset(origins)
        self._spa = Client(SPA_CLIENT_ID, redirect_uris=tuple(redirect_uris))
        self._gateway = Client(*gateway_client)
        self._store = Store(clock)
        self._signer = Signer(issuer, gateway_client[0])
        self.core = ServerCore(
            (self._spa, self._gateway),
            self._store,
            token_lifetime,
            self._introspect,
            self._signer.sign if jwt else None,
        )

    def issue(self, username: str, scope: str) -> dict[str, Any]:
        """Mint an access token for a user without a log-in; the reply of the token endpoint.

        Raises ValueError for an unknown user or scope.
        """
        if username not in self.users or not set(scope.split()) <= set(SCOPES):
            raise ValueError("there is no such user or scope")
        token = self.core.generate_token(
            "authorization_code", self._spa, scope=scope, include_refresh_token=False
        )
        self.core.keep(token, Authorization(SPA_CLIENT_ID, username))
        return dict(token)

    def revoke(self, token: str) -> None:
        """End an access token, or with a refresh token all that came from the same log-in."""
        record = self._store.token(token)
        if record is not None:
            self._store.revoke(record)

    def login(self, username: str, password: str) -> bool:
        """Tell whether this is a user's password."""
        return same(self.users.get(username, ""), password) and username in self.users

    def proved_key(self, proofs: Sequence[str]) -> str:
        """Return the thumbprint of the key that a token request proves possession of.

        Raises ``InvalidDPoPProof``.
        """
        if len(proofs) > 1:
            raise InvalidDPoPProof("Send one DPoP header.")
        url, now = f"{self.issuer}/token", self._store.clock()
        return check_proof(proofs[0], method="POST", url=url, now=now).jkt

    def jwk_set(self) -> dict[str, Any]:
        """Return the public keys of JWT access tokens."""
        return self._signer.jwk_set()

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of RFC 8414 section 2."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "introspection_endpoint": f"{self.issuer}/introspect",
            "revocation_endpoint": f"{self.issuer}/revoke",
            "jwks_uri": f"{self.issuer}/jwks",
            "dpop_signing_alg_values_supported": list(ALGORITHMS),
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "introspection_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
            ],
            "authorization_response_iss_parameter_supported": True,
        }

    def _introspect(self, token: Token) -> dict[str, Any]:
        bound = {"cnf": {"jkt": token.jkt}} if token.jkt else {}
        return {
            "active": True,
            **bound,
            "scope": token.scope,
            "client_id": token.authorization.client_id,
            "username": token.authorization.username,
            "token_type": "DPoP" if token.jkt else "Bearer",
            "exp": int(token.expires_at),
            "iat": int(token.issued_at),
            "sub": token.authorization.username,
            "aud": self._gateway.client_id,
            "iss": self.issuer,
        }


def _is_safe_origin(issuer: str) -> bool:
    parts = urlsplit(issuer)
    if not parts.hostname or issuer != f"{parts.scheme}://{parts.netloc}":
        return False
    if parts.scheme == "https" or parts.hostname == "localhost":
        return parts.scheme in ("http", "https")
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False
