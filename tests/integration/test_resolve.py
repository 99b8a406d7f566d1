"""Resolving over MongoDB: what it asks the database, and what its errors show."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.errors import ConfigNotFound, KeyUnreadable
from tests.support.builders import ALICE, API_KEY, BOB, MODELS, RUN, started, submission
from tests.support.commands import recorded
from tests.support.gateway import entry

# What it costs


@RUN
async def test_it_asks_the_store_once(keyring: Path, mongod: Any, database_name: str) -> None:
    with recorded(mongod.uri, database_name) as (database, commands):
        async with started(keyring, database=database) as plugin:
            await plugin._service.create(ALICE, submission(*MODELS))
            for filters in ({}, {"provider": "Ollama"}, {"model": "gpt-4o"}):
                commands.clear()
                await plugin.resolve("alice", **filters)
                assert commands.names == ["find"]
            commands.clear()
            with pytest.raises(ConfigNotFound):
                await plugin.resolve("bob")
            assert commands.names == ["find"]


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
