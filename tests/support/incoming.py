"""Fixtures for tests of who may come in; a test module imports those that it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from tests.support.scripted_server import ScriptedServer
from tests.support.small_gateway import SmallGateway

RUN = pytest.mark.gen_test(timeout=60)
MakeGateway = Callable[..., Awaitable[SmallGateway]]


def in_the_loop(io_loop: IOLoop, make: Callable[[], Any]) -> Any:
    async def made() -> Any:
        return make()

    return io_loop.run_sync(made)


@pytest.fixture
def server(io_loop: IOLoop) -> Iterator[ScriptedServer]:
    made = in_the_loop(io_loop, ScriptedServer)
    yield made
    io_loop.run_sync(made.stop)


@pytest.fixture
def make_gateway(
    io_loop: IOLoop, mongod: Any, database_name: str, tmp_path: Path
) -> Iterator[MakeGateway]:
    """Starts gateways over one database and one keyring."""
    made: list[SmallGateway] = []

    async def make(**given: Any) -> SmallGateway:
        gateway = SmallGateway(mongod.uri, database_name, tmp_path, **given)
        made.append(gateway)
        await gateway.start()
        return gateway

    yield make
    for gateway in reversed(made):
        io_loop.run_sync(gateway.close)
