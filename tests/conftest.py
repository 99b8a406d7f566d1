"""Fixtures of all folders: a real MongoDB, a database of one's own, a gateway."""

from __future__ import annotations

import asyncio
import inspect
import os
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from tornado.ioloop import IOLoop

from aiconfig_plugin.demo.mongod import Mongod
from aiconfig_plugin.keys.keyring_file import create_keyring
from aiconfig_plugin.store.repository import COLLECTION
from tests.support.gateway import Gateway
from tests.support.key_management import Moto, OpenBao, moto, openbao
from tests.support.scripted_server import ScriptedServer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run every test that is a coroutine on Tornado's loop, without a mark on each."""
    for item in items:
        is_coroutine = inspect.iscoroutinefunction(getattr(item, "obj", None))
        if is_coroutine and item.get_closest_marker("gen_test") is None:
            item.add_marker(pytest.mark.gen_test(timeout=60))


@pytest.fixture(scope="session")
def spare_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(autouse=True)
def loop_of_the_main_thread(spare_loop: asyncio.AbstractEventLoop) -> None:
    """The loop that Tornado finds, puts back and would otherwise make, and leave open.

    For each test anew: ``asyncio.run`` in the one before leaves none.
    """
    asyncio.set_event_loop(spare_loop)


@dataclass(frozen=True)
class GivenMongoDB:
    """A MongoDB that someone else runs."""

    uri: str


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod | GivenMongoDB]:
    """The MongoDB that AICONFIG_MONGODB_URI names, or a private ``mongod``; see its ``uri``."""
    given = os.environ.get("AICONFIG_MONGODB_URI")
    if given:
        yield GivenMongoDB(given)
        return
    with Mongod(tmp_path_factory.mktemp("mongod")) as started:
        yield started


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    """A private OpenBao, for all tests."""
    with openbao(tmp_path_factory.mktemp("openbao")) as started:
        yield started


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """A private server in the place of AWS KMS, for all tests."""
    with moto(tmp_path_factory.mktemp("moto")) as started:
        yield started


@pytest.fixture
def database_name(mongod: Mongod | GivenMongoDB) -> Iterator[str]:
    """The name of a database that this test alone uses and that is dropped after it."""
    name = f"aiconfig_test_{secrets.token_hex(6)}"
    yield name
    with MongoClient[dict[str, object]](mongod.uri) as client:
        client.drop_database(name)


@pytest.fixture
def make_gateway(
    io_loop: IOLoop, mongod: Mongod | GivenMongoDB, database_name: str, tmp_path: Path
) -> Iterator[Callable[..., Awaitable[Gateway]]]:
    """Starts gateways over one database and, unless told otherwise, one keyring."""
    made: list[Gateway] = []

    async def make(*, mount: bool = True, keyring: str = "keyring.json", **given: Any) -> Gateway:
        uri = given.pop("mongodb_uri", mongod.uri)
        gateway = Gateway(uri, database_name, tmp_path / keyring, **given)
        made.append(gateway)
        await gateway.start(mount=mount)
        return gateway

    yield make
    for gateway in reversed(made):
        io_loop.run_sync(gateway.close)


@pytest.fixture
def gateway(make_gateway: Callable[..., Awaitable[Gateway]], io_loop: IOLoop) -> Gateway:
    return io_loop.run_sync(make_gateway)  # type: ignore[arg-type]


@pytest.fixture
def server(io_loop: IOLoop) -> Iterator[ScriptedServer]:
    """An authorization server that answers as the test tells it."""

    async def start() -> ScriptedServer:
        return ScriptedServer()

    started = io_loop.run_sync(start)
    yield started
    io_loop.run_sync(started.stop)


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    """A new keyring file, the one that ``gateway`` uses too."""
    path = tmp_path / "keyring.json"
    if not path.exists():
        create_keyring(path)
    return path


@pytest.fixture
def documents(mongod: Mongod | GivenMongoDB, database_name: str) -> Iterator[Any]:
    """The collection as a plain client with every right sees it."""
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        yield client[database_name][COLLECTION]
