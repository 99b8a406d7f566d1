"""A sealed key opens here exactly where joserfc opens it, by the standard's own examples."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.registry import HeaderParameter

from aiconfig_plugin.keys import sealed_jwe, stored_jwe
from aiconfig_plugin.keys.submitted import read_jwe_header
from tests.support.reference_jwe import LEFT_OUT, b64, public_jwk, seal_by_hand, unb64

KEY = ECKey.generate_key("P-256", {"kid": "seal", "use": "enc"})
DOCUMENT = {"keys": [KEY.as_dict(private=False)], "apv": b64(b"apv of the owner")}
REGISTRY = jwe.JWERegistry(
    {"aud": HeaderParameter("Audience", "str")}, ["ECDH-ES", "ECDH-ES+A256KW", "A256GCM"]
)
VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "jose.json").read_text(encoding="utf-8")
)
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
"""The prime of P-256."""


def opened_by_joserfc(sealed: str) -> bytes | None:
    try:
        return jwe.decrypt_compact(sealed, KEY, registry=REGISTRY).plaintext
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def opened_here(sealed: str) -> bytes | None:
    """What it opens to, by the rules that joserfc has too; the vault adds those of the header."""
    try:
        header = read_jwe_header(sealed)
        sealed_jwe.check_header(header)
        return sealed_jwe.decrypt(sealed, header, KEY)
    except ValueError:
        return None


def allowed(sealed: str) -> bool:
    """Whether the header keeps to the rules that are ours and that joserfc does not have."""
    header = read_jwe_header(sealed)
    epk = header.get("epk")
    return (
        header.keys() <= {"alg", "enc", "kid", "epk", "apu", "apv", "typ", "cty", "aud"}
        and "kid" in header
        and isinstance(epk, dict)
        and (epk.get("kty"), epk.get("crv")) == ("EC", "P-256")
    )


def agree(sealed: str) -> bool:
    """Check that both say the same of it; tell whether it opens."""
    here = opened_here(sealed)
    try:
        expected = opened_by_joserfc(sealed) if allowed(sealed) else None
    except ValueError:  # Not the header of a JWE at all.
        expected = None
    assert here == expected, sealed
    return here is not None


@pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A256KW"])
@pytest.mark.parametrize("size", [0, 1, 4096, 5000])
def test_what_joserfc_seals_opens(alg: str, size: int) -> None:
    header = {"alg": alg, "enc": "A256GCM", "kid": "seal", "apu": b64(b"u"), "aud": "Ü"}
    text = os.urandom(size)
    sealed = jwe.encrypt_compact(header, text, KEY, registry=REGISTRY)
    assert opened_here(sealed) == text and agree(sealed)


@pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A256KW"])
def test_with_any_bit_changed_both_say_the_same(alg: str) -> None:
    header = {"alg": alg, "enc": "A256GCM", "kid": "seal", "apv": DOCUMENT["apv"]}
    good = jwe.encrypt_compact(header, b"an API key", KEY, registry=REGISTRY)
    opened = [
        place
        for place, character in enumerate(good)
        for bit in range(7)
        if agree(good[:place] + chr(ord(character) ^ (1 << bit)) + good[place + 1 :])
    ]
    assert opened == [], "every bit is authenticated, or has one spelling"


def variants() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Headers that are odd in one way each; what is sealed under them is sealed correctly."""
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    point = public_jwk(ephemeral)
    secret = b64(ephemeral.private_numbers().private_value.to_bytes(32, "big"))
    x, y = (int.from_bytes(unb64(point[name]), "big") for name in ("x", "y"))
    for name in ("kid", "apu", "apv", "typ", "cty", "aud"):
        for value in ("", "AA", "A", "AB", "é", "A=", 1, None, [], {}, True, LEFT_OUT):
            yield f"{name} {value!r:.9}", {name: value, "epk": point, "ephemeral": ephemeral}
    for length in (1, 300, 500, 520, 1200):
        yield f"typ of {length}", {"typ": "x" * length, "epk": point, "ephemeral": ephemeral}
    odd: dict[str, Any] = {
        "as it is": {},
        "with a kid": {"kid": "k"},
        "with use": {"use": "enc"},
        "with use sig": {"use": "sig"},
        "with unknown use": {"use": "x"},
        "with key_ops": {"key_ops": ["deriveKey"]},
        "with other key_ops": {"key_ops": ["deriveBits"]},
        "with alg": {"alg": "ECDH-ES"},
        "with its private half": {"d": secret},
        "with another private half": {"d": b64(b"\1" * 32)},
        "with an empty private half": {"d": ""},
        "with more": {"more": 1},
        "x has leading zeros": {"x": b64(bytes(3) + unb64(point["x"]))},
        "x is spelled otherwise": {"x": point["x"] + "="},
        "x is empty": {"x": ""},
        "x is a number": {"x": 1},
        "x is not base64url": {"x": "é" * 43},
        "x is too large": {"x": b64((x + P).to_bytes(33, "big"))},
        "x is the prime": {"x": b64(P.to_bytes(32, "big"))},
        "x is long": {"x": b64(b"\1" * 200)},
        "y is negated": {"y": b64((P - y).to_bytes(32, "big"))},
        "at infinity": {"x": b64(bytes(32)), "y": b64(bytes(32))},
        "x and y changed": {"x": point["y"], "y": point["x"]},
        "kty of another kind": {"kty": "OKP"},
        "no y": {"y": LEFT_OUT},
        "no kty": {"kty": LEFT_OUT},
        "null crv": {"crv": None},
    }
    for name, members in odd.items():
        epk = {k: v for k, v in {**point, **members}.items() if v is not LEFT_OUT}
        yield f"epk {name}", {"epk": epk, "ephemeral": ephemeral}
    for value in (None, [], "AAAA", 1, {}, LEFT_OUT):
        yield f"epk {value!r:.9}", {"epk": value}


VARIANTS = dict(variants())


def test_with_an_odd_header_both_say_the_same() -> None:
    opened = {name for name, v in VARIANTS.items() if agree(seal_by_hand(DOCUMENT, b"k", **v))}
    assert opened > {
        "aud 'é'", "apu ''", "apv 'AA'", "typ of 500", "epk as it is", "epk with more",
        "epk x has leading zeros", "epk with its private half",
    }  # fmt: skip
    assert len(opened) < len(VARIANTS) / 2


def test_with_odd_parts_both_say_the_same() -> None:
    for algorithm, size in (("ECDH-ES", 32), ("ECDH-ES+A256KW", 32), ("ECDH-ES+A256KW", 16)):
        ephemeral = ec.generate_private_key(ec.SECP256R1())
        header = {"alg": algorithm, "enc": "A256GCM", "kid": "seal", "epk": public_jwk(ephemeral)}
        shared = ephemeral.exchange(ec.ECDH(), KEY.public_key)
        name = "A256GCM" if algorithm == "ECDH-ES" else algorithm
        agreed = sealed_jwe.derive(shared, name, b"", b"")
        content_key = os.urandom(size)
        for wrapped in (b"", b"k", aes_key_wrap(agreed, content_key)):
            key = agreed if algorithm == "ECDH-ES" else content_key
            good = compose(header, key, wrapped, b"an API key")
            parts = good.split(".")
            opens = wrapped == b"" if algorithm == "ECDH-ES" else len(wrapped) == 40
            assert agree(good) is opens
            for part in (1, 2, 3, 4):
                for text in ("", "A", "AA", "AA=", "AAAA", parts[part] + "AAAA", parts[part][:-4]):
                    agree(".".join([*parts[:part], text, *parts[part + 1 :]]))


def test_after_random_edits_both_say_the_same() -> None:
    choose = random.Random(7518)
    header = {"enc": "A256GCM", "kid": "seal"}
    good = [
        jwe.encrypt_compact({**header, "alg": alg}, b"an API key", KEY, registry=REGISTRY)
        for alg in ("ECDH-ES", "ECDH-ES+A256KW")
    ]
    for _ in range(400):
        one, other = choose.choice(good).split("."), choose.choice(good).split(".")
        mixed = ".".join(choose.choice(parts) for parts in zip(one, other, strict=True))
        at, length = choose.randrange(len(mixed)), choose.randrange(4)
        edited = (
            mixed[:at] + choose.choice(["", "A", ".", "=", "é", mixed[:9]]) + mixed[at + length :]
        )
        if agree(edited):
            assert edited in good


# The standards' examples


def compose(header: Mapping[str, Any], key: bytes, wrapped: bytes, plaintext: bytes) -> str:
    """A compact JWE around a content key that is known already."""
    protected, iv = b64(json.dumps(header).encode()), os.urandom(12)
    sealed = AESGCM(key).encrypt(iv, plaintext, protected.encode())
    return ".".join([protected, b64(wrapped), b64(iv), b64(sealed[:-16]), b64(sealed[-16:])])


def test_the_agreed_key_is_that_of_rfc_7518_appendix_c() -> None:
    example = VECTORS["RFC 7518 appendix C"]
    ephemeral, recipient = (ECKey.import_key(example[who]) for who in ("ephemeral", "recipient"))
    shared = ephemeral.exchange_derive_key(recipient)
    assert b64(shared) == example["shared"]
    parties = [unb64(example[name]) for name in ("apu", "apv")]
    assert b64(sealed_jwe.derive(shared, example["enc"], *parties, size=16)) == example["derived"]
    for changed in ([b"Eve", parties[1]], [parties[0], b"Eve"]):
        other = sealed_jwe.derive(shared, example["enc"], *changed, size=16)
        assert b64(other) != example["derived"]


def test_a_wrapped_key_is_that_of_rfc_3394() -> None:
    example = {
        name: bytes.fromhex(value) for name, value in VECTORS["RFC 3394 section 4.6"].items()
    }
    header = {"alg": "A256KW", "enc": "A256GCM"}
    made = compose(header, example["key"], example["wrapped"], b"stored")
    assert stored_jwe.decrypt(made, example["kek"]) == b"stored"
