"""The example for hosts that authenticate requests themselves."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from aiconfig_plugin import Settings
from tests.support.gateway import CREATE_PATH, READ_PATH, body, problem

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "own_authentication.py"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("own_authentication", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Browser:
    """Keeps cookies, and sends the XSRF cookie's value as a page of the gateway would."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._cookies: dict[str, str] = {}

    async def call(
        self, method: str, path: str, sent: str | None = None, **headers: str
    ) -> HTTPResponse:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        answer = await AsyncHTTPClient().fetch(
            self._url + path, method=method, headers=given, body=sent, raise_error=False
        )
        for line in answer.headers.get_list("Set-Cookie"):
            self._cookies |= {name: each.value for name, each in SimpleCookie(line).items()}
        return answer

    async def log_in(self, user: str) -> None:
        await self.call("GET", "/login")
        form = urlencode({"user": user, "_xsrf": self._cookies["_xsrf"]})
        assert (await self.call("POST", "/login", form)).code == 200

    async def create(self, **headers: str) -> HTTPResponse:
        sent = json.dumps(body())
        return await self.call(
            "POST", CREATE_PATH, sent, Content_Type="application/json", **headers
        )

    @property
    def xsrf(self) -> Mapping[str, str]:
        return {"X_XSRFToken": self._cookies["_xsrf"]}


@pytest.fixture
def settings(mongod: Any, database_name: str, keyring: Path) -> Settings:
    return Settings(mongodb_uri=mongod.uri, mongodb_database=database_name, keyring=keyring)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[str]:
    example = load()
    app, plugin = example.make_gateway(settings)
    socket, port = bind_unused_port()
    example.HOSTS += (f"127.0.0.1:{port}",)
    server = HTTPServer(app)
    server.add_socket(socket)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()
        await server.close_all_connections()
        await plugin.close()


async def test_the_example_lets_its_own_users_in(settings: Settings) -> None:
    async with running(settings) as url:
        alice, bob = Browser(url), Browser(url)
        await alice.log_in("alice")
        await bob.log_in("bob")
        assert (await alice.create(**alice.xsrf)).code == 201
        assert (await alice.call("GET", READ_PATH)).code == 200
        assert (await bob.call("GET", READ_PATH)).code == 404


async def test_the_example_keeps_others_out(settings: Settings) -> None:
    async with running(settings) as url:
        problem(await Browser(url).call("GET", READ_PATH), 401, "missing-token")
        alice = Browser(url)
        await alice.log_in("alice")
        problem(await alice.create(Origin="https://evil.example"), 403, "cross-site-request")
        problem(await alice.create(X_XSRFToken="guessed"), 403, "cross-site-request")
        other = await alice.call("GET", READ_PATH, Host="evil.example")
        assert (other.code, json.loads(other.body)["type"]) == (403, "about:blank")
