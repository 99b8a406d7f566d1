"""What these tests start from: owners, requests, a vault over a keyring file, the log."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin import AIConfigPlugin, Settings
from aiconfig_plugin.client import seal
from aiconfig_plugin.domain.model import Destination, Owner, StoredKey, Submission
from aiconfig_plugin.errors import MissingToken
from aiconfig_plugin.http.validation import parse_submission
from aiconfig_plugin.keys.keyring import load_keyring
from aiconfig_plugin.keys.keyring_file import add_keys, create_keyring, promote_keys
from aiconfig_plugin.keys.vault import Vault
from tests.support.gateway import body, entry

ISSUER = "https://issuer.example"
ALICE, BOB = Owner(ISSUER, "alice"), Owner(ISSUER, "bob")
OPENAI = Destination("OpenAI")
API_KEY = "sk-live-9f3kd83jd0s7eu2hqp"
PROMPT = "You are a careful pirate."
MODELS = [
    entry("gpt-4", key="key 0"),
    entry("ada", type="embedding", key="key 1"),
    entry("gpt-4", provider="Azure", paid=False, key="key 2"),
    entry("gpt-4o", key="key 3"),
    entry("llama3", provider="Ollama", paid=False),
]
"""Entries to choose from: two providers have one model, and one entry has no key."""

RUN = pytest.mark.gen_test(timeout=60)


def submission(*entries: dict[str, Any], prompt: str = PROMPT) -> Submission:
    """What a handler makes of such a body."""
    return parse_submission(json.dumps(body(*entries, prompt=prompt)).encode())


def new_vault(keyring: Path, **options: Any) -> Vault:
    """A vault over that file, which is made where it is missing."""
    if not keyring.exists():
        create_keyring(keyring)
    return Vault(load_keyring(keyring), **options)


def accept(vault: Vault, submitted: str, owner: Owner = ALICE, to: str = "OpenAI") -> StoredKey:
    return vault.accept_submitted_key(owner, Destination(to), submitted)


def opened(vault: Vault, stored: StoredKey, owner: Owner = ALICE, to: str = "OpenAI") -> str:
    return vault.open(owner, Destination(to), stored).get_secret_value()


def turn(keyring: Path) -> None:
    """Make new keys and use them from now on."""
    add_keys(keyring)
    promote_keys(keyring)


def drop(keyring: Path, *kids: str) -> list[dict[str, Any]]:
    """Lose keys of a keyring, without asking whether they are in use; return them."""
    document = json.loads(keyring.read_bytes())
    lost = [key for key in document["keys"] if key["kid"] in kids]
    document["keys"] = [key for key in document["keys"] if key["kid"] not in kids]
    keyring.write_text(json.dumps(document))
    return lost


def sealed_entry(
    vault: Vault, owner: Owner, api_key: str = API_KEY, model: str = "gpt-4", **members: Any
) -> dict[str, Any]:
    """An entry whose key is sealed for that owner."""
    provider = members.get("provider", "OpenAI")
    return entry(model, key=seal(vault.recipient(owner), api_key, provider=provider), **members)


async def nobody(_request: object) -> Any:
    raise MissingToken("These tests call Python.")


def new_plugin(
    keyring: Path, mongodb_uri: str | None = None, name: str = "aiconfig", **given: Any
) -> AIConfigPlugin:
    """A plugin that is used from Python alone."""
    settings = Settings(
        mongodb_uri=mongodb_uri, mongodb_database=name, keyring=keyring, issuer=ISSUER
    )
    return AIConfigPlugin(settings, **{"authenticate": nobody, **given})


@asynccontextmanager
async def started(*arguments: Any, **given: Any) -> AsyncIterator[AIConfigPlugin]:
    """A plugin as :func:`new_plugin` makes it, between its start and its end."""
    plugin = new_plugin(*arguments, **given)
    try:
        await plugin.start()
        yield plugin
    finally:
        await plugin.close()


class _Messages(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def logged(name: str, level: int = logging.INFO) -> Iterator[list[str]]:
    """What one logger, and none below it, says meanwhile."""
    logger, handler = logging.getLogger(name), _Messages()
    handler.addFilter(lambda record: record.name == name)
    before = logger.level
    logger.setLevel(level)
    logger.addHandler(handler)
    try:
        yield handler.messages
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
