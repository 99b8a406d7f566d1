"""One sealed key opened and stored, beside its arithmetic with ``cryptography`` alone."""

from __future__ import annotations

import os
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from aiconfig_plugin.client import seal
from aiconfig_plugin.domain import Destination, Owner
from aiconfig_plugin.keys import Vault, load_keyring
from benchmarks.dataset import API_KEY
from benchmarks.environment import ISSUER, Environment
from benchmarks.rounds import Results, in_turn, seconds

OPENAI = Destination("OpenAI")
CURVE = ec.SECP256R1()
OTHER_INFO, HEADER = bytes(96), bytes(240)  # as long as those of a sealed key


def measure_sealed_key(env: Environment) -> Results:
    """Return keys per second, on one core and with nothing beside it."""
    times = env.scale.calls
    turns = {"ours": ours(env), "bare": bare()}

    def turn(work: Callable[[], object]) -> dict[str, float]:
        return {"rate": times / seconds(lambda: [work() for _ in range(times)])}

    turn(turns["ours"])
    contenders = {name: lambda work=work: turn(work) for name, work in turns.items()}
    return {"sealed key": in_turn(env.scale.rounds, contenders)}


def ours(env: Environment) -> Callable[[], object]:
    vault = Vault(load_keyring(env.keyring))
    owner = Owner(ISSUER, "sealed key")
    sealed = seal(vault.recipient(owner), API_KEY, provider=OPENAI.provider)
    return lambda: vault.accept_submitted_key(owner, OPENAI, sealed)


def bare() -> Callable[[], object]:
    """Return the arithmetic: the ephemeral point, ECDH, Concat KDF, two AES-GCM and a key wrap."""
    recipient, ephemeral = ec.generate_private_key(CURVE), ec.generate_private_key(CURVE)
    point = ephemeral.public_key().public_numbers()
    encoded = b"\x04" + point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")
    wrapping_key, iv = os.urandom(32), os.urandom(12)
    shared = ephemeral.exchange(ec.ECDH(), recipient.public_key())
    sealed = AESGCM(derive(shared)).encrypt(iv, API_KEY.encode(), HEADER)

    def open_and_store() -> object:
        public = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, encoded)
        key = derive(recipient.exchange(ec.ECDH(), public))
        plaintext = AESGCM(key).decrypt(iv, sealed, HEADER)
        content_key = os.urandom(32)
        stored = AESGCM(content_key).encrypt(os.urandom(12), plaintext, HEADER)
        return aes_key_wrap(wrapping_key, content_key), stored

    return open_and_store


def derive(shared: bytes) -> bytes:
    return ConcatKDFHash(SHA256(), 32, OTHER_INFO).derive(shared)
