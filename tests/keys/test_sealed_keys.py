"""Sealed keys: what a client is told, what opens, and what does not, and who learns why."""

from __future__ import annotations

import asyncio
import json
import threading
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwe
from joserfc.jwk import ECKey

from aiconfig_plugin.client import seal
from aiconfig_plugin.domain.model import Destination, Owner, StoredKey
from aiconfig_plugin.domain.service import AIConfigService
from aiconfig_plugin.errors import ConfigNotFound, KeyNotAccepted, KeyNotEncrypted
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.keys.keyring_file import retirable, retire_keys
from aiconfig_plugin.keys.vault import Vault
from aiconfig_plugin.testing import InMemoryRepository
from tests.support.builders import (
    ALICE,
    API_KEY,
    BOB,
    RUN,
    accept,
    logged,
    new_vault,
    opened,
    sealed_entry,
    submission,
    turn,
)
from tests.support.gateway import OPAQUE, READ_PATH, Gateway, body, entry, problem
from tests.support.reference_jwe import LEFT_OUT, apv, b64, public_jwk, seal_by_hand, unb64

MakeGateway = Callable[..., Awaitable[Gateway]]
Document = dict[str, Any]


async def encryption_key(gateway: Gateway, user: str = "alice") -> Document:
    response = await gateway.call("GET", f"{READ_PATH}/encryption-key", None, gateway.auth(user))
    assert response.code == 200
    document: Document = json.loads(response.body)
    return document


async def api_key_of(gateway: Gateway, user: str = "alice", **filters: str) -> str | None:
    """What the gateway's own calls would use."""
    chosen = await gateway.plugin.resolve(user, **filters)
    return chosen.api_key.get_secret_value() if chosen.api_key else None


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


@RUN
async def test_the_document_is_a_jwk_set_of_one_public_key_and_the_user_s_apv(
    gateway: Gateway,
) -> None:
    document = await encryption_key(gateway)
    [key] = document.pop("keys")
    assert document == {"apv": apv(gateway.issuer, "alice")}
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    fixed = {name: key[name] for name in ("kty", "crv", "use", "alg")}
    assert fixed == {"kty": "EC", "crv": "P-256", "use": "enc", "alg": "ECDH-ES"}
    assert {len(key[name]) for name in ("x", "y")} == {43}
    assert gateway.settings.keyring
    assert key["kid"] == load_keyring(gateway.settings.keyring).primary_sealing


@RUN
async def test_each_user_has_another_apv_and_the_same_key(gateway: Gateway) -> None:
    alice, bob = [await encryption_key(gateway, user) for user in ("alice", "bob")]
    assert alice["keys"] == bob["keys"]
    assert alice["apv"] != bob["apv"] == apv(gateway.issuer, "bob")


# What opens


@RUN
@pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A256KW"])
async def test_a_sealed_key_is_opened_and_kept_in_the_stored_form(
    gateway: Gateway, alg: str
) -> None:
    sealed = seal_with_a_library(await encryption_key(gateway), API_KEY.encode(), alg=alg)
    alice = gateway.user("alice")
    assert (await alice.create(body(entry(key=sealed)))).code == 201
    stored = (await alice.keys())["gpt-4"]
    assert stored and stored != sealed and API_KEY not in stored
    assert await api_key_of(gateway) == API_KEY


@RUN
@pytest.mark.parametrize("size", [1, 4096])
async def test_a_key_may_have_this_many_bytes(gateway: Gateway, size: int) -> None:
    text = "ü" * (size // 2) + "x" * (size % 2)
    sealed = seal(await encryption_key(gateway), text)
    assert (await gateway.user("alice").create(body(entry(key=sealed)))).code == 201
    assert await api_key_of(gateway) == text


@RUN
async def test_members_that_the_standard_knows_do_no_harm(gateway: Gateway) -> None:
    sealed = seal_by_hand(await encryption_key(gateway), b"k", typ="JWE", cty="text/plain")
    assert (await gateway.user("alice").create(body(entry(key=sealed)))).code == 201
    assert await api_key_of(gateway) == "k"


@pytest.mark.parametrize("provider", ["OpenAI", "Übersee 密钥", '"\\', "\U0001f511" * 40])
def test_a_sealed_key_fits_the_provider_that_it_names_and_no_other(
    tmp_path: Path, provider: str
) -> None:
    vault = new_vault(tmp_path / "keyring.json")
    sealed = seal(vault.recipient(ALICE), API_KEY, provider=provider)
    assert json.loads(unb64(sealed.split(".")[0]))["aud"] == provider
    stored = accept(vault, sealed, to=provider)
    assert opened(vault, stored, to=provider) == API_KEY
    with pytest.raises(KeyNotAccepted, match="does not open here"):
        accept(vault, sealed, to=provider + " ")


def test_without_a_provider_a_sealed_key_fits_any_as_it_always_did(tmp_path: Path) -> None:
    vault = new_vault(tmp_path / "keyring.json")
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
REFUSED = {
    "title": KeyNotAccepted.title,
    "status": 422,
    "detail": "This encrypted API key does not open here for this user and provider.",
    "errors": [
        {
            "pointer": "/models/0/apiKeyEncrypted",
            "code": "key-not-accepted",
            "detail": "This encrypted API key does not open here for this user and provider.",
        }
    ],
}


@RUN
@pytest.mark.parametrize("fault", [*FAULTS, *BESIDES])
async def test_refused_with_the_one_answer_and_nothing_is_stored(
    gateway: Gateway, documents: Any, fault: str
) -> None:
    sealed = {**FAULTS, **BESIDES}[fault](await encryption_key(gateway))
    alice = gateway.user("alice")
    with logged("aiconfig_plugin") as lines:
        response = await alice.create(body(entry(key=sealed), entry("o3", key=OPAQUE)))
    answer = problem(response, 422, "key-not-accepted")
    assert {name: answer[name] for name in REFUSED} == REFUSED
    assert documents.count_documents({}) == 0
    assert len(lines) == 1 and lines[0].startswith("1 submitted API keys were not accepted: ")
    assert not any(part and part in lines[0] for part in sealed.split("."))

    await alice.create(body(entry(key=OPAQUE)))
    [before] = documents.find()
    problem(await alice.update(body(entry(key=sealed), entry("o3"))), 422, "key-not-accepted")
    assert list(documents.find()) == [before]


def test_the_log_tells_every_fault_from_every_other(tmp_path: Path) -> None:
    vault = new_vault(tmp_path / "keyring.json")
    reasons: dict[str, list[str]] = {}
    for fault, make in FAULTS.items():
        with pytest.raises(KeyNotAccepted) as refused:
            accept(vault, make(vault.recipient(ALICE)))
        reasons.setdefault(refused.value.reason, []).append(fault)
    assert {r: faults for r, faults in reasons.items() if len(faults) > 1} == {}


@RUN
async def test_a_sealed_key_of_another_user_does_not_open(gateway: Gateway) -> None:
    sealed = seal(await encryption_key(gateway, "bob"), API_KEY)
    refused = await gateway.user("alice").create(body(entry(key=sealed)))
    problem(refused, 422, "key-not-accepted")


@RUN
async def test_an_apv_that_is_put_right_afterwards_does_not_help(gateway: Gateway) -> None:
    alice, bob = [await encryption_key(gateway, user) for user in ("alice", "bob")]
    sealed = seal_by_hand(bob, b"k")
    header = {**json.loads(unb64(sealed.split(".")[0])), "apv": alice["apv"]}
    moved = _changed(sealed, 0, b64(json.dumps(header).encode()))
    refused = await gateway.user("alice").create(body(entry(key=moved)))
    problem(refused, 422, "key-not-accepted")


# The policy


@RUN
async def test_where_only_sealed_keys_are_taken_opaque_ones_are_not(
    make_gateway: MakeGateway,
) -> None:
    gateway = await make_gateway(api_key_policy="sealed")
    alice = gateway.user("alice")
    refused = await alice.create(body(entry(key=OPAQUE)))
    problem(refused, 422, "key-not-encrypted")
    sealed = seal(await encryption_key(gateway), API_KEY)
    assert (await alice.create(body(entry(key=sealed)))).code == 201
    stored = (await alice.keys())["gpt-4"]
    assert (await alice.update(body(entry(key=stored)))).code == 200
    assert await alice.keys() == {"gpt-4": stored}
    assert await api_key_of(gateway) == API_KEY


@RUN
async def test_the_stricter_policy_leaves_what_is_stored(make_gateway: MakeGateway) -> None:
    lax = await make_gateway()
    alice = lax.user("alice")
    await alice.create(body(entry(key=OPAQUE)))
    stored = await alice.keys()
    lax.plugin._service._vault._sealed_only = True  # type: ignore[attr-defined]
    assert (await alice.update(body(entry(), prompt="New."))).code == 200
    assert await alice.keys() == stored
    assert await api_key_of(lax) == OPAQUE


@RUN
# A longer one grows, as it is stored, past what a request may hold.
@pytest.mark.parametrize("size", [5000, 5800])
async def test_whatever_is_handed_out_may_come_back(gateway: Gateway, size: int) -> None:
    alice = gateway.user("alice")
    assert (await alice.create(body(entry(key=(OPAQUE * 300)[:size])))).code == 201
    stored = (await alice.keys())["gpt-4"]
    assert (await alice.update(body(entry(key=stored)))).code == 200


# Turning the sealing key


def test_older_sealing_keys_open_until_they_are_retired(tmp_path: Path) -> None:
    keyring = tmp_path / "keyring.json"
    old = new_vault(keyring).recipient(ALICE)
    sealed = seal(old, API_KEY)
    turn(keyring)
    both = new_vault(keyring)
    assert both.recipient(ALICE)["keys"][0]["kid"] != old["keys"][0]["kid"]
    stored = accept(both, sealed)
    assert opened(both, stored) == API_KEY
    retire_keys(keyring, retirable(keyring))
    with pytest.raises(KeyNotAccepted):
        accept(new_vault(keyring), sealed)


# Many at once


class _Watched(Vault):
    """Holds on to the first key until it is let go, and remembers its thread."""

    def __init__(self, vault: Vault) -> None:
        self.__dict__.update(vault.__dict__)
        self.threads: set[int] = set()
        self.begun, self.go = threading.Event(), threading.Event()

    def accept_submitted_key(
        self, owner: Owner, destination: Destination, submitted: str
    ) -> StoredKey:
        self.threads.add(threading.get_ident())
        self.begun.set()
        assert self.go.wait(30), "the event loop stood still"
        return super().accept_submitted_key(owner, destination, submitted)


@RUN
async def test_while_a_hundred_sealed_keys_are_opened_the_loop_goes_on(tmp_path: Path) -> None:
    vault = _Watched(new_vault(tmp_path / "keyring.json"))
    service = AIConfigService(InMemoryRepository(), vault)
    await service._repository.start()
    hundred = submission(*(sealed_entry(vault, ALICE, f"k{n}", f"m{n}") for n in range(100)))
    creating = asyncio.create_task(service.create(ALICE, hundred))
    assert await asyncio.to_thread(vault.begun.wait, 30)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not creating.done()
    vault.go.set()
    await creating
    assert threading.get_ident() not in vault.threads and len(vault.threads) == 1
    for number in (0, 99):
        chosen = await service.resolve(ALICE, model=f"m{number}")
        assert chosen.api_key and chosen.api_key.get_secret_value() == f"k{number}"


@RUN
async def test_a_hundred_faults_are_told_of_at_once(tmp_path: Path) -> None:
    vault = new_vault(tmp_path / "keyring.json")
    service = AIConfigService(InMemoryRepository(), vault)
    await service._repository.start()
    bobs = [sealed_entry(vault, BOB, model=f"m{n}") for n in range(100)]
    with logged("aiconfig_plugin") as lines, pytest.raises(KeyNotAccepted) as refused:
        await service.create(ALICE, submission(*bobs))
    pointers = [violation.pointer for violation in refused.value.violations]
    assert pointers == [f"/models/{n}/apiKeyEncrypted" for n in range(100)]
    assert len(lines) == 1 and lines[0].startswith("100 ")


# Damage


def damaged(text: str) -> list[str]:
    """The text with each of its bytes changed, in each of its bits that leave it ASCII."""
    return [
        text[:place] + chr(ord(character) ^ (1 << bit)) + text[place + 1 :]
        for place, character in enumerate(text)
        for bit in range(7)
    ]


@RUN
@pytest.mark.parametrize("kind", ["ECDH-ES", "ECDH-ES+A256KW", "stored"])
async def test_with_any_bit_changed_it_is_never_accepted(tmp_path: Path, kind: str) -> None:
    vault = new_vault(tmp_path / "keyring.json")
    service = AIConfigService(InMemoryRepository(), vault)
    await service._repository.start()
    document = vault.recipient(ALICE)
    if kind == "stored":
        good = accept(vault, seal(document, API_KEY)).jwe
    else:
        good = seal_with_a_library(document, API_KEY.encode(), alg=kind)
    accepted = []
    for bad in damaged(good):
        try:
            await service.create(ALICE, submission(entry(key=bad)))
        except (KeyNotAccepted, KeyNotEncrypted):
            with pytest.raises(ConfigNotFound):
                await service.read(ALICE)
            continue
        accepted.append(bad)
        await service.delete(ALICE)
    assert accepted == []
    await service.create(ALICE, submission(entry(key=good)))
