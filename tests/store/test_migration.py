"""A start changes only what differs, and needs no right for what is there already."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import OperationFailure, WriteError

from aiconfig_plugin.demo.mongod import Mongod
from aiconfig_plugin.domain.model import AIConfig, Owner
from aiconfig_plugin.errors import ConfigNotFound, ConfigurationError
from aiconfig_plugin.store import COLLECTION, MongoStores
from aiconfig_plugin.store.collections import CollectionSpec, Index
from aiconfig_plugin.store.migration import Migration
from aiconfig_plugin.store.stores import COLLECTIONS
from tests.support.commands import CommandRecorder

Document: TypeAlias = dict[str, Any]

OWNER = Owner("https://issuer.example", "alice")
CONFIG = AIConfig((), "Be kind.", "r1")
DATA = ["find", "insert", "update", "remove"]
INSPECT = ["listCollections", "listIndexes"]
OLD = {"$jsonSchema": {"required": ["old"]}}
PASSWORD = "p%40ss"


class SecuredMongod:
    """A ``mongod`` that asks for passwords, and one database of it."""

    def __init__(self, mongod: Mongod, name: str) -> None:
        self.name = name
        self._mongod = mongod
        self.admin: MongoClient[Document] = MongoClient(self.uri("admin"))
        self.database = self.admin[name]

    def uri(self, user: str) -> str:
        return self._mongod.uri.replace("mongodb://", f"mongodb://{user}:{quote(PASSWORD)}@") + (
            "&authSource=admin"
        )

    def stores(self, *roles: str, actions: Sequence[str] = ()) -> MongoStores:
        """Return what a new user with these rights on the database opens."""
        user = f"user-{secrets.token_hex(4)}"
        privilege = {"resource": {"db": self.name, "collection": ""}, "actions": [*actions]}
        self.admin.admin.command(
            "createRole", user, privileges=[privilege] * bool(actions), roles=[]
        )
        granted = [{"role": role, "db": self.name} for role in roles]
        self.admin.admin.command("createUser", user, pwd=PASSWORD, roles=[user, *granted])
        return MongoStores.connect(self.uri(user), self.name, driver="pymongo")


@pytest.fixture(scope="module")
def password_mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    with Mongod(tmp_path_factory.mktemp("secured"), arguments=["--auth"]) as started:
        with MongoClient[Document](started.uri) as client:  # the first user needs no password
            client.admin.command("createUser", "admin", pwd=PASSWORD, roles=["root"])
        yield started


@pytest.fixture
def secured(password_mongod: Mongod) -> Iterator[SecuredMongod]:
    made = SecuredMongod(password_mongod, f"db_{secrets.token_hex(4)}")
    yield made
    made.admin.close()


async def use(stores: MongoStores) -> None:
    """Start, and call everything that a gateway and a rotation call."""
    repository = stores.repository
    try:
        await stores.start()
        await repository.create(OWNER, CONFIG)
        await repository.read(OWNER)
        await repository.replace(OWNER, CONFIG, keep=[], if_match=["r1"])
        await repository.delete(OWNER)
        with pytest.raises(ConfigNotFound):
            await repository.read(OWNER)
        assert not await repository.kids()
        assert not await repository.count_by_kid()
        assert not await repository.wrapped_by("k", limit=1)
    finally:
        await stores.close()


def declared(database: Any) -> Mapping[str, Any]:
    """Return the options and indexes that the configurations have."""
    (found,) = database.list_collections(filter={"name": COLLECTION})
    return {**found["options"], "indexes": sorted(database[COLLECTION].index_information())}


async def test_read_write_is_enough_for_an_empty_database(secured: SecuredMongod) -> None:
    await use(secured.stores("readWrite"))
    assert declared(secured.database)["validationLevel"] == "strict"
    assert declared(secured.database)["indexes"] == ["_id_", "models.key.kid_1__id_1"]


async def test_migrate_needs_no_right_to_the_data(
    secured: SecuredMongod, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aiconfig_plugin")
    stores = secured.stores("dbAdmin")
    created = []
    for spec in COLLECTIONS:
        created.append(f"created the collection {secured.name}.{spec.name}")
        created += [
            f"created the index {index.name} of {secured.name}.{spec.name}"
            for index in spec.indexes
        ]
    assert await stores.migrate() == created
    assert await stores.migrate() == []
    await stores.close()
    secured.database.command("collMod", COLLECTION, validator=OLD)
    changed = [f"changed the validator of {secured.name}.ai_model_configs"]
    assert await stores.migrate() == changed
    await stores.close()
    told = [f"Migration: {change}" for change in [*created, *changed]]
    assert [record.getMessage() for record in caplog.records] == told
    await use(secured.stores("readWrite"))


@pytest.mark.parametrize(
    ("actions", "unchecked"),
    [([*DATA, *INSPECT], []), (DATA, ["listCollections"] * len(COLLECTIONS))],
)
async def test_where_all_is_there_no_right_to_change_it_is_needed(
    secured: SecuredMongod,
    actions: list[str],
    unchecked: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    migrating = secured.stores("dbAdmin")
    await migrating.migrate()
    await migrating.close()
    await use(secured.stores(actions=actions))
    told = [record.getMessage() for record in caplog.records if record.levelno > logging.INFO]
    assert len(told) == len(unchecked)
    for line, command in zip(told, unchecked, strict=True):
        assert f"run {command} on {secured.name}.ai_model_" in line
        assert "'aiconfig migrate'" in line


@pytest.mark.parametrize(
    ("rights", "before", "refused"),
    [
        ({"actions": ["find", *INSPECT]}, None, "create"),
        ({"actions": [*DATA, *INSPECT]}, {"validator": OLD}, "collMod"),
        ({"roles": ["readWrite"]}, {"validator": OLD}, "collMod"),
        ({"actions": [*DATA, *INSPECT, "collMod"]}, {}, "createIndexes"),
    ],
)
async def test_a_refused_action_is_named_with_the_command_that_helps(
    secured: SecuredMongod,
    rights: Mapping[str, Sequence[str]],
    before: Mapping[str, Any] | None,
    refused: str,
) -> None:
    if before is not None:
        secured.database.create_collection(COLLECTION, **before)
    stores = secured.stores(*rights.get("roles", ()), actions=rights.get("actions", ()))
    with pytest.raises(ConfigurationError) as named:
        await stores.start()
    assert f"run {refused} on {secured.name}.ai_model_configs" in named.value.detail
    assert "'aiconfig migrate'" in named.value.detail
    with pytest.raises(RuntimeError):
        await stores.repository.read(OWNER)


async def test_migrate_fails_where_nothing_can_be_inspected(secured: SecuredMongod) -> None:
    stores = secured.stores(actions=DATA)
    with pytest.raises(ConfigurationError, match="run listCollections on"):
        await stores.migrate()


async def test_a_second_start_only_looks(mongod: Any, database_name: str) -> None:
    recorder = CommandRecorder()
    async with AsyncMongoClient[Document](mongod.uri, event_listeners=[recorder]) as client:
        await MongoStores(client[database_name]).start()
        recorder.clear()
        await MongoStores(client[database_name]).start()
        assert recorder.names == ["hello", *["listCollections", "listIndexes"] * len(COLLECTIONS)]


@pytest.mark.parametrize("driver", [AsyncIOMotorClient, AsyncMongoClient])
async def test_what_else_the_validator_says_is_kept(
    driver: Any, mongod: Any, database_name: str
) -> None:
    client = driver(mongod.uri)
    database = client[database_name]
    spec = CollectionSpec("things", {"$jsonSchema": {"required": ["a"]}}, (Index({"a": 1}),))
    more = {**spec.validator, "b": {"$ne": "closed"}}
    await Migration(database, [spec], timeout=10).run()
    await database.command("collMod", "things", validator=more)
    assert await Migration(database, [spec], timeout=10).run() == []
    newer = CollectionSpec("things", {"$jsonSchema": {"required": ["c"]}})
    assert len(await Migration(database, [newer], timeout=10).run()) == 1
    with pytest.raises(WriteError):
        await database["things"].insert_one({"c": 1, "b": "closed"})
    with pytest.raises(WriteError):
        await database["things"].insert_one({"a": 1})
    await database["things"].insert_one({"c": 1})
    closing = client.close()
    await closing if closing is not None else None


async def test_a_declaration_that_mongodb_does_not_take_is_a_defect(
    mongod: Any, database_name: str
) -> None:
    spec = CollectionSpec("things", {"$jsonSchema": {"nonsense": 1}})
    async with AsyncMongoClient[Document](mongod.uri) as client:
        with pytest.raises(OperationFailure, match="nonsense"):
            await Migration(client[database_name], [spec], timeout=10).run()


async def test_an_index_is_made_with_its_options(mongod: Any, database_name: str) -> None:
    expiring = Index({"at": 1}, {"expireAfterSeconds": 60})
    other_order = Index({"b": 1, "at": 1}), Index({"at": 1, "b": 1})
    spec = CollectionSpec("things", {}, (expiring, *other_order))
    async with AsyncMongoClient[Document](mongod.uri) as client:
        assert len(await Migration(client[database_name], [spec], timeout=10).run()) == 4
        indexes = await client[database_name]["things"].index_information()
    assert indexes["at_1"]["expireAfterSeconds"] == 60
    assert {"at_1", "b_1_at_1", "at_1_b_1"} < indexes.keys()
