"""What the processes of a fleet tell each other: one contract in memory and in MongoDB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias

import pytest
from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import WriteError
from pymongo.server_api import ServerApi
from tornado.ioloop import IOLoop

from aiconfig_plugin.domain import AIConfig, FleetKeys, ModelEntry, Owner, StoredKey, Stores
from aiconfig_plugin.domain.fleet import LIVE
from aiconfig_plugin.errors import InternalError, StorageUnavailable
from aiconfig_plugin.store import COLLECTION, MongoStores, validators
from aiconfig_plugin.store.documents import CONFIGS
from aiconfig_plugin.store.migration import Migration
from aiconfig_plugin.testing import InMemoryRepository, InMemoryStores

Document: TypeAlias = dict[str, Any]

OLD, NEW = frozenset({"old", "s1"}), frozenset({"new", "s1"})
BOTH = OLD | NEW
OWNER = Owner("https://issuer.example", "alice")


def config(kid: str) -> AIConfig:
    key = StoredKey(kid, "eyJh.a.b.c.d")
    return AIConfig((ModelEntry("OpenAI", "chat", "gpt-4", True, key),), "Be kind.", "r1")


@asynccontextmanager
async def opened(kind: str, uri: str, name: str) -> AsyncIterator[Stores]:
    client: Any = AsyncIOMotorClient(uri) if kind == "motor" else _strict_client(uri)
    stores = MongoStores(client[name])
    await stores.start()
    try:
        yield stores
    finally:
        await stores.close()
        closing = client.close()
        await closing if closing is not None else None


def _strict_client(uri: str) -> Any:
    return AsyncMongoClient[Document](uri, server_api=ServerApi("1", strict=True))


@pytest.fixture(params=["memory", "motor", "pymongo strict"])
def stores(request: pytest.FixtureRequest, io_loop: IOLoop) -> Iterator[Stores]:
    if request.param == "memory":
        memory = InMemoryStores(InMemoryRepository())
        io_loop.run_sync(memory.start)
        yield memory
        return
    uri = request.getfixturevalue("mongod").uri
    manager = opened(request.param, uri, request.getfixturevalue("database_name"))
    made = io_loop.run_sync(manager.__aenter__)
    yield made
    io_loop.run_sync(lambda: manager.__aexit__(None, None, None))


@pytest.fixture
def mongo(mongod: Any, database_name: str, io_loop: IOLoop) -> Iterator[Stores]:
    manager = opened("pymongo strict", mongod.uri, database_name)
    yield io_loop.run_sync(manager.__aenter__)
    io_loop.run_sync(lambda: manager.__aexit__(None, None, None))


@pytest.fixture
def raw(mongod: Any, database_name: str) -> Iterator[Any]:
    with MongoClient[Document](mongod.uri) as client:
        yield client[database_name]


async def test_a_process_is_seen_as_it_announced_itself_last(stores: Stores) -> None:
    gateways = stores.gateways
    assert not await gateways.announce("a", OLD, OLD)
    [first] = await gateways.live()
    assert await gateways.announce("a", BOTH, NEW)
    [then] = await gateways.live()
    assert (then.id, then.kids, then.uses, then.since) == ("a", BOTH, NEW, first.since)
    assert then.host and then.process and then.since.tzinfo is timezone.utc


async def test_a_process_that_left_is_not_seen(stores: Stores) -> None:
    await stores.gateways.announce("a", OLD, OLD)
    await stores.gateways.announce("b", OLD, OLD)
    await stores.gateways.leave("a")
    assert [gateway.id for gateway in await stores.gateways.live()] == ["b"]
    assert not await stores.gateways.announce("a", OLD, OLD)


async def test_names_that_look_like_expressions_are_names(stores: Stores) -> None:
    await stores.gateways.announce("a", frozenset({"$kids", "$$NOW"}), frozenset({"$host"}))
    [found] = await stores.gateways.live()
    assert (found.kids, found.uses) == ({"$kids", "$$NOW"}, {"$host"})


async def test_what_holds_for_all_is_kept_as_it_was_written(stores: Stores) -> None:
    gateways = stores.gateways
    assert await gateways.keys() == FleetKeys()
    keys = FleetKeys(1, frozenset("p"), frozenset("r"), frozenset("x"), "storage", "sealing")
    assert await gateways.change_keys(FleetKeys(), keys)
    assert await gateways.keys() == keys
    fewer = FleetKeys(2, required=frozenset("r"), storage="storage")
    assert await gateways.change_keys(keys, fewer)
    assert await gateways.keys() == fewer


async def test_of_two_who_change_the_same_keys_one_succeeds(stores: Stores) -> None:
    gateways = stores.gateways
    for version in (0, 1):
        before = await gateways.keys()
        after = FleetKeys(version + 1, pending=frozenset("abc"))
        changed = await asyncio.gather(
            *(gateways.change_keys(before, after) for _ in range(4)), return_exceptions=True
        )
        assert sorted(map(bool, changed)) == [False, False, False, True]


async def test_an_announcement_counts_for_some_time_by_the_server_s_clock(
    mongo: Stores, raw: Any
) -> None:
    for id in ("late", "live"):
        await mongo.gateways.announce(id, OLD, OLD)
    late = raw["ai_model_gateways"].find_one({"_id": "late"})["seen"]
    late -= timedelta(seconds=LIVE + 1)
    raw["ai_model_gateways"].update_one({"_id": "late"}, {"$set": {"seen": late}})
    assert [gateway.id for gateway in await mongo.gateways.live()] == ["live"]
    assert raw["ai_model_gateways"].index_information()["seen_1"]["expireAfterSeconds"] > LIVE


async def retired(stores: Stores, *kids: str) -> None:
    before = await stores.gateways.keys()
    after = FleetKeys(before.version + 1, retired=frozenset(kids))
    assert await stores.gateways.change_keys(before, after)
    await stores.gateways.refuse_retired()


async def test_the_store_refuses_what_is_retired_and_nothing_else(mongo: Stores, raw: Any) -> None:
    await mongo.repository.create(OWNER, config("other"))
    await retired(mongo, "old", "older")
    kept, [added] = config("other").models[0], config("older").models
    two = AIConfig((replace(kept, key=None), replace(added, model="gpt-5")), "", "r2")
    writes: list[Callable[[], Awaitable[object]]] = [
        lambda: mongo.repository.replace(OWNER, config("old")),
        lambda: mongo.repository.replace(OWNER, two, keep=[0], if_match=["r1"]),
        lambda: mongo.repository.create(Owner(OWNER.issuer, "bob"), config("old")),
    ]
    for write in writes:
        with pytest.raises(StorageUnavailable) as refused:
            await write()
        assert refused.value.outcome == "nothing-changed"
    assert (await mongo.repository.read(OWNER)).models[0].key == config("other").models[0].key
    with pytest.raises(WriteError):
        raw[COLLECTION].update_one({}, {"$set": {"models.0.key.kid": "older"}})
    with pytest.raises(WriteError):
        raw[COLLECTION].insert_one({"_id": "x", "models": [], "apiKey": "sk-plain"})
    await mongo.repository.replace(OWNER, config("new"))


async def test_a_plain_key_under_a_retired_name_is_a_defect_and_no_outage(mongo: Stores) -> None:
    await retired(mongo, "old")
    key = StoredKey("old", "sk-plain")
    entry = ModelEntry("OpenAI", "chat", "gpt-4", True, key)
    with pytest.raises(InternalError):
        await mongo.repository.create(OWNER, AIConfig((entry,), "", "r1"))


async def test_the_store_opens_again_to_what_is_no_longer_retired(mongo: Stores, raw: Any) -> None:
    before = raw.command("listCollections", filter={"name": COLLECTION})
    await retired(mongo, "old")
    await retired(mongo)
    await mongo.repository.create(OWNER, config("old"))
    assert raw.command("listCollections", filter={"name": COLLECTION}) == before


async def test_a_later_start_and_a_newer_schema_leave_the_fence(
    mongo: Stores, mongod: Any, database_name: str, raw: Any
) -> None:
    await retired(mongo, "old")
    async with opened("motor", mongod.uri, database_name) as started:
        with pytest.raises(StorageUnavailable):
            await started.repository.create(OWNER, config("old"))
    raw.command("collMod", COLLECTION, validationLevel="moderate")  # as an older version had it
    async with _strict_client(mongod.uri) as client:
        assert await Migration(client[database_name], [CONFIGS], timeout=10).run()
    with pytest.raises(StorageUnavailable):
        await mongo.repository.create(OWNER, config("old"))


async def test_a_migration_that_began_before_waits_until_the_fence_stands(
    mongo: Stores, mongod: Any, database_name: str, raw: Any
) -> None:
    """Else it would put the validator back that it has read, and open the door again."""
    raw.command("collMod", COLLECTION, validator={"$jsonSchema": {"bsonType": "object"}})
    holder = ObjectId()
    async with _strict_client(mongod.uri) as client:
        locks = client[database_name][validators.LOCKS]
        assert await validators._may_change(locks, holder)
        migration = asyncio.ensure_future(
            Migration(client[database_name], [CONFIGS], timeout=10).run()
        )
        await asyncio.sleep(0)
        fence = {"$jsonSchema": {"bsonType": "object"}, "models.key.kid": {"$nin": ["old"]}}
        raw.command("collMod", COLLECTION, validator=fence)
        await validators._unlock(locks, holder)
        assert await migration
    [found] = raw.list_collections(filter={"name": COLLECTION})
    assert found["options"]["validator"] == {**CONFIGS.validator, **fence, **CONFIGS.validator}


async def test_the_lock_of_a_process_that_has_died_is_taken_over(mongo: Stores, raw: Any) -> None:
    past = datetime.now(timezone.utc) - timedelta(days=1)
    raw[validators.LOCKS].insert_one({"_id": "validator", "holder": ObjectId(), "until": past})
    await retired(mongo, "old")
    assert raw[validators.LOCKS].find_one({"_id": "validator"}) is None


async def test_owners_are_counted_by_the_key_that_wraps_theirs(stores: Stores) -> None:
    repository = stores.repository
    for number, kids in enumerate((["a"], ["a", "b"], ["b", "b"], [])):
        entries = tuple(
            ModelEntry("OpenAI", "chat", str(n), True, StoredKey(kid, "eyJh.a.b.c.d"))
            for n, kid in enumerate(kids)
        )
        await repository.create(Owner("i", str(number)), AIConfig(entries, "", "r1"))
    counts = [await repository.count_owners(kid) for kid in ("a", "b", "c", None)]
    assert counts == [2, 2, 0, 3]
