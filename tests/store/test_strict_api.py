"""Everything that is asked of MongoDB is in its stable API, and Motor is only a host's own."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.server_api import ServerApi

from aiconfig_plugin.domain import FleetKeys, KeyIdentity, KeyUse, Owner
from aiconfig_plugin.store import MongoStores

OWNER = Owner("https://issuer.example", "alice")


@pytest.mark.parametrize("make_client", [AsyncIOMotorClient, AsyncMongoClient])
async def test_every_further_store_works_under_the_strict_api(
    mongod: Any, database_name: str, make_client: Any
) -> None:
    """The repository's own tests run under it as well."""
    client = make_client(mongod.uri, server_api=ServerApi("1", strict=True))
    stores = MongoStores(client[database_name])
    await stores.start()
    assert not await stores.gateways.announce("id", frozenset({"k1"}), frozenset({"k1"}))
    assert [gateway.id for gateway in await stores.gateways.live()] == ["id"]
    assert await stores.gateways.change_keys(
        FleetKeys(), FleetKeys(version=1, retired=frozenset({"k0"}))
    )
    await stores.gateways.refuse_retired()
    await stores.gateways.leave("id")
    await stores.logouts.add(subject="alice")
    assert [each.subject for each in await stores.logouts.recent(60)] == ["alice"]
    key, use = KeyIdentity(OWNER, "x"), KeyUse(datetime(2026, 1, 1, tzinfo=timezone.utc))
    await stores.key_use.record({key: use})
    assert await stores.key_use.read([key]) == {key: use}
    await stores.key_use.forget([OWNER])
    assert await stores.repository.count_owners() == 0
    closing = client.close()
    await closing if closing is not None else None


WITHOUT_MOTOR = """
import asyncio, sys
from pathlib import Path
from pymongo import AsyncMongoClient
from aiconfig_plugin import AIConfigPlugin, Settings
sys.modules["motor"] = None
async def nobody(request): return None
async def run(uri, name, keyring):
    client = AsyncMongoClient(uri)
    settings = Settings(keyring=keyring, issuer="https://issuer.example")
    async with AIConfigPlugin(settings, database=client[name], authenticate=nobody) as plugin:
        await plugin.logout(subject="alice")
    await client.close()
asyncio.run(run(*sys.argv[1:]))
"""


def test_a_gateway_with_a_database_of_pymongo_s_needs_no_motor(
    mongod: Any, database_name: str, keyring: Path
) -> None:
    command = [sys.executable, "-c", WITHOUT_MOTOR, mongod.uri, database_name, str(keyring)]
    subprocess.run(command, check=True)
