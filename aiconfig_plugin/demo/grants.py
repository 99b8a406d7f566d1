"""OAuth2 without HTTP: the grants and endpoints, on Authlib's server core."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from authlib.oauth2 import rfc6749, rfc6750, rfc7009, rfc7636, rfc7662
from authlib.oauth2.rfc6749 import grants

from aiconfig_plugin.demo.tokens import (
    CODE_LIFETIME,
    REFRESH_TOKEN_LIFETIME,
    SCOPES,
    Authorization,
    Client,
    Code,
    Store,
    Token,
    same,
)


class Request(rfc6749.OAuth2Request):  # type: ignore[misc]
    """An OAuth2 request. ``parameters`` come from the query or from the form, never from both."""

    def __init__(
        self, method: str, headers: Mapping[str, str], parameters: Mapping[str, Sequence[str]]
    ) -> None:
        # Authlib refuses plain http unless an environment variable, which would count for the
        # whole process, says otherwise. Here the constructor of the server sees to it.
        super().__init__(method, "https://localhost/", headers=headers)
        self._form = {name: values[0] for name, values in parameters.items()}
        self.payload = rfc6749.requests.BasicOAuth2Payload(self._form)
        self.payload._datalist = dict(parameters)
        self.jkt: str | None = None
        """The key whose possession the client has proved (RFC 9449 section 5)."""

    @property
    def args(self) -> dict[str, str]:
        return self._form

    @property
    def form(self) -> dict[str, str]:
        return self._form


@dataclass(frozen=True)
class Response:
    status: int
    body: dict[str, Any] | str
    headers: Sequence[tuple[str, str]]


class TokenReply(dict[str, Any]):
    """The reply of the token endpoint. Authlib logs its ``repr``, which therefore tells nothing."""

    def __repr__(self) -> str:
        return "TokenReply(...)"


class ServerCore(rfc6749.AuthorizationServer):  # type: ignore[misc]
    """Authlib's core with this module's clients, grants, endpoints and store."""

    def __init__(
        self,
        clients: Sequence[Client],
        store: Store,
        token_lifetime: int,
        introspect: Callable[[Token], dict[str, Any]],
        sign: Callable[[Token], str] | None,
    ) -> None:
        super().__init__(scopes_supported=SCOPES)
        self.store = store
        self.introspect = introspect
        self._sign = sign
        self._clients = {client.client_id: client for client in clients}
        self.register_client_auth_method("client_secret_basic", _authenticate_basic)
        self.register_client_auth_method("client_secret_post", _authenticate_post)
        self.register_token_generator(
            "default",
            rfc6750.BearerTokenGenerator(_random, _random, expires_generator=token_lifetime),
        )
        self.register_grant(CodeGrant, [S256Challenge(required=True)])
        self.register_grant(RefreshGrant)
        self.register_endpoint(Introspection)
        self.register_endpoint(Revocation)

    def query_client(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: Request) -> None:
        origin: Code | Token = request.authorization_code or request.refresh_token
        self.keep(token, origin.authorization, request.jkt)

    def keep(
        self, token: dict[str, Any], authorization: Authorization, jkt: str | None = None
    ) -> None:
        """Remember a reply of the token endpoint, once it is of the kind that was asked for."""
        now, scope = self.store.clock(), token["scope"]
        access = Token(authorization, scope, now, now + token["expires_in"], jkt=jkt)
        if self._sign is not None:
            token["access_token"] = self._sign(access)
        if jkt is not None:
            token["token_type"] = "DPoP"
        self.store.add(token["access_token"], access)
        if "refresh_token" in token:
            refresh = Token(authorization, scope, now, now + REFRESH_TOKEN_LIFETIME, True, jkt)
            self.store.add(token["refresh_token"], refresh)

    def generate_token(self, *args: Any, **kwargs: Any) -> TokenReply:
        return TokenReply(super().generate_token(*args, **kwargs))

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: Request) -> Request:
        return request

    def handle_response(
        self, status: int, body: dict[str, Any] | str, headers: Sequence[tuple[str, str]]
    ) -> Response:
        return Response(status, body, headers)


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)

    def save_authorization_code(self, code: str, request: Request) -> None:
        parameters = request.payload.data
        record = Code(
            authorization=Authorization(request.client.client_id, request.user),
            redirect_uri=parameters["redirect_uri"],
            scope=request.scope,
            code_challenge=parameters["code_challenge"],
            code_challenge_method=parameters["code_challenge_method"],
            expires_at=self.server.store.clock() + CODE_LIFETIME,
        )
        self.server.store.add(code, record)

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        """Return a code that nobody has tried before.

        A second try may be a thief's or the first one may have been, so the tokens that came
        from the code go too (RFC 6749 section 4.1.2).
        """
        record: Code | None = self.server.store.code(code)
        if record is None or record.authorization.client_id != client.client_id:
            return None
        if record.spent:
            record.authorization.revoked = True
            return None
        record.spent = True
        return record

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Nothing: a spent code is kept until it expires, to notice that it is used again."""

    def authenticate_user(self, authorization_code: Code) -> str:
        return authorization_code.authorization.username


class S256Challenge(rfc7636.CodeChallenge):  # type: ignore[misc]
    """PKCE with S256 alone, and never without. Authlib takes both ``plain`` and no challenge."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)
    CODE_CHALLENGE_METHODS = {
        "S256": lambda verifier, challenge: same(
            rfc7636.create_s256_code_challenge(verifier), challenge
        )
    }

    def validate_code_challenge(self, grant: CodeGrant, redirect_uri: str) -> None:
        for name in ("code_challenge", "code_challenge_method"):
            if not grant.request.payload.data.get(name):
                raise rfc6749.InvalidRequestError(f"Missing '{name}'")
        super().validate_code_challenge(grant, redirect_uri)


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        """Return the newest refresh token; an older one ends them all (RFC 9700 section 4.14.2)."""
        token: Token | None = self.server.store.token(refresh_token)
        if token is None or not token.is_refresh or token.jkt != self.request.jkt:
            return None
        if token.spent:
            self.server.store.revoke(token)
            return None
        return token

    def authenticate_user(self, refresh_token: Token) -> str:
        return refresh_token.authorization.username

    def revoke_old_credential(self, refresh_token: Token) -> None:
        refresh_token.spent = True


class Introspection(rfc7662.IntrospectionEndpoint):  # type: ignore[misc]
    CLIENT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

    def check_params(self, request: Request, client: Client) -> None:
        _require_token(request)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        token: Token | None = self.server.store.token(token_string)
        return None if token is None or token.spent or token.is_refresh else token

    def check_permission(self, token: Token, client: Client, request: Request) -> bool:
        return True

    def create_introspection_payload(self, token: Token | None) -> dict[str, Any]:
        return self.server.introspect(token) if token else {"active": False}


class Revocation(rfc7009.RevocationEndpoint):  # type: ignore[misc]
    CLIENT_AUTH_METHODS = ("none",)

    def check_params(self, request: Request, client: Client) -> None:
        _require_token(request)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        token: Token | None = self.server.store.token(token_string)
        return token

    def revoke_token(self, token: Token, request: Request) -> None:
        self.server.store.revoke(token)


def _random(**_: object) -> str:
    return secrets.token_urlsafe(32)


def _require_token(request: Request) -> None:
    # A hint is no more than that: an unknown one is ignored, where Authlib would refuse it.
    if not request.form.get("token"):
        raise rfc6749.InvalidRequestError("Missing 'token' in request.")


def _authenticate_basic(
    query_client: Callable[[str], Client | None], request: Request
) -> Client | None:
    """Both parts are form-encoded (RFC 6749 section 2.3.1), so that ``+`` is a space."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    client_id, _, secret = pair.partition(":")
    return _authenticate(query_client, unquote_plus(client_id), unquote_plus(secret))


def _authenticate_post(
    query_client: Callable[[str], Client | None], request: Request
) -> Client | None:
    form = request.form
    return _authenticate(query_client, form.get("client_id", ""), form.get("client_secret", ""))


def _authenticate(
    query_client: Callable[[str], Client | None], client_id: str, secret: str
) -> Client | None:
    client = query_client(client_id)
    return client if client and client.check_client_secret(secret) else None
