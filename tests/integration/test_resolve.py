"""Resolving over MongoDB: what it asks the database, and what its errors show."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient

from aiconfig_plugin.errors import (
    ConfigNotFound,
    KeyUnreadable,
)
from tests.support.builders import (
    ALICE,
    API_KEY,
    BOB,
    RUN,
    started,
    submission,
)
from tests.support.commands import CommandRecorder
from tests.support.gateway import entry

MODELS = [
    entry("gpt-4", key="key 0"),
    entry("ada", type="embedding", key="key 1"),
    entry("gpt-4", provider="Azure", paid=False, key="key 2"),
    entry("gpt-4o", key="key 3"),
    entry("llama3", provider="Ollama", paid=False),
]


# What it costs


@RUN
async def test_it_asks_the_store_once(keyring: Path, mongod: Any, database_name: str) -> None:
    commands = CommandRecorder()
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
        mongod.uri, event_listeners=[commands]
    )
    try:
        async with started(keyring, database=client[database_name]) as plugin:
            await plugin._service.create(ALICE, submission(*MODELS))
            for filters in ({}, {"provider": "Ollama"}, {"model": "gpt-4o"}):
                commands.clear()
                await plugin.resolve("alice", **filters)
                assert commands.names == ["find"]
            commands.clear()
            with pytest.raises(ConfigNotFound):
                await plugin.resolve("bob")
            assert commands.names == ["find"]
    finally:
        client.close()


@RUN
async def test_the_errors_of_resolving_do_not_show_it(
    keyring: Path, mongod: Any, database_name: str, documents: Any
) -> None:
    async with started(keyring, mongod.uri, database_name) as plugin:
        for owner in (ALICE, BOB):
            await plugin._service.create(owner, submission(entry(key=API_KEY[3:])))
        theirs = documents.find_one({"subject": "bob"})["models"][0]["key"]
        documents.update_one({"subject": "alice"}, {"$set": {"models.0.key": theirs}})
        with pytest.raises(KeyUnreadable) as raised:
            await plugin.resolve("alice")
        summary = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
        assert API_KEY[3:] not in "".join(summary.format())
