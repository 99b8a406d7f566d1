"""The JWE that a client seals: ``ECDH-ES``, also with ``A256KW``, on P-256, and ``A256GCM``.

Only the primitives are used, as in :mod:`~aiconfig_plugin.keys.stored_jwe`, because a body may hold
a hundred of them. What joserfc opens is opened here, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from aiconfig_plugin.keys.stored_jwe import CONTENT_KEY_BYTES, IV_BYTES, TAG_BYTES, b64decode

_DIRECT: Final = "ECDH-ES"
_ALGS: Final = (_DIRECT, "ECDH-ES+A256KW")
_ENC: Final = "A256GCM"
_COORDINATE_BYTES: Final = 32

# RFC 7516 section 4.1, RFC 7518 section 4.6.1 and RFC 7519 section 5.3. No "zip": a short JWE must
# not grow long.
_MEMBERS: Final = frozenset({"alg", "enc", "epk", "kid", "apu", "apv", "typ", "cty", "aud"})
_HEADER_CHARACTERS: Final = 1024
_AUDIENCE_CHARACTERS: Final = 1024
"""Besides, where there is an ``aud``: a provider of 64 characters, each escaped."""


def check_header(header: Mapping[str, Any]) -> None:
    """Raise ValueError, which says why, where a header is not that of a sealed key."""
    if header["alg"] not in _ALGS:
        raise ValueError("The sealed key's alg is neither ECDH-ES nor ECDH-ES+A256KW.")
    if header["enc"] != _ENC:
        raise ValueError("The sealed key's enc is not A256GCM.")
    if not header.keys() <= _MEMBERS:
        faults = {
            "zip": "The sealed key is compressed.",
            "crit": "The sealed key has critical extensions.",
        }
        unknown = "The sealed key has a header member that is not known."
        raise ValueError(next((faults[name] for name in faults if name in header), unknown))
    if "kid" not in header:
        raise ValueError("The sealed key names no key to decrypt it with (kid).")
    for name, value in header.items():
        if name != "epk" and not isinstance(value, str):
            raise ValueError("A header member is not a string.")
    epk = header.get("epk")
    if not isinstance(epk, dict):
        raise ValueError("The sealed key has no ephemeral key.")
    if epk.get("kty") != "EC":
        raise ValueError("The sealed key's ephemeral key is not an EC key.")
    if epk.get("crv") != "P-256":
        raise ValueError("The sealed key's ephemeral key is on another curve.")


def decrypt(sealed: str, header: Mapping[str, Any], key: ECKey) -> bytes:
    """Return the plaintext of a compact JWE whose ``header`` has passed :func:`check_header`.

    ``key`` is private. Raises ValueError, which says why.
    """
    protected, *rest = sealed.encode().split(b".")
    if len(protected) > _HEADER_CHARACTERS + _AUDIENCE_CHARACTERS * ("aud" in header):
        raise ValueError("The sealed key's header is too long.")
    wrapped, iv, ciphertext, tag = map(b64decode, rest)
    if (len(iv), len(tag)) != (IV_BYTES, TAG_BYTES):
        raise ValueError("The sealed key's initialization vector or tag has another length.")
    private = cast(EllipticCurvePrivateKey, key.raw_value)
    shared = private.exchange(ECDH(), _ephemeral_key(header["epk"]))
    apu, apv = (b64decode(header.get(name, "").encode()) for name in ("apu", "apv"))
    direct = header["alg"] == _DIRECT
    agreed = derive(shared, _ENC if direct else header["alg"], apu, apv)
    content_key = _agreed_alone(agreed, wrapped) if direct else _unwrapped(agreed, wrapped)
    try:
        return AESGCM(content_key).decrypt(iv, ciphertext + tag, protected)
    except InvalidTag:
        raise ValueError("The sealed key was changed, or sealed to another key.") from None


def derive(
    shared: bytes, algorithm: str, apu: bytes, apv: bytes, size: int = CONTENT_KEY_BYTES
) -> bytes:
    """Return the key that both sides derive from their shared secret (RFC 7518 section 4.6.2)."""
    name = algorithm.encode()
    info = b"%b%b%b%b%b%b%b" % (
        *(len(name).to_bytes(4, "big"), name),
        *(len(apu).to_bytes(4, "big"), apu),
        *(len(apv).to_bytes(4, "big"), apv),
        (8 * size).to_bytes(4, "big"),
    )
    return ConcatKDFHash(SHA256(), size, info).derive(shared)


def _agreed_alone(agreed: bytes, wrapped: bytes) -> bytes:
    if wrapped:
        raise ValueError("The sealed key has an encrypted key beside the agreed one.")
    return agreed


def _unwrapped(agreed: bytes, wrapped: bytes) -> bytes:
    try:
        content_key = aes_key_unwrap(agreed, wrapped)
    except InvalidUnwrap:
        raise ValueError(
            "The sealed key's encrypted key was changed, or sealed to another key."
        ) from None
    if len(content_key) != CONTENT_KEY_BYTES:
        raise ValueError("The sealed key's content key has another length.")
    return content_key


def _ephemeral_key(epk: Mapping[str, Any]) -> EllipticCurvePublicKey:
    try:
        if epk.keys() == {"kty", "crv", "x", "y"}:
            x, y = (b64decode(epk[name].encode()) for name in ("x", "y"))
            if len(x) == len(y) == _COORDINATE_BYTES:
                return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), b"\x04" + x + y)
        # Whatever else a JWK may hold is for the library to judge.
        key: EllipticCurvePublicKey = ECKey.import_key(dict(epk)).get_op_key("deriveKey")
        return key
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        # What the library says may quote the header.
        raise ValueError("The sealed key's ephemeral key is not a point on the curve.") from None
