"""Log-outs on their way to every process: one contract in memory and in MongoDB."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta, timezone
from typing import Any

import pytest
from pymongo import MongoClient
from tornado.ioloop import IOLoop

from aiconfig_plugin.domain import Stores
from aiconfig_plugin.domain.logout import KEPT
from aiconfig_plugin.testing import InMemoryRepository, InMemoryStores
from tests.store.test_gateways import opened

TOKEN = "a" * 64


@pytest.fixture(params=["memory", "motor", "pymongo strict"])
def stores(request: pytest.FixtureRequest, io_loop: IOLoop) -> Iterator[Stores]:
    if request.param == "memory":
        yield InMemoryStores(InMemoryRepository())
        return
    uri = request.getfixturevalue("mongod").uri
    manager = opened(request.param, uri, request.getfixturevalue("database_name"))
    yield io_loop.run_sync(manager.__aenter__)
    io_loop.run_sync(lambda: manager.__aexit__(None, None, None))


async def test_every_log_out_is_found_once_and_in_its_order(stores: Stores) -> None:
    await stores.logouts.add(subject="$alice")
    await stores.logouts.add(token=TOKEN)
    found = await stores.logouts.recent(10)
    assert [(logout.subject, logout.token) for logout in found] == [
        ("$alice", None),
        (None, TOKEN),
    ]
    assert found[0].id != found[1].id
    assert found[0].at <= found[1].at and found[0].at.tzinfo is timezone.utc


async def test_only_recent_log_outs_are_found(mongod: Any, database_name: str) -> None:
    async with opened("motor", mongod.uri, database_name) as stores:
        for subject in ("alice", "bob"):
            await stores.logouts.add(subject=subject)
        with MongoClient[dict[str, Any]](mongod.uri) as client:
            documents = client[database_name]["ai_model_logouts"]
            then = documents.find_one({"subject": "alice"})
            assert then is not None
            earlier = then["at"] - timedelta(seconds=60)
            documents.update_one({"subject": "alice"}, {"$set": {"at": earlier}})
            assert documents.index_information()["at_1"]["expireAfterSeconds"] == KEPT
        assert [logout.subject for logout in await stores.logouts.recent(10)] == ["bob"]
        assert [logout.subject for logout in await stores.logouts.recent(70)] == ["alice", "bob"]
