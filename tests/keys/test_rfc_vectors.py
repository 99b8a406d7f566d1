"""The library, as the vault uses it, computes what the standards' examples say.

None of the examples is of exactly our algorithms; together they cover each of their steps: the
agreement on P-256 with both parties' names, the wrapping with a 256-bit key, GCM, and the way in
which the parts are put together.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwe
from joserfc.errors import DecodeError
from joserfc.jwk import ECKey, OctKey

from tests.keys.reference_jwe import b64, unb64

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "jose.json").read_text(encoding="utf-8")
)
AGREEMENT = VECTORS["RFC 7518 appendix C"]
WRAPPING = {name: bytes.fromhex(v) for name, v in VECTORS["RFC 3394 section 4.6"].items()}
MESSAGES = VECTORS["RFC 7520 section 5"]


def gcm(key: bytes, header: dict[str, Any], encrypted_key: bytes, plaintext: bytes) -> str:
    """A compact JWE around a content key that is known already."""
    protected, iv = b64(json.dumps(header).encode()), os.urandom(12)
    sealed = AESGCM(key).encrypt(iv, plaintext, protected.encode())
    return ".".join([protected, b64(encrypted_key), b64(iv), b64(sealed[:-16]), b64(sealed[-16:])])


def test_the_agreed_key_is_that_of_rfc_7518() -> None:
    header = {name: AGREEMENT[name] for name in ("alg", "enc", "apu", "apv")}
    header["epk"] = {name: AGREEMENT["ephemeral"][name] for name in ("kty", "crv", "x", "y")}
    made = gcm(unb64(AGREEMENT["derived"]), header, b"", b"for Bob")
    registry = jwe.JWERegistry(algorithms=["ECDH-ES", "A128GCM"])
    bob = ECKey.import_key(AGREEMENT["recipient"])
    assert jwe.decrypt_compact(made, bob, registry=registry).plaintext == b"for Bob"


@pytest.mark.parametrize("name", ["apu", "apv"])
def test_both_parties_take_part_in_the_agreed_key(name: str) -> None:
    ephemeral, recipient = (
        ECKey.import_key(AGREEMENT[party]) for party in ("ephemeral", "recipient")
    )
    assert b64(ephemeral.exchange_derive_key(recipient)) == AGREEMENT["shared"]
    header = {name: AGREEMENT[name] for name in ("alg", "enc", "apu", "apv")}
    header["epk"] = {name: AGREEMENT["ephemeral"][name] for name in ("kty", "crv", "x", "y")}
    made = gcm(unb64(AGREEMENT["derived"]), {**header, name: b64(b"Eve")}, b"", b"for Bob")
    registry = jwe.JWERegistry(algorithms=["ECDH-ES", "A128GCM"])
    with pytest.raises(DecodeError):
        jwe.decrypt_compact(made, recipient, registry=registry)


def test_a_wrapped_key_is_that_of_rfc_3394() -> None:
    header = {"alg": "A256KW", "enc": "A256GCM"}
    made = gcm(WRAPPING["key"], header, WRAPPING["wrapped"], b"stored")
    kek = OctKey.import_key(WRAPPING["kek"])
    registry = jwe.JWERegistry(algorithms=["A256KW", "A256GCM"])
    assert jwe.decrypt_compact(made, kek, registry=registry).plaintext == b"stored"


@pytest.mark.parametrize("name", [name for name in MESSAGES if name != "plaintext"])
def test_a_message_of_rfc_7520_opens(name: str) -> None:
    vector = MESSAGES[name]
    key = (OctKey if vector["key"]["kty"] == "oct" else ECKey).import_key(vector["key"])
    registry = jwe.JWERegistry(algorithms=vector["algorithms"])
    opened = jwe.decrypt_compact(".".join(vector["jwe"]), key, registry=registry)
    assert opened.plaintext == MESSAGES["plaintext"].encode()
