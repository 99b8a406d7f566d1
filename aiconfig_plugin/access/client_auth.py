"""How the gateway proves who it is to the authorization server: credentials and TLS."""

from __future__ import annotations

import json
import re
import ssl
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.auth import encode_client_secret_basic
from authlib.oauth2.rfc7523 import PrivateKeyJWT, private_key_jwt_sign
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.settings import Settings, variable

ASSERTION_LIFETIME = 60
"""Seconds for which a client assertion is good; servers tolerate clocks that differ by less."""
MIN_RSA_BITS = 2048  # RFC 7518 section 3.3

_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

ClientKey: TypeAlias = RSAKey | ECKey | OKPKey

# RFC 7518 section 3.1 and RFC 8037; the first of each kind of key is what is used unless a JWK
# says otherwise.
_ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA", "Ed25519"),
}


@dataclass(frozen=True)
class Credentials:
    """What the gateway proves itself with, and whom it trusts (None: the system's authorities)."""

    secret: str | None = None
    key: ClientKey | None = None
    context: ssl.SSLContext | None = None


def credential_files(settings: Settings) -> Mapping[str, str]:
    """Return the settings that name a file which is needed, each with its field of Credentials.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError` where a setting is needed that is
    not set, or where two say the same.
    """
    is_jwt = settings.tokens == "jwt"
    if not settings.issuer:
        needing = f"{variable('tokens')}=jwt" if is_jwt else "introspection"
        raise ConfigurationError(f"{variable('issuer')} is not set; {needing} needs it.")
    files = {"ca_file": "context"} if settings.ca_file else {}
    if is_jwt:
        return files
    method = settings.client_auth_method
    secret = "client_key" if method == "private_key_jwt" else "client_secret"
    has_file = secret == "client_secret" and bool(settings.client_secret_file)
    for name in ("client_id", secret):
        if not getattr(settings, name) and not (name == secret and has_file):
            raise ConfigurationError(f"{variable(name)} is not set; introspection needs it.")
    if has_file and settings.client_secret:
        raise ConfigurationError(
            f"{variable('client_secret')} and {variable('client_secret_file')} are both set; "
            "keep one."
        )
    if has_file:
        files["client_secret_file"] = "secret"
    elif secret == "client_key":
        files["client_key"] = "key"
    return files


def register_credentials(
    client: AsyncOAuth2Client, settings: Settings, credentials: Credentials
) -> None:
    """Let a client authenticate with these from its next call on."""
    client.client_secret = credentials.secret
    client.register_client_auth_method(("client_secret_basic", _encode_basic))
    if credentials.key is not None:
        audience = settings.assertion_audience or settings.issuer
        client.register_client_auth_method(_Assertion(credentials.key, str(audience)))


def parse_client_secret(content: bytes) -> str:
    """Return the secret in a file; one line break at its end is an editor's, not the secret's.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError`, as the next two do, without the
    place, and without anything of the content.
    """
    try:
        secret = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        secret = ""
    if not secret or "\n" in secret:
        raise ConfigurationError("not one line of UTF-8 text.")
    return secret


def parse_client_key(content: bytes) -> ClientKey:
    """Read a private key: a JWK (RFC 7517) or PEM."""
    try:
        key = _import(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise ConfigurationError("not UTF-8 text.") from None
    if key is None:
        raise ConfigurationError("not one private RSA, EC or Ed25519 signing key.")
    if isinstance(key, RSAKey) and key.raw_value.key_size < MIN_RSA_BITS:
        raise ConfigurationError(f"an RSA key must have {MIN_RSA_BITS} bits.")
    return key


def parse_certificates(content: bytes) -> ssl.SSLContext:
    """Return what verifies a server by the certificates (PEM) of a file, and by no others."""
    # By blocks: comments between them need not be ASCII, and none at all would mean the system's.
    blocks = "\n".join(_CERTIFICATE.findall(content.decode("latin-1")))
    try:
        if blocks:
            return ssl.create_default_context(cadata=blocks)
    except (ssl.SSLError, ValueError):
        pass
    raise ConfigurationError("no PEM certificates in it.")


def _import(text: str) -> ClientKey | None:
    kinds: tuple[type[RSAKey] | type[ECKey] | type[OKPKey], ...] = (RSAKey, ECKey, OKPKey)
    for kind in kinds:
        try:
            key: ClientKey = kind.import_key(json.loads(text) if _is_json(text) else text)
            # A first signature proves the key, its use and its alg before the start is over.
            _sign(key, client_id="", audience="")
            return key
        except (JoseError, ValueError, TypeError, KeyError):
            continue  # The library's own message may quote the key.
    return None


def _is_json(text: str) -> bool:
    return text.lstrip().startswith("{")


def _algorithm(key: ClientKey) -> str:
    """Return the JWS algorithm that the key names, or else the usual one of its kind."""
    usual = _ALGORITHMS["RSA" if isinstance(key, RSAKey) else str(key["crv"])]
    named = str(key.get("alg") or usual[0])
    return usual[usual.index(named)]


class _Assertion(PrivateKeyJWT):  # type: ignore[misc]
    """A client assertion (RFC 7523 section 2.2): a new ``jti`` and a short life for each call.

    Its audience is the issuer alone unless the operator says otherwise, as
    draft-ietf-oauth-rfc7523bis demands: one that names an endpoint could be made to name another
    server's.
    """

    def __init__(self, key: ClientKey, audience: str) -> None:
        super().__init__(audience, alg=_algorithm(key))
        self._key = key

    def sign(self, auth: Any, token_endpoint: str) -> Any:
        return _sign(self._key, client_id=auth.client_id, audience=token_endpoint)


def _sign(key: ClientKey, *, client_id: str, audience: str) -> Any:
    with warnings.catch_warnings():
        # Of EdDSA, which RFC 9864 renamed: servers know the old name.
        warnings.simplefilter("ignore", SecurityWarning)
        return private_key_jwt_sign(
            key,
            client_id=client_id,
            token_endpoint=audience,
            alg=_algorithm(key),
            header={"kid": key.kid} if key.kid else {},
            issued_at=int(time.time()),
            expires_in=ASSERTION_LIFETIME,
        )


def _encode_basic(
    client: Any, method: str, uri: str, headers: Any, body: Any
) -> tuple[str, Any, Any]:
    """Form-encode id and secret before Basic (RFC 6749 section 2.3.1); Authlib does not."""
    encoded = _BasicPair(quote(client.client_id, safe=""), quote(client.client_secret, safe=""))
    result: tuple[str, Any, Any] = encode_client_secret_basic(encoded, method, uri, headers, body)
    return result


@dataclass(frozen=True)
class _BasicPair:
    client_id: str
    client_secret: str
