"""Every store of the use of keys keeps one contract; MongoDB's says what its documents hold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import WriteError
from tornado.ioloop import IOLoop

from aiconfig_plugin.domain import KeyIdentity, KeyUse, KeyUseStore, Owner
from aiconfig_plugin.errors import StorageUnavailable
from aiconfig_plugin.store import MongoStores, owner_id
from aiconfig_plugin.store.key_use import COLLECTION
from aiconfig_plugin.testing import InMemoryKeyUse
from tests.support.builders import ALICE, BOB, RUN

# Far ahead, so that MongoDB does not remove what the tests write.
START = datetime(2100, 1, 1, 10, 0, 0, 123_000, tzinfo=timezone.utc)
KEY, OTHER, BOBS = KeyIdentity(ALICE, "k1"), KeyIdentity(ALICE, "k2"), KeyIdentity(BOB, "k1")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@contextmanager
def opened(io_loop: IOLoop, uri: str, name: str, driver: Any) -> Iterator[KeyUseStore]:
    stores = MongoStores.connect(uri, name, driver=driver)
    io_loop.run_sync(stores.start)
    yield stores.key_use
    io_loop.run_sync(stores.close)


@pytest.fixture
def mongo(io_loop: IOLoop, mongod: Any, database_name: str) -> Iterator[KeyUseStore]:
    with opened(io_loop, mongod.uri, database_name, "motor") as store:
        yield store


@pytest.fixture(params=["memory", "motor", "pymongo"])
def store(request: pytest.FixtureRequest, io_loop: IOLoop) -> Iterator[KeyUseStore]:
    if request.param == "memory":
        yield InMemoryKeyUse()
        return
    uri, name = request.getfixturevalue("mongod").uri, request.getfixturevalue("database_name")
    with opened(io_loop, uri, name, request.param) as store:
        yield store


@pytest.fixture
def uses(mongod: Any, database_name: str) -> Iterator[Any]:
    """The collection as a plain client with every right sees it."""
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        yield client[database_name][COLLECTION]


async def known(store: KeyUseStore, key: KeyIdentity = KEY) -> KeyUse | None:
    return (await store.read([key])).get(key)


# The contract


@RUN
async def test_what_is_recorded_is_known(store: KeyUseStore) -> None:
    given = {KEY: KeyUse(at(0)), OTHER: KeyUse(at(1), "rejected", at(2))}
    assert await store.read([KEY]) == {}
    await store.record(given)
    assert await store.read([KEY, OTHER, BOBS]) == given
    assert await store.read([OTHER]) == {OTHER: given[OTHER]}


@RUN
async def test_what_is_recorded_is_added_to_what_is_known(store: KeyUseStore) -> None:
    steps = [
        (KeyUse(at(5)), KeyUse(at(5))),
        (KeyUse(at(4)), KeyUse(at(5))),
        (KeyUse(None, "accepted", at(3)), KeyUse(at(5), "accepted", at(3))),
        (KeyUse(None, "rejected", at(2)), KeyUse(at(5), "accepted", at(3))),
        (KeyUse(None, "quota-exceeded", at(3)), KeyUse(at(5), "quota-exceeded", at(3))),
        (KeyUse(at(6), "rejected", at(7)), KeyUse(at(6), "rejected", at(7))),
    ]
    for added, result in steps:
        await store.record({KEY: added})
        assert await known(store) == result, added


@RUN
async def test_of_many_who_record_at_once_the_latest_counts(store: KeyUseStore) -> None:
    # A new document too: of two that insert it at once, one has to try again.
    await asyncio.gather(
        *(
            store.record({KEY: KeyUse(at(n), "accepted", at(n)), BOBS: KeyUse(at(-n))})
            for n in range(8)
        )
    )
    assert await known(store) == KeyUse(at(7), "accepted", at(7))
    assert await known(store, BOBS) == KeyUse(at(0))


@RUN
async def test_what_an_owner_has_is_forgotten_and_nothing_else(store: KeyUseStore) -> None:
    await store.record({key: KeyUse(at(0)) for key in (KEY, OTHER, BOBS)})
    await store.forget([ALICE, Owner("https://issuer.example", "carol")])
    assert await store.read([KEY, OTHER, BOBS]) == {BOBS: KeyUse(at(0))}


# The documents


@RUN
async def test_a_document_holds_digests_and_times(mongo: KeyUseStore, uses: Any) -> None:
    await mongo.record({KEY: KeyUse(at(1), "accepted", at(2))})
    [document] = uses.find()
    assert document == {
        "_id": ALICE.digest("k1"),
        "owner": owner_id(ALICE),
        "updatedAt": at(2).replace(tzinfo=None),
        "lastUsedAt": at(1).replace(tzinfo=None),
        "lastResult": "accepted",
        "lastResultAt": at(2).replace(tzinfo=None),
    }
    await mongo.record({KEY: KeyUse(at(3))})
    assert uses.find_one()["updatedAt"] == at(3).replace(tzinfo=None)
    await mongo.record({KEY: KeyUse(at(0))})
    assert uses.find_one()["updatedAt"] == at(3).replace(tzinfo=None)


@pytest.mark.parametrize(
    "members",
    [{"apiKey": "x"}, {"lastResult": "sk-1"}, {"lastUsedAt": "now"}, {"owner": "alice"}],
)
def test_the_validator_admits_nothing_else(mongo: Any, uses: Any, members: dict[str, Any]) -> None:
    good = {"_id": ALICE.digest("k1"), "owner": owner_id(ALICE), "updatedAt": at(0)}
    with pytest.raises(WriteError):
        uses.insert_one({**good, **members})
    uses.insert_one(good)


def test_what_is_not_updated_for_400_days_is_removed(mongo: Any, uses: Any) -> None:
    indexes = uses.index_information()
    assert indexes["updatedAt_1"]["expireAfterSeconds"] == 400 * 24 * 3600
    assert "owner_1" in indexes


@RUN
async def test_what_the_database_refuses_is_an_outage(mongo: KeyUseStore, uses: Any) -> None:
    refuse_all = {"collMod": COLLECTION, "validator": {"owner": "nobody"}}
    uses.database.command(refuse_all)
    with pytest.raises(StorageUnavailable):
        await mongo.record({KEY: KeyUse(at(0))})


@RUN
async def test_an_operation_ends_within_two_seconds(mongod: Any) -> None:
    for timeout, expected in ((8.0, 2.0), (0.5, 0.5)):
        stores = MongoStores.connect(mongod.uri, "unused", timeout=timeout)
        assert stores.key_use._timeout == expected
