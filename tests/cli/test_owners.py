"""The commands about one owner."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from aiconfig_plugin.domain import Filters, KeyUseRecorder, Owner
from aiconfig_plugin.domain.service import AIConfigService
from aiconfig_plugin.keys import create_keyring
from aiconfig_plugin.store import MongoStores
from aiconfig_plugin.store.key_use import COLLECTION as KEY_USE
from tests.support.builders import logged, new_vault, sealed_entry, submission
from tests.support.command_line import Run, assert_one_line
from tests.support.gateway import entry

API_KEY = "sk-live-9f3kd83jd0s7eu2hqp"
SECRET_PROMPT = "You are Alice's confessor."
ISSUER = "https://issuer.example"


@pytest.fixture
def settings(mongod: Any, database_name: str, keyring: Path) -> dict[str, str]:
    """Settings with Alice's configuration in their database."""
    vault = new_vault(keyring)
    alice = Owner(ISSUER, "alice")
    labelled = {**entry("llama3", provider="Ollama", paid=False), "label": "at home"}
    given = submission(sealed_entry(vault, alice, API_KEY), labelled, prompt=SECRET_PROMPT)

    async def store() -> None:
        stores = MongoStores.connect(mongod.uri, database_name)
        await stores.start()
        key_use = KeyUseRecorder(stores.key_use)
        service = AIConfigService(stores.repository, vault, None, key_use)
        await service.create(alice, given)
        service.report(await service.resolve(alice, Filters()), "accepted")
        await key_use.flush()
        await stores.close()

    asyncio.run(store())
    return {
        "mongodb_uri": mongod.uri,
        "mongodb_database": database_name,
        "keyring": str(keyring),
        "issuer": ISSUER,
    }


def key_of(settings: dict[str, str], owner: Owner) -> str | None:
    async def resolve() -> str | None:
        stores = MongoStores.connect(settings["mongodb_uri"], settings["mongodb_database"])
        await stores.start()
        vault = new_vault(Path(settings["keyring"]))
        found = await AIConfigService(stores.repository, vault).resolve(owner, Filters())
        await stores.close()
        return found.api_key.get_secret_value() if found.api_key else None

    return asyncio.run(resolve())


def test_show_tells_what_there_is_without_the_contents(run: Run, settings: dict[str, str]) -> None:
    done = run("owner", "show", "alice", **settings)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    revision = lines.pop(2)
    assert revision.startswith("revision       ")
    assert lines == [
        f"issuer         {ISSUER}",
        "subject        alice",
        "system prompt  26 characters",
        "/models/0      OpenAI gpt-4 (chat), paid, key set",
        '/models/1      Ollama llama3 (chat), free, key unset, label "at home"',
    ]


def test_export_has_all_but_a_key_in_plain_text(
    run: Run, settings: dict[str, str], documents: Any
) -> None:
    with logged("aiconfig_plugin.audit") as lines:
        done = run("owner", "export", "alice", **settings)
    assert (done.code, done.err) == (0, "")
    exported, stored = json.loads(done.out), documents.find_one()
    assert list(exported) == ["issuer", "subject", "revision", "models", "system_prompt"]
    assert {name: exported[name] for name in ("issuer", "subject", "revision")} == {
        name: stored[name] for name in ("issuer", "subject", "revision")
    }
    assert exported["system_prompt"] == SECRET_PROMPT
    assert exported["models"][0] == {
        **entry(),
        "apiKeyEncrypted": stored["models"][0]["key"]["jwe"],
        "keyState": "set",
        "keyUse": ANY,
    }
    assert exported["models"][0]["keyUse"]["lastResult"] == "accepted"
    assert exported["models"][1]["keyUse"] is None
    assert exported["models"][1]["apiKeyEncrypted"] is None
    assert exported["models"][1]["label"] == "at home"
    assert API_KEY not in done.out
    assert [json.loads(line)["action"] for line in lines] == ["read-keys"]


def test_delete_asks_first(
    run: Run, settings: dict[str, str], documents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for answer in ("n\n", ""):
        monkeypatch.setattr("sys.stdin", _Input(answer))
        done = run("owner", "delete", "alice", **settings)
        assert done.code == 1 and f"Delete all data of alice ({ISSUER})?" in done.err
        assert documents.count_documents({}) == 1
        assert documents.database[KEY_USE].count_documents({}) == 1
    with logged("aiconfig_plugin.audit") as lines:
        done = run("owner", "delete", "alice", "--yes", **settings)
    assert done == (0, "Deleted the configuration of alice.\n", "")
    assert documents.count_documents({}) == 0
    assert documents.database[KEY_USE].count_documents({}) == 0
    assert [json.loads(line)["action"] for line in lines] == ["delete"]
    assert_one_line(run("owner", "delete", "alice", "--yes", **settings), "no AI model config")


class _Input:
    def __init__(self, answer: str) -> None:
        self._answer = answer

    def readline(self) -> str:
        if not self._answer:
            raise EOFError
        return self._answer


def test_move_takes_the_key_along_without_showing_it(
    run: Run, settings: dict[str, str], documents: Any
) -> None:
    done = run("owner", "move", "alice", "alice.smith", **settings)
    assert done == (0, "Moved 2 entries with 1 API keys to alice.smith.\n", "")
    assert key_of(settings, Owner(ISSUER, "alice.smith")) == API_KEY
    assert documents.database[KEY_USE].count_documents({}) == 0
    other = "https://new-issuer.example"
    done = run("owner", "move", "alice.smith", "alice.smith", "--to-issuer", other, **settings)
    assert done.code == 0
    assert key_of(settings, Owner(other, "alice.smith")) == API_KEY
    assert documents.count_documents({}) == 1
    issuer = ("--issuer", other)
    assert run("owner", "show", "alice.smith", *issuer, **settings).code == 0


def test_what_cannot_be_moved_is_said(
    run: Run, settings: dict[str, str], keyring: Path, tmp_path: Path
) -> None:
    move = ("owner", "move", "alice")
    assert_one_line(run(*move, "alice", **settings), "The new owner is the old one")
    assert_one_line(run("owner", "move", "bob", "carol", **settings), "no AI model configuration")
    assert run(*move, "bob", **settings).code == 0
    create_keyring(tmp_path / "other.json")
    other = {**settings, "keyring": str(tmp_path / "other.json")}
    assert_one_line(run("owner", "move", "bob", "carol", **other), "/models/0", "--drop-unreadable")
    assert run("owner", "move", "bob", "carol", "--drop-unreadable", **other).code == 0
    shown = run("owner", "show", "carol", **other)
    assert "key unset" in shown.out and "key set" not in shown.out


def test_the_issuer_has_to_come_from_somewhere(run: Run, settings: dict[str, str]) -> None:
    del settings["issuer"]
    assert_one_line(run("owner", "show", "alice", **settings), "AICONFIG_ISSUER", "--issuer")
    assert run("owner", "show", "alice", "--issuer", ISSUER, **settings).code == 0
