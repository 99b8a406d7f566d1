"""Other implementations of JOSE seal keys that the vault opens, and open what is made here."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK

from aiconfig_plugin.client import seal
from aiconfig_plugin.keys.vault import Vault
from tests.support.builders import ALICE, accept, new_vault, opened
from tests.support.processes import need
from tests.support.reference_jwe import b64, unb64

API_KEY = "sk-proj-ünï\U0001f511-" + "x" * 40
SOURCES = Path(__file__).parent / "interop"


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("interop") / "keyring.json"


@pytest.fixture(scope="module")
def vault(keyring: Path) -> Vault:
    return new_vault(keyring)


@pytest.fixture(scope="module")
def made_here(vault: Vault, keyring: Path) -> dict[str, Any]:
    """A sealed and a stored key, and the keys that open them, as plain JWKs."""
    document = vault.recipient(ALICE)
    sealed = seal(document, API_KEY)
    keys = {jwk["kty"]: jwk for jwk in json.loads(keyring.read_bytes())["keys"]}
    return {
        "document": document,
        "apiKey": API_KEY,
        "sealed": sealed,
        "sealing": keys["EC"],
        "stored": accept(vault, sealed).jwe,
        "storage": keys["oct"],
    }


@pytest.fixture(scope="module")
def node(made_here: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the implementations on Node answer."""
    commands = need("node"), need("npm")
    directory = tmp_path_factory.mktemp("node") / "interop"
    shutil.copytree(SOURCES, directory)
    flags = "--no-audit --no-fund --no-package-lock --ignore-scripts".split()
    installed = subprocess.run(
        [commands[1], "install", *flags], cwd=directory, capture_output=True, text=True, timeout=300
    )
    assert installed.returncode == 0, installed.stderr
    ran = subprocess.run(
        [commands[0], "interop.mjs"],
        cwd=directory,
        input=json.dumps(made_here),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def opened_here(vault: Vault, sealed: str) -> str:
    stored = accept(vault, sealed)
    return opened(vault, stored)


@pytest.mark.parametrize("by", ["jose, ECDH-ES", "jose, ECDH-ES+A256KW", "WebCrypto, ECDH-ES"])
def test_what_node_seals_opens_here(vault: Vault, node: dict[str, Any], by: str) -> None:
    assert opened_here(vault, node["sealed"][by]) == API_KEY


@pytest.mark.parametrize("by", ["jose", "WebCrypto"])
@pytest.mark.parametrize("kind", ["sealed", "stored"])
def test_node_opens_what_is_made_here(node: dict[str, Any], by: str, kind: str) -> None:
    assert node["opened"][f"{by}, {kind}"] == API_KEY


@pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A256KW"])
def test_what_jwcrypto_seals_opens_here(vault: Vault, alg: str) -> None:
    document = vault.recipient(ALICE)
    [jwk] = document["keys"]
    header = {"alg": alg, "enc": "A256GCM", "kid": jwk["kid"], "apv": document["apv"]}
    # Its policy is to let a key do what its "alg" says and no more.
    recipient = JWK(**{name: value for name, value in jwk.items() if name != "alg"})
    jwe = JWE(API_KEY.encode(), json.dumps(header), recipient=recipient)
    assert opened_here(vault, jwe.serialize(compact=True)) == API_KEY


@pytest.mark.parametrize(("kind", "key"), [("sealed", "sealing"), ("stored", "storage")])
def test_jwcrypto_opens_what_is_made_here(made_here: dict[str, Any], kind: str, key: str) -> None:
    jwe = JWE()
    jwe.deserialize(made_here[kind], JWK(**made_here[key]))
    assert jwe.payload == API_KEY.encode()


def test_the_raw_storage_key_is_enough(made_here: dict[str, Any]) -> None:
    raw = unb64(made_here["storage"]["k"])
    assert len(raw) == 32
    jwe = JWE()
    jwe.deserialize(made_here["stored"], JWK(kty="oct", k=b64(raw)))
    assert jwe.payload == API_KEY.encode()
