"""The HTTP client for the authorization server: its credentials and its TLS.

With :mod:`aiconfig_plugin.access.authenticator`, the only file that knows Authlib's client.
"""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.auth import encode_client_secret_basic
from authlib.oauth2.rfc7523 import PrivateKeyJWT, private_key_jwt_sign
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.private_file import read_private_file
from aiconfig_plugin.settings import Settings, variable

ASSERTION_LIFETIME = 60
"""Seconds for which a client assertion is good; servers tolerate clocks that differ by less."""
KEEPALIVE = 4.0
"""Seconds for which an idle connection is used again: less than the 5 of Node.js's servers."""
MIN_RSA_BITS = 2048  # RFC 7518 section 3.3

ClientKey: TypeAlias = RSAKey | ECKey

# RFC 7518 section 3.1; the first of each kind of key is what is used unless a JWK says otherwise.
_ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
}


def client_factory(
    settings: Settings, *, timeout: float, max_connections: int
) -> Callable[[], AsyncOAuth2Client]:
    """Return what makes the HTTP client, once all that it needs has been read and checked.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError`, which names the setting.
    """
    method = settings.client_auth_method
    secret = "client_key" if method == "private_key_jwt" else "client_secret"
    for name in ("client_id", secret):
        if not getattr(settings, name):
            raise ConfigurationError(f"{variable(name)} is not set; introspection needs it.")
    context = _tls(settings.ca_file)
    assertion = _assertion(settings) if method == "private_key_jwt" else None

    def make() -> AsyncOAuth2Client:
        client = AsyncOAuth2Client(
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            token_endpoint_auth_method=method,
            verify=context or True,
            timeout=timeout,
            limits=httpx2.Limits(max_connections=max_connections, keepalive_expiry=KEEPALIVE),
        )
        client.register_client_auth_method(("client_secret_basic", _encode_basic))
        if assertion is not None:
            client.register_client_auth_method(assertion)
        return client

    return make


def load_client_key(path: str | os.PathLike[str]) -> ClientKey:
    """Read a private key: a JWK (RFC 7517) or PEM, in a file that only its owner may read.

    Raises :class:`~aiconfig_plugin.errors.ConfigurationError`; no message holds key material.
    """
    where = f"{variable('client_key')}: {os.fspath(path)}"
    try:
        key = _import(read_private_file(path).decode("utf-8"))
    except ConfigurationError as err:
        raise ConfigurationError(f"{where}: {err.detail}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{where}: not UTF-8 text.") from None
    if key is None:
        raise ConfigurationError(f"{where}: not one private RSA or EC signing key.")
    if isinstance(key, RSAKey) and key.raw_value.key_size < MIN_RSA_BITS:
        raise ConfigurationError(f"{where}: an RSA key must have {MIN_RSA_BITS} bits.")
    return key


def _import(text: str) -> ClientKey | None:
    kinds: tuple[type[RSAKey] | type[ECKey], ...] = (RSAKey, ECKey)
    for kind in kinds:
        try:
            key: ClientKey = kind.import_key(json.loads(text) if _is_json(text) else text)
            # A first signature proves the key, its use and its alg before the start is over.
            private_key_jwt_sign(key, client_id="", token_endpoint="", alg=_algorithm(key))
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

    Its audience is the issuer alone, as draft-ietf-oauth-rfc7523bis demands: one that names an
    endpoint could be made to name another server's.
    """

    def __init__(self, key: ClientKey, issuer: str) -> None:
        super().__init__(issuer, alg=_algorithm(key))
        self._key = key

    def sign(self, auth: Any, token_endpoint: str) -> Any:
        return private_key_jwt_sign(
            self._key,
            client_id=auth.client_id,
            token_endpoint=token_endpoint,
            alg=self.alg,
            header={"kid": self._key.kid} if self._key.kid else {},
            issued_at=int(time.time()),
            expires_in=ASSERTION_LIFETIME,
        )


def _assertion(settings: Settings) -> _Assertion:
    assert settings.client_key is not None and settings.issuer is not None
    return _Assertion(load_client_key(settings.client_key), settings.issuer)


def _tls(ca_file: str | os.PathLike[str] | None) -> ssl.SSLContext | None:
    if not ca_file:
        return None
    where = f"{variable('ca_file')}: {os.fspath(ca_file)}"
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise ConfigurationError(f"{where}: no PEM certificates in it.") from None
    except OSError as err:
        raise ConfigurationError(f"{where}: {err.strerror}.") from None


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
