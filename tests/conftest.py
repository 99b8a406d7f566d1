"""Fixtures that more than one test module needs: a real MongoDB, and a database of one's own."""

from __future__ import annotations

import asyncio
import inspect
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pymongo import MongoClient

from aiconfig_plugin.demo.mongod import Mongod


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run every test that is a coroutine on Tornado's loop, without a mark on each."""
    for item in items:
        is_coroutine = inspect.iscoroutinefunction(getattr(item, "obj", None))
        if is_coroutine and item.get_closest_marker("gen_test") is None:
            item.add_marker(pytest.mark.gen_test(timeout=60))


@pytest.fixture(scope="session", autouse=True)
def loop_of_the_main_thread() -> Iterator[None]:
    """The loop that Tornado finds, puts back and would otherwise make, and leave open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


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


@pytest.fixture
def database_name(mongod: Mongod | GivenMongoDB) -> Iterator[str]:
    """The name of a database that this test alone uses and that is dropped after it."""
    name = f"aiconfig_test_{secrets.token_hex(6)}"
    yield name
    with MongoClient[dict[str, object]](mongod.uri) as client:
        client.drop_database(name)
