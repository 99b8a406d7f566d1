"""Writers race for the same configurations, and the history checker is shown to be awake."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aiconfig_plugin.store import repository
from tests.faults.history import check
from tests.faults.load import Load
from tests.support.gateway import API, USERS, Gateway

CLIENTS, REQUESTS = 8, 40


def race(mongod: Any, database_name: str, tmp_path: Path) -> Load:
    async def run() -> Load:
        gateway = Gateway(mongod.uri, database_name, tmp_path / "keyring.json")
        await gateway.start()
        try:
            load = Load([gateway.url + API], {user: gateway.auth(user) for user in USERS})
            await load.run(CLIENTS, asyncio.Event(), limit=REQUESTS)
            await load.read_all()
        finally:
            await gateway.close()
        return load

    load = asyncio.run(run())
    assert load.wrong == []
    assert len(load.history) == CLIENTS * REQUESTS + len(USERS)
    return load


def test_racing_writers_see_a_linearizable_register(
    mongod: Any, database_name: str, tmp_path: Path
) -> None:
    load = race(mongod, database_name, tmp_path)
    assert load.statuses["PUT 412"] > 0 and load.statuses["POST 409"] > 0
    assert check(load.history) == []


def test_a_repository_that_leaves_the_revision_out_of_its_filter_is_found_out(
    mongod: Any, database_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    matching = repository._matching
    monkeypatch.setattr(repository, "_matching", lambda owner, _if_match=None: matching(owner))
    load = race(mongod, database_name, tmp_path)
    assert {violation.why for violation in check(load.history)} == {"not linearizable"}
