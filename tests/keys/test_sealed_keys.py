"""Sealed keys: what a client is told, what opens, and what does not, and who learns why."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwe
from joserfc.jwk import ECKey

from aiconfig_plugin.client import seal
from aiconfig_plugin.domain import Owner
from aiconfig_plugin.errors import KeyNotAccepted, KeyNotEncrypted
from aiconfig_plugin.keys import Vault, load_keyring, retirable, retire_keys
from tests.support.builders import ALICE, API_KEY, BOB, accept, new_vault, opened, turn
from tests.support.gateway import OPAQUE
from tests.support.reference_jwe import LEFT_OUT, apv, b64, public_jwk, seal_by_hand, unb64

Document = dict[str, Any]


@pytest.fixture
def vault(keyring: Path) -> Vault:
    return new_vault(keyring)


def seal_with_a_library(
    document: Document, plaintext: bytes, crv: str = "P-256", **members: str
) -> str:
    """A sealed key of a correct client, with whatever algorithms it likes."""
    jwk = document["keys"][0]
    key = ECKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "y")})
    if crv != "P-256":
        key = ECKey.generate_key(crv)
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": jwk["kid"], "apv": document["apv"]}
    algorithms = ["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW", "DEF"]
    algorithms += ["A128GCM", "A256GCM", "A256CBC-HS512"]
    registry = jwe.JWERegistry(algorithms=algorithms)
    return jwe.encrypt_compact({**header, **members}, plaintext, key, registry=registry)


# The document


def test_the_document_is_a_jwk_set_of_one_public_key_and_the_user_s_apv(
    vault: Vault, keyring: Path
) -> None:
    document = vault.recipient(ALICE)
    [key] = document.pop("keys")
    assert document == {"apv": apv(ALICE.issuer, ALICE.subject)}
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    fixed = {name: key[name] for name in ("kty", "crv", "use", "alg")}
    assert fixed == {"kty": "EC", "crv": "P-256", "use": "enc", "alg": "ECDH-ES"}
    assert {len(key[name]) for name in ("x", "y")} == {43}
    assert key["kid"] == load_keyring(keyring).primary_sealing
    assert vault.recipient(BOB)["keys"] == [key]


def test_no_two_owners_have_the_same_apv(vault: Vault) -> None:
    names = ["", "a", "|", "a|", "|a", "a|b", '"', '","', "a,b", "\\", "é", "\\u00e9"]
    owners = [Owner(issuer, subject) for issuer in names for subject in names]
    assert len({vault.recipient(owner)["apv"] for owner in owners}) == len(owners)


def test_what_is_done_to_a_document_stays_with_it(vault: Vault) -> None:
    vault.recipient(ALICE)["keys"][0].clear()
    assert opened(vault, accept(vault, seal(vault.recipient(ALICE), "k"))) == "k"


# What opens


@pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A256KW"])
def test_a_sealed_key_is_opened_and_kept_in_the_stored_form(vault: Vault, alg: str) -> None:
    sealed = seal_with_a_library(vault.recipient(ALICE), API_KEY.encode(), alg=alg)
    stored = accept(vault, sealed)
    assert stored.jwe != sealed and API_KEY not in stored.jwe
    assert (opened(vault, stored), vault.form(stored)) == (API_KEY, "plain")


@pytest.mark.parametrize("size", [1, 4096])
def test_a_key_may_have_this_many_bytes(vault: Vault, size: int) -> None:
    text = "ü" * (size // 2) + "x" * (size % 2)
    assert opened(vault, accept(vault, seal(vault.recipient(ALICE), text))) == text


def test_members_that_the_standard_knows_do_no_harm(vault: Vault) -> None:
    sealed = seal_by_hand(vault.recipient(ALICE), b"k", typ="JWE", cty="text/plain", apu="AA")
    assert opened(vault, accept(vault, sealed)) == "k"


@pytest.mark.parametrize("provider", ["OpenAI", "Übersee 密钥", '"\\', "\U0001f511" * 64])
def test_a_sealed_key_fits_the_provider_that_it_names_and_no_other(
    vault: Vault, provider: str
) -> None:
    sealed = seal(vault.recipient(ALICE), API_KEY, provider=provider)
    assert json.loads(unb64(sealed.split(".")[0]))["aud"] == provider
    stored = accept(vault, sealed, to=provider)
    assert opened(vault, stored, to=provider) == API_KEY
    with pytest.raises(KeyNotAccepted, match="does not open here"):
        accept(vault, sealed, to=provider + " ")


def test_without_a_provider_a_sealed_key_fits_any_as_it_always_did(vault: Vault) -> None:
    sealed = seal(vault.recipient(ALICE), API_KEY)
    for provider in ("OpenAI", "Anthropic"):
        assert accept(vault, sealed, to=provider)


# What does not open

STRANGER = ec.generate_private_key(ec.SECP256R1())
OTHER_CURVE = public_jwk(ec.generate_private_key(ec.SECP384R1()))
POINT = public_jwk(STRANGER)


def _changed(sealed: str, part: int, text: str) -> str:
    parts = sealed.split(".")
    parts[part] = text
    return ".".join(parts)


FAULTS: dict[str, Callable[[Document], str]] = {
    "apv of another user": lambda d: seal_by_hand(d, b"k", apv=apv("https://i.example", "eve")),
    "aud of another provider": lambda d: seal_by_hand(d, b"k", aud="Anthropic"),
    "kid of no key": lambda d: seal_by_hand(d, b"k", kid="nobody"),
    "no kid": lambda d: seal_by_hand(d, b"k", kid=LEFT_OUT),
    "epk on P-384": lambda d: seal_by_hand(d, b"k", epk=OTHER_CURVE),
    "epk on X25519": lambda d: seal_by_hand(
        d, b"k", epk={"kty": "OKP", "crv": "X25519", "x": b64(bytes(31) + b"\x09")}
    ),
    "epk not on the curve": lambda d: seal_by_hand(d, b"k", epk={**POINT, "y": POINT["x"]}),
    "no epk": lambda d: seal_by_hand(d, b"k", epk=LEFT_OUT),
    "enc A128GCM": lambda d: seal_with_a_library(d, b"k", enc="A128GCM"),
    "alg ECDH-ES+A128KW": lambda d: seal_with_a_library(d, b"k", alg="ECDH-ES+A128KW"),
    "zip DEF": lambda d: seal_with_a_library(d, b"k", zip="DEF"),
    "crit": lambda d: seal_by_hand(d, b"k", crit=["exp"], exp=1),
    "unknown member": lambda d: seal_by_hand(d, b"k", whatever=1),
    "empty": lambda d: seal_by_hand(d, b""),
    "4097 bytes": lambda d: seal_by_hand(d, b"x" * 4097),
    "not UTF-8": lambda d: seal_by_hand(d, b"\xff\xfe"),
    "another tag": lambda d: _changed(seal_by_hand(d, b"k"), 4, b64(bytes(16))),
}
BESIDES: dict[str, Callable[[Document], str]] = {  # The log may call these as it likes.
    "no apv": lambda d: seal_by_hand(d, b"k", apv=LEFT_OUT),
    "aud in another case": lambda d: seal_by_hand(d, b"k", aud="openai"),
    "aud is empty": lambda d: seal_by_hand(d, b"k", aud=""),
    "aud is null": lambda d: seal_by_hand(d, b"k", aud=None),
    "aud is a list": lambda d: seal_by_hand(d, b"k", aud=["OpenAI"]),
    "aud is a number": lambda d: seal_by_hand(d, b"k", aud=1),
    "key of a stranger": lambda d: seal_by_hand(
        {**d, "keys": [{**POINT, "kid": d["keys"][0]["kid"]}]}, b"k"
    ),
    "enc A256CBC-HS512": lambda d: seal_with_a_library(d, b"k", enc="A256CBC-HS512"),
    "encrypted key beside direct agreement": lambda d: seal_by_hand(d, b"k", encrypted_key=b"k"),
    "no encrypted key to unwrap": lambda d: seal_by_hand(d, b"k", alg="ECDH-ES+A256KW"),
    "a short iv": lambda d: _changed(seal_by_hand(d, b"k"), 2, b64(bytes(11))),
    "a part of four": lambda d: seal_by_hand(d, b"k").rpartition(".")[0],
    "epk with a private half": lambda d: seal_by_hand(d, b"k", epk={**POINT, "d": "AQ"}),
    "epk is no object": lambda d: seal_by_hand(d, b"k", epk="AAAA"),
    "epk of numbers": lambda d: seal_by_hand(d, b"k", epk={**POINT, "x": 1}),
    "epk at infinity": lambda d: seal_by_hand(d, b"k", epk={**POINT, "x": "AA", "y": "AA"}),
    "kid is a list": lambda d: seal_by_hand(d, b"k", kid=[]),
    "apu is a number": lambda d: seal_by_hand(d, b"k", apu=1),
    "crit is a number": lambda d: seal_by_hand(d, b"k", crit=1),
    "a long header": lambda d: seal_by_hand(d, b"k", typ="x" * 1100),
    "a surrogate": lambda d: seal_by_hand(d, b"\xed\xa0\x80"),
    "what deflates to much": lambda d: seal_by_hand(d, zlib.compress(bytes(10**6)), zip="DEF"),
}


@pytest.mark.parametrize("fault", [*FAULTS, *BESIDES])
def test_what_does_not_open_is_refused_with_one_detail(vault: Vault, fault: str) -> None:
    sealed = {**FAULTS, **BESIDES}[fault](vault.recipient(ALICE))
    with pytest.raises(KeyNotAccepted) as refused:
        accept(vault, sealed)
    told = refused.value
    assert told.detail == "This encrypted API key does not open here for this user and provider."
    assert told.reason and not any(part and part in told.reason for part in sealed.split("."))
    assert not told.unverifiable


def test_the_log_tells_every_fault_from_every_other(vault: Vault) -> None:
    reasons: dict[str, list[str]] = {}
    for fault, make in FAULTS.items():
        with pytest.raises(KeyNotAccepted) as refused:
            accept(vault, make(vault.recipient(ALICE)))
        reasons.setdefault(refused.value.reason, []).append(fault)
    assert {r: faults for r, faults in reasons.items() if len(faults) > 1} == {}


def test_a_sealed_key_of_another_user_does_not_open(vault: Vault) -> None:
    with pytest.raises(KeyNotAccepted):
        accept(vault, seal(vault.recipient(BOB), API_KEY))


def test_an_apv_that_is_put_right_afterwards_does_not_help(vault: Vault) -> None:
    sealed = seal_by_hand(vault.recipient(BOB), b"k")
    header = {**json.loads(unb64(sealed.split(".")[0])), "apv": vault.recipient(ALICE)["apv"]}
    with pytest.raises(KeyNotAccepted):
        accept(vault, _changed(sealed, 0, b64(json.dumps(header).encode())))


# The policy


def test_where_only_sealed_keys_are_taken_opaque_ones_are_not(vault: Vault, keyring: Path) -> None:
    strict = new_vault(keyring, sealed_only=True)
    with pytest.raises(KeyNotEncrypted):
        accept(strict, OPAQUE)
    stored = accept(strict, seal(strict.recipient(ALICE), API_KEY))
    assert accept(strict, stored.jwe) == stored
    older = accept(vault, OPAQUE)  # Stored before the policy was stricter: it may stay.
    assert accept(strict, older.jwe) == older
    assert opened(strict, older) == OPAQUE


# Turning the sealing key


def test_older_sealing_keys_open_until_they_are_retired(vault: Vault, keyring: Path) -> None:
    old = vault.recipient(ALICE)
    sealed = seal(old, API_KEY)
    turn(keyring)
    both = new_vault(keyring)
    assert both.recipient(ALICE)["keys"][0]["kid"] != old["keys"][0]["kid"]
    assert opened(both, accept(both, sealed)) == API_KEY
    retire_keys(keyring, retirable(keyring))
    with pytest.raises(KeyNotAccepted):
        accept(new_vault(keyring), sealed)
