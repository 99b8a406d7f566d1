"""The authorization server's memory: clients, and the codes and tokens that it handed out."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from authlib.oauth2 import rfc6749

SCOPES = ("ai-config:read", "ai-config:write")
CODE_LIFETIME = 60
"""Seconds; RFC 6749 section 4.1.2 asks for a short life."""
REFRESH_TOKEN_LIFETIME = 14 * 24 * 3600
"""Seconds."""


@dataclass(frozen=True)
class Client(rfc6749.ClientMixin):  # type: ignore[misc]
    """A registered client. One without a secret is public and may ask for codes and tokens;
    one with a secret is a resource server and may introspect."""

    client_id: str
    secret: str | None = field(default=None, repr=False)
    redirect_uris: Sequence[str] = ()

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """None: every authorization request must name its redirect URI."""

    def get_allowed_scope(self, scope: str | None) -> str:
        asked = scope.split() if scope else SCOPES
        return " ".join(known for known in SCOPES if known in asked)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return self.secret is not None and same(client_secret, self.secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        if self.secret is None:
            return method == "none" and endpoint in ("token", "revocation")
        return method != "none" and endpoint == "introspection"

    def check_response_type(self, response_type: str) -> bool:
        return self.secret is None and response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return self.secret is None and grant_type in ("authorization_code", "refresh_token")


@dataclass
class Authorization:
    """What one log-in allowed. The code and all tokens that come from it end together."""

    client_id: str
    username: str
    revoked: bool = False


@dataclass
class Code:
    """An authorization code. ``spent`` after its first use, whether that succeeded or not."""

    authorization: Authorization
    redirect_uri: str
    scope: str
    code_challenge: str
    code_challenge_method: str
    expires_at: float
    spent: bool = False

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


@dataclass
class Token:
    """An access token, or a refresh token; ``spent`` once revoked or rotated."""

    authorization: Authorization
    scope: str
    issued_at: float
    expires_at: float
    is_refresh: bool = False
    jkt: str | None = None
    """The key that it is bound to (RFC 9449)."""
    spent: bool = False

    def get_scope(self) -> str:
        return self.scope

    def check_client(self, client: Client) -> bool:
        return self.authorization.client_id == client.client_id


class Store:
    """Codes and tokens by the SHA-256 of their value; the values themselves are not kept."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._records: dict[bytes, Code | Token] = {}
        self._purge_at = 1000

    def add(self, value: str, record: Code | Token) -> None:
        if len(self._records) >= self._purge_at:
            now = self.clock()
            self._records = {k: r for k, r in self._records.items() if r.expires_at > now}
            self._purge_at = max(1000, 2 * len(self._records))
        self._records[_digest(value)] = record

    def code(self, value: str) -> Code | None:
        """Return the code unless it is unknown or expired; it may be spent."""
        record = self._find(value)
        return record if isinstance(record, Code) else None

    def token(self, value: str) -> Token | None:
        """Return the token unless it is unknown, expired or revoked; it may be spent."""
        record = self._find(value)
        return record if isinstance(record, Token) else None

    def revoke(self, token: Token) -> None:
        """End an access token alone, but with a refresh token all of its authorization."""
        token.spent = True
        if token.is_refresh:
            token.authorization.revoked = True

    def _find(self, value: str) -> Code | Token | None:
        record = self._records.get(_digest(value))
        if record is None or record.authorization.revoked or record.expires_at <= self.clock():
            return None
        return record


def same(one: str, other: str) -> bool:
    """Compare in a time that does not tell where the two differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()
