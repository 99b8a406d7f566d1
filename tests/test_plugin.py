"""The composition root: what it starts, what it closes, and who it lets in."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from motor.motor_tornado import MotorClient
from pymongo import AsyncMongoClient, MongoClient
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.testing import bind_unused_port
from tornado.web import Application

from aiconfig_plugin import (
    AIConfigPlugin,
    ConfigNotFound,
    ConfigurationError,
    InvalidToken,
    MissingToken,
    Principal,
    Settings,
)
from aiconfig_plugin.domain import AIConfig, ModelEntry, Owner, StoredKey
from aiconfig_plugin.keys import create_keyring, load_keyring
from aiconfig_plugin.testing import InMemoryRepository

ISSUER = "https://issuer.example"
ALICE = Owner(ISSUER, "alice")
REQUEST = HTTPServerRequest(
    start_line=RequestStartLine("GET", "/", "HTTP/1.1"), headers=HTTPHeaders({"Host": "x"})
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    create_keyring(tmp_path / "keyring.json")
    return Settings(keyring=tmp_path / "keyring.json", issuer=ISSUER)


def make(settings: Settings, answer: Principal | None = None, **given: Any) -> AIConfigPlugin:
    async def authenticate(_request: HTTPServerRequest) -> Any:
        return answer

    given = {"repository": InMemoryRepository(), "authenticate": authenticate} | given
    return AIConfigPlugin(settings, **given)


async def assert_closed(repository: InMemoryRepository) -> None:
    with pytest.raises(RuntimeError, match="not started"):
        await repository.read(ALICE)


async def test_it_runs_on_a_given_repository_and_closes_it(settings: Settings) -> None:
    repository = InMemoryRepository()
    async with make(settings, repository=repository) as plugin:
        with pytest.raises(ConfigNotFound):
            await plugin.resolve("alice")
        await repository.create(ALICE, AIConfig((ModelEntry("O", "chat", "m", False),), "", "r"))
        assert (await plugin.resolve("alice")).model == "m"
    await assert_closed(repository)
    await plugin.close()


def test_a_database_and_a_repository_exclude_each_other(settings: Settings) -> None:
    with pytest.raises(TypeError, match="either database= or repository="):
        make(settings, database=object())


@pytest.mark.parametrize(
    "open_database",
    [
        lambda: object(),
        lambda: "mongodb://127.0.0.1/aiconfig",
        lambda: MongoClient("mongodb://127.0.0.1:1", connect=False)["aiconfig"],
        lambda: AsyncMongoClient("mongodb://127.0.0.1:1", connect=False),
        lambda: AsyncMongoClient("mongodb://127.0.0.1:1", connect=False)["aiconfig"]["configs"],
    ],
)
def test_a_database_of_a_wrong_type_is_refused_by_name(
    settings: Settings, open_database: Callable[[], Any]
) -> None:
    given = open_database()
    with pytest.raises(TypeError, match="^database must be") as refused:
        make(settings, repository=None, database=given)
    assert f"{type(given).__module__}.{type(given).__qualname__}" in str(refused.value)


@pytest.mark.parametrize(
    "client", [AsyncMongoClient, AsyncIOMotorClient, MotorClient], ids=lambda kind: kind.__name__
)
async def test_a_database_of_each_asynchronous_driver_is_taken(
    settings: Settings, client: Any
) -> None:
    make(settings, repository=None, database=client("mongodb://127.0.0.1:1", connect=False)["a"])


def test_without_any_the_setting_is_named(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="AICONFIG_MONGODB_URI is not set"):
        make(settings, repository=None)


async def test_a_keyring_check_that_fails_closes_the_repository(settings: Settings) -> None:
    assert settings.keyring
    kid = load_keyring(settings.keyring).primary
    entry = ModelEntry("O", "chat", "m", False, StoredKey(kid, "not what this key wrapped"))
    repository = InMemoryRepository()
    await repository.start()
    await repository.create(ALICE, AIConfig((entry,), "", "r"))
    plugin = make(settings, repository=repository)
    with pytest.raises(ConfigurationError, match=kid):
        await plugin.start()
    await assert_closed(repository)
    await plugin.close()


async def test_introspection_that_cannot_start_closes_the_repository(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_introspection: object) -> None:
        raise OSError("no more files")

    monkeypatch.setattr("aiconfig_plugin.access.TokenAuthenticator.start", fail)
    repository = InMemoryRepository()
    given = {"client_id": "gateway", "client_secret": "secret"}
    plugin = AIConfigPlugin(
        Settings(keyring=settings.keyring, issuer=ISSUER, **given), repository=repository
    )
    with pytest.raises(OSError, match="no more files"):
        await plugin.start()
    await assert_closed(repository)


async def test_authenticate_returns_a_principal_or_raises(settings: Settings) -> None:
    for lasting in (None, 2.0**40):
        principal = Principal(ISSUER, "alice", expires_at=lasting)
        assert await make(settings, principal).authenticate(REQUEST) is principal
    with pytest.raises(MissingToken):
        await make(settings, None).authenticate(REQUEST)
    with pytest.raises(InvalidToken, match="expired"):
        await make(settings, Principal(ISSUER, "alice", expires_at=1)).authenticate(REQUEST)
    past = Principal(ISSUER, "alice", expires_at=time.time() - 10)
    for leeway, is_valid in ((60, True), (5, False)):
        plugin = make(dataclasses.replace(settings, clock_leeway=leeway), past)
        with contextlib.nullcontext() if is_valid else pytest.raises(InvalidToken):
            await plugin.authenticate(REQUEST)


async def test_it_is_ready_between_start_and_close(settings: Settings) -> None:
    plugin = make(settings)
    server = HTTPServer(Application(plugin.health_handlers()))
    listener, port = bind_unused_port()
    server.add_socket(listener)

    async def codes() -> list[int]:
        answers = [
            await AsyncHTTPClient().fetch(
                f"http://127.0.0.1:{port}/{path}", raise_error=False, method=method
            )
            for path in ("healthz", "readyz")
            for method in ("GET", "HEAD")
        ]
        assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
        return [answer.code for answer in answers]

    try:
        assert await codes() == [200, 200, 503, 503]
        async with plugin:
            assert await codes() == [200, 200, 200, 200]
        assert await codes() == [200, 200, 503, 503]
    finally:
        server.stop()
        await server.close_all_connections()
