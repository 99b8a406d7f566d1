"""Signed tokens of every kind, good ones and ones that break exactly what a test wants broken."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from aiconfig_plugin.access.dpop import access_token_hash
from aiconfig_plugin.access.jws import PublicKey
from aiconfig_plugin.access.logout_token import EVENT

AUDIENCE = "https://gateway.example/api/v1"
CLIENT = "web"


@cache
def key(name: str) -> PublicKey:
    """The private key of this name, made when it is first asked for."""
    kind = name.partition("-")[0]
    if kind == "rsa":
        return RSAKey.generate_key(2048, {"kid": name})
    if kind == "ed":
        return OKPKey.generate_key("Ed25519", {"kid": name})
    return ECKey.generate_key("P-384" if kind == "p384" else "P-256", {"kid": name})


def public(name: str, **members: Any) -> dict[str, Any]:
    """The JWK of a key without its private part."""
    return {**key(name).as_dict(private=False), **members}


ALG = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA", "p384": "ES384"}


def encode(part: Any) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(header: Mapping[str, Any], payload: Any, signer: str, alg: str | None = None) -> str:
    """A compact JWS whatever its header says; ``alg`` is what the signature is really made by."""
    by = alg or ALG[signer.partition("-")[0]]
    signed = f"{encode({name: v for name, v in header.items() if v is not None})}.{encode(payload)}"
    signature = JWSRegistry.algorithms[by].sign(signed.encode(), key(signer))
    return f"{signed}.{encode(signature)}"


def sign_hmac(header: Mapping[str, Any], payload: Any, secret: bytes) -> str:
    signed = f"{encode(header)}.{encode(payload)}"
    return f"{signed}.{encode(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def without_null(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def access_claims(issuer: str, **changes: Any) -> dict[str, Any]:
    """Good claims of an access token (RFC 9068 section 2.2); a change to None takes one out."""
    now = int(changes.pop("now", time.time()))
    good = {
        "iss": issuer,
        "sub": "alice",
        "aud": AUDIENCE,
        "client_id": CLIENT,
        "scope": "ai-config:read ai-config:write",
        "iat": now,
        "exp": now + 300,
        "jti": secrets.token_urlsafe(8),
    }
    return without_null(good | changes)


def access_header(signer: str = "ec", **changes: Any) -> dict[str, Any]:
    good = {"typ": "at+jwt", "alg": ALG[signer.partition("-")[0]], "kid": signer}
    return without_null(good | changes)


def access_token(issuer: str, signer: str = "ec", **changes: Any) -> str:
    return sign(access_header(signer), access_claims(issuer, **changes), signer)


def bound_token(issuer: str, holder: str, **changes: Any) -> str:
    """An access token that is bound to the key of this name."""
    return access_token(issuer, cnf={"jkt": key(holder).thumbprint()}, **changes)


def proof_claims(token: str, url: str, method: str = "GET", **changes: Any) -> dict[str, Any]:
    """Good claims of a DPoP proof (RFC 9449 section 4.2)."""
    good = {
        "htm": method,
        "htu": url,
        "iat": int(changes.pop("now", time.time())),
        "jti": secrets.token_urlsafe(12),
        "ath": access_token_hash(token),
    }
    return without_null(good | changes)


def proof_header(holder: str, **changes: Any) -> dict[str, Any]:
    jwk = {name: value for name, value in public(holder).items() if name != "kid"}
    good = {"typ": "dpop+jwt", "alg": ALG[holder.partition("-")[0]], "jwk": jwk}
    return without_null(good | changes)


def proof(token: str, url: str, method: str = "GET", holder: str = "ec-holder", **c: Any) -> str:
    return sign(proof_header(holder), proof_claims(token, url, method, **c), holder)


def logout_claims(issuer: str, **changes: Any) -> dict[str, Any]:
    """Good claims of a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.4)."""
    now = int(changes.pop("now", time.time()))
    good = {
        "iss": issuer,
        "sub": "alice",
        "aud": CLIENT,
        "iat": now,
        "exp": now + 120,
        "jti": secrets.token_urlsafe(8),
        "events": {EVENT: {}},
    }
    return without_null(good | changes)


def logout_header(**changes: Any) -> dict[str, Any]:
    return without_null({"typ": "logout+jwt", "alg": "ES256", "kid": "ec"} | changes)


def logout_token(issuer: str, **changes: Any) -> str:
    return sign(logout_header(), logout_claims(issuer, **changes), "ec")
