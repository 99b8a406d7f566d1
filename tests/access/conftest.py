"""A scripted authorization server, and authenticators that ask it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import pytest
from tornado.ioloop import IOLoop

from aiconfig_plugin import AIConfigError, Principal, Settings
from aiconfig_plugin.access.authenticator import TokenAuthenticator
from aiconfig_plugin.access.introspection import Limits
from aiconfig_plugin.composition import open_authenticator
from tests.support.scripted_server import ScriptedServer

NOW = 1_700_000_000.0
ISSUER = "https://issuer.example"
CLIENT_ID, SECRET = "gateway", "hush-0f9b"
TOKEN = "mF_9.B5f-4.1JqM~+/=="

Make: TypeAlias = Callable[..., Awaitable[TokenAuthenticator]]


class Clocks:
    """The two clocks of an authenticator, which only a test moves."""

    def __init__(self) -> None:
        self.epoch = NOW
        self.ticks = 1000.0

    def advance(self, seconds: float) -> None:
        self.epoch += seconds
        self.ticks += seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def make(
    io_loop: IOLoop, server: ScriptedServer, clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> Iterator[Make]:
    """Makes authenticators that ask the scripted server, with settings of one's choice."""
    made: list[TokenAuthenticator] = []

    async def started(
        *,
        limits: Limits | None = None,
        is_believed: Callable[[], bool] = lambda: True,
        **changes: Any,
    ) -> TokenAuthenticator:
        authenticator = open_authenticator(
            settings(server, **changes),
            clock=lambda: clocks.epoch,
            timer=lambda: clocks.ticks,
            limits=limits or Limits(),
            is_believed=is_believed,
        )
        made.append(authenticator)
        await authenticator.start()
        return authenticator

    with caplog.at_level(logging.DEBUG):
        yield started
        for authenticator in made:
            io_loop.run_sync(authenticator.close)
    records = caplog.get_records("call") + caplog.get_records("teardown")
    assert not errors_in(records)
    logged = "\n".join(map(logging.Formatter().format, records))
    assert TOKEN not in logged
    assert SECRET not in logged


def settings(server: ScriptedServer, **changes: Any) -> Settings:
    given = {
        "issuer": ISSUER,
        "introspection_endpoint": server.url,
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
    }
    return Settings(**given | changes)


def errors_in(records: list[logging.LogRecord]) -> list[str]:
    return [record.getMessage() for record in records if record.levelno >= logging.ERROR]


async def outcome(call: Awaitable[Principal]) -> Principal | AIConfigError:
    try:
        return await call
    except AIConfigError as error:
        return error


async def gather(*calls: Awaitable[Principal]) -> list[Principal | AIConfigError]:
    return await asyncio.gather(*map(outcome, calls))
