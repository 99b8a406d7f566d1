"""The example for hosts that authenticate requests themselves."""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable, Callable, Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from aiconfig_plugin import Settings
from aiconfig_plugin.cli import main
from tests.support.gateway import CREATE_PATH, READ_PATH, Gateway, body

MakeGateway: TypeAlias = Callable[..., Awaitable[Gateway]]
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "own_authentication.py"


@pytest.fixture
def example() -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("own_authentication", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module


async def log_in(gateway: Gateway, user: str) -> dict[str, str]:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await gateway.call("POST", "/login", f"user={user}".encode(), form)
    assert answer.code == 200, answer.body
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["session"]
    return {"Cookie": f"session={cookie.value}"}


async def test_the_example_lets_its_own_users_in(make_gateway: MakeGateway, example: Any) -> None:
    gateway = await make_gateway(authenticate=example.authenticate)
    gateway.app.add_handlers(".*", [("/login", example.LoginHandler)])
    alice, bob = await log_in(gateway, "alice"), await log_in(gateway, "bob")
    assert (await gateway.call("POST", CREATE_PATH, body(), alice)).code == 201
    assert (await gateway.call("GET", headers=alice)).code == 200
    assert (await gateway.call("GET", headers=bob)).code == 404


async def test_the_example_keeps_others_out(make_gateway: MakeGateway, example: Any) -> None:
    gateway = await make_gateway(authenticate=example.authenticate)
    gateway.app.add_handlers(".*", [("/login", example.LoginHandler)])
    alice = await log_in(gateway, "alice")
    for headers in ({}, {"Cookie": "session=junk"}, {**alice, "Origin": "https://evil.example"}):
        assert (await gateway.call("GET", headers=headers)).code == 401


async def test_the_example_mounts_the_plugin(
    example: Any, mongod: Any, database_name: str, tmp_path: Path
) -> None:
    keyring = tmp_path / "keyring.json"
    assert main(["keyring", "create", str(keyring)]) == 0
    app, plugin = example.make_gateway(
        Settings(mongodb_uri=mongod.uri, mongodb_database=database_name, keyring=keyring)
    )
    await plugin.start()
    socket, port = bind_unused_port()
    server = HTTPServer(app)
    server.add_socket(socket)
    try:
        url = f"http://127.0.0.1:{port}{READ_PATH}"
        assert (await AsyncHTTPClient().fetch(url, raise_error=False)).code == 401
    finally:
        server.stop()
        await server.close_all_connections()
        await plugin.close()
