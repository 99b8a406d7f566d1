"""A crowd that reads at once is answered by a real store as each reader alone would be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient

from aiconfig_plugin.domain.model import AIConfig, ModelEntry, Owner, StoredKey
from aiconfig_plugin.errors import ConfigNotFound, StorageUnavailable
from aiconfig_plugin.store import MongoStores
from aiconfig_plugin.store.documents import COLLECTION, to_document
from aiconfig_plugin.store.repository import MongoRepository
from tests.faults.history import Kind, Operation, check
from tests.support.commands import CommandRecorder

RUN = pytest.mark.gen_test(timeout=60)
DRIVERS = pytest.mark.parametrize("driver", [AsyncIOMotorClient, AsyncMongoClient])


@asynccontextmanager
async def started(
    driver: Any, uri: str, name: str
) -> AsyncIterator[tuple[MongoRepository, CommandRecorder]]:
    client = driver(uri, event_listeners=[heard := CommandRecorder()])
    repository = MongoStores(client[name]).repository
    try:
        await repository.start()
        yield repository, heard
    finally:
        await repository.close()
        closing = client.close()
        await closing if closing is not None else None


def owner(number: int) -> Owner:
    return Owner("https://issuer.example", f"user {number}")


def config(revision: str, size: int = 1) -> AIConfig:
    key = StoredKey("k1", "a.b.c.d." + "e" * size)
    return AIConfig((ModelEntry("OpenAI", "chat", "gpt-4", True, key),), "Be kind.", revision)


async def together(*calls: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


@RUN
@DRIVERS
async def test_a_crowd_of_owners_each_get_their_own_or_not_found(
    driver: Any, mongod: Any, database_name: str
) -> None:
    async with started(driver, mongod.uri, database_name) as (repository, heard):
        await together(*(repository.create(owner(n), config(f"r{n}")) for n in range(0, 150, 2)))
        found = await together(*(repository.read(owner(n)) for n in range(150)))
    assert [config.revision for config in found[::2]] == [f"r{n}" for n in range(0, 150, 2)]
    assert {type(error) for error in found[1::2]} == {ConfigNotFound}
    assert heard.shared_reads()


@RUN
@DRIVERS
async def test_more_than_fits_one_reply_of_the_store_arrives(
    driver: Any, mongod: Any, database_name: str
) -> None:
    async with started(driver, mongod.uri, database_name) as (repository, heard):
        for number in range(20):
            await repository.create(owner(number), config(f"r{number}", size=1_000_000))
        found = await together(*(repository.read(owner(number)) for number in range(20)))
    assert found == [config(f"r{number}", size=1_000_000) for number in range(20)]
    assert "killCursors" in heard.names and "getMore" not in heard.names


@RUN
@DRIVERS
async def test_a_string_that_is_no_utf_8_fails_its_owner_alone(
    driver: Any, mongod: Any, database_name: str
) -> None:
    bad = bson.encode(to_document(owner(7), config("r7"))).replace(
        b"Be kind.", b"Be \xff\xff\xff\xff."
    )
    async with started(driver, mongod.uri, database_name) as (repository, _):
        await together(*(repository.create(owner(n), config(f"r{n}")) for n in range(20) if n != 7))
        with MongoClient[Any](mongod.uri) as client:
            raw = client[database_name][COLLECTION]
            raw.insert_one(RawBSONDocument(bad), bypass_document_validation=True)
        found = await together(*(repository.read(owner(number)) for number in range(20)))
    assert isinstance(found.pop(7), bson.errors.InvalidBSON)
    assert found == [config(f"r{number}") for number in range(20) if number != 7]


@RUN
@DRIVERS
async def test_what_a_crowd_sees_of_each_owner_is_a_linearizable_register(
    driver: Any, mongod: Any, database_name: str
) -> None:
    history: list[Operation] = []
    now = asyncio.get_running_loop().time

    async def write(number: int) -> None:
        for round_ in range(20):
            began, value = now(), f"{number}-{round_}"
            if round_:
                await repository.replace(owner(number), config(value))
            else:
                await repository.create(owner(number), config(value))
            kind, status = (Kind.PUT, 200) if round_ else (Kind.CREATE, 201)
            history.append(Operation(str(number), kind, began, now(), status, value))
            await read(number, times=1)

    async def read(number: int, times: int = 40) -> None:
        for _ in range(times):
            began = now()
            try:
                status, value = 200, (await repository.read(owner(number))).revision
            except ConfigNotFound:
                status, value = 404, None
            history.append(Operation(str(number), Kind.GET, began, now(), status, value))

    async with started(driver, mongod.uri, database_name) as (repository, heard):
        readers = (read(number) for number in range(6) for _ in range(4))
        await asyncio.gather(*(write(number) for number in range(6)), *readers)
    assert check(history) == []
    assert heard.shared_reads()


@RUN
@DRIVERS
async def test_a_repository_that_closes_answers_all_and_leaves_no_task(
    driver: Any, mongod: Any, database_name: str
) -> None:
    async with started(driver, mongod.uri, database_name) as (repository, _):
        reads = [asyncio.create_task(repository.read(owner(number))) for number in range(100)]
        await asyncio.sleep(0)
        await repository.close()
        left = [str(task.get_coro()) for task in asyncio.all_tasks()]
        assert not any("SharedReads._" in coroutine for coroutine in left)
        answers = {type(error) for error in await together(*reads)}
    assert answers == {ConfigNotFound, StorageUnavailable}
