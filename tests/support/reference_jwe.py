"""Sealing by hand, after RFC 7516 and RFC 7518 section 4.6, so that each rule can be broken."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

LEFT_OUT = object()
"""A header member that is to be missing."""


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def apv(issuer: str, subject: str) -> str:
    """What names a user to the gateway. Clients take it as it is; only tests compute it."""
    array = json.dumps([issuer, subject], separators=(",", ":"))
    return b64(hashlib.sha256(array.encode()).digest())


def public_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    size = (key.curve.key_size + 7) // 8
    crv = {256: "P-256", 384: "P-384", 521: "P-521"}[key.curve.key_size]
    x, y = (b64(number.to_bytes(size, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": crv, "x": x, "y": y}


def public_key(jwk: Mapping[str, str]) -> ec.EllipticCurvePublicKey:
    x, y = (int.from_bytes(unb64(jwk[name]), "big") for name in ("x", "y"))
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


def field(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _party(name: Any) -> bytes:
    try:
        return unb64(name) if isinstance(name, str) else b""
    except ValueError:
        return b""


def seal_by_hand(
    document: Mapping[str, Any],
    plaintext: bytes,
    *,
    encrypted_key: bytes = b"",
    ephemeral: ec.EllipticCurvePrivateKey | None = None,
    **members: Any,
) -> str:
    """Return a sealed key, ``ECDH-ES`` and ``A256GCM``; ``members`` replace those of its header.

    The header is authenticated as it is sent, so each fault is the only one.
    """
    jwk = document["keys"][0]
    ephemeral = ephemeral or ec.generate_private_key(ec.SECP256R1())
    header = {
        "alg": "ECDH-ES",
        "enc": "A256GCM",
        "kid": jwk["kid"],
        "apv": document["apv"],
        "epk": public_jwk(ephemeral),
        **members,
    }
    header = {name: value for name, value in header.items() if value is not LEFT_OUT}
    parties = field(_party(header.get("apu"))) + field(_party(header.get("apv")))
    info = field(b"A256GCM") + parties + (256).to_bytes(4, "big")
    shared = ephemeral.exchange(ec.ECDH(), public_key(jwk))
    content_key = ConcatKDFHash(hashes.SHA256(), 32, info).derive(shared)
    protected = b64(json.dumps(header).encode())
    iv = os.urandom(12)
    sealed = AESGCM(content_key).encrypt(iv, plaintext, protected.encode())
    return ".".join([protected, b64(encrypted_key), b64(iv), b64(sealed[:-16]), b64(sealed[-16:])])
