"""Fixtures of the journeys."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from aiconfig_plugin.store.repository import MongoRepository
from tests.support.gateway import Gateway


@pytest.fixture
def make_gateway(
    io_loop: IOLoop, mongod: Any, database_name: str, tmp_path: Path
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
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a store that is down be given up after half a second instead of ten."""
    repository = functools.partial(MongoRepository, timeout=0.5)
    monkeypatch.setattr("aiconfig_plugin.plugin.MongoRepository", repository)
