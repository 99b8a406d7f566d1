"""``docs/lost-key.md``: every command and every answer, with two stored keys and a lost file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pymongo import MongoClient

from aiconfig_plugin.domain.model import AIConfig, Destination, ModelEntry, Owner
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.keys.keyring_file import create_keyring
from aiconfig_plugin.keys.vault import Vault
from aiconfig_plugin.store.documents import COLLECTION, to_document
from tests.support.processes import authorization_server, settings_for
from tests.support.terminal import DOCS, Terminal, blocks, matches, readers_environment


def store_two_keys(keyring: Path, documents: Any, issuer: str) -> None:
    create_keyring(keyring)
    vault = Vault(load_keyring(keyring))
    for subject in ("alice", "bob"):
        owner = Owner(issuer, subject)
        key = vault.accept_submitted_key(owner, Destination("OpenAI"), f"ciphertext of {subject}")
        entry = ModelEntry("OpenAI", "chat", "gpt-4", True, key)
        documents.insert_one(to_document(owner, AIConfig((entry,), "", f"revision-{subject}")))


def test_the_page_does_what_it_says(mongod: Any, database_name: str, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    lost = tmp_path / "backup" / "keyring.json"
    with MongoClient[dict[str, Any]](mongod.uri) as client, authorization_server() as server:
        store_two_keys(lost, client[database_name][COLLECTION], server.issuer)
        settings = settings_for(server, mongod.uri, database_name, Path("keyring.json"))
        with Terminal(tmp_path, readers_environment(**settings)) as terminal:
            for block in blocks((DOCS / "lost-key.md").read_text(encoding="utf-8")):
                printed = terminal.run(block.text)
                assert matches(block.answer, printed), f"{block.text}\n{printed}"
    present = load_keyring(tmp_path / "keyring.json")
    assert set(present.storage).isdisjoint(load_keyring(lost).storage)
