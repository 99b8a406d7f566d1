"""The Python of README and ``docs/`` runs, each block with what its reader has at hand."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import inspect
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.web import Application, HTTPError, RequestHandler

import aiconfig_plugin
from aiconfig_plugin import AIConfigPlugin, Principal, Settings
from tests.support.gateway import CREATE_PATH, OPAQUE, READ_PATH, Gateway, bearer, body, entry
from tests.support.terminal import DOCS, Block, blocks

ISSUER = "https://issuer.example"
CONFIG = body(entry(key=OPAQUE))
PAGES = [DOCS.parent / "README.md", *sorted(DOCS.glob("**/*.md"))]


def snippets() -> Iterator[Any]:
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.kind == "python":
                yield pytest.param(block, id=f"{page.name}:{block.line}")


async def alice(_request: object) -> Principal:
    return Principal(ISSUER, "alice", "ai-config:read ai-config:write")


@pytest.fixture
def names(mongod: Any, database_name: str) -> Iterator[dict[str, str]]:
    """What the names of databases in the pages stand for here: databases of this test's."""
    given = {name: f"{database_name}_{name}" for name in ("gateway", "old", "new")}
    yield given
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        for name in given.values():
            client.drop_database(name)


@pytest.fixture
def audit() -> Iterator[None]:
    """The audit logger, which gets its handlers back."""
    logger = logging.getLogger("aiconfig_plugin.audit")
    handlers, level = list(logger.handlers), logger.level
    yield
    for handler in set(logger.handlers) - set(handlers):
        handler.close()
    logger.handlers, logger.level = handlers, level


@pytest.fixture
def gateway(
    io_loop: IOLoop,
    make_gateway: Callable[..., Any],
    mongod: Any,
    database_name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Gateway:
    """A gateway that knows alice; the environment has settings for others of its kind."""
    for name, value in {
        "AICONFIG_MONGODB_URI": mongod.uri,
        "AICONFIG_MONGODB_DATABASE": database_name,
        "AICONFIG_KEYRING": str(tmp_path / "keyring.json"),
        "AICONFIG_ISSUER": ISSUER,
        "AICONFIG_INTROSPECTION_ENDPOINT": f"{ISSUER}/introspect",
        "AICONFIG_CLIENT_ID": "gateway",
        "AICONFIG_CLIENT_SECRET": "secret",
        "GATEWAY_SECRET": "secret",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return io_loop.run_sync(lambda: make_gateway(authenticate=alice, issuer=ISSUER))


def at_hand(gateway: Gateway, uri: str) -> dict[str, Any]:
    """What the pages take for granted: their imports, and what a gateway has anyway."""
    return {
        **{name: getattr(aiconfig_plugin, name) for name in aiconfig_plugin.__all__},
        **{"asyncio": asyncio, "dataclasses": dataclasses, "os": os},
        **{"Application": Application, "RequestHandler": RequestHandler, "HTTPError": HTTPError},
        "HTTPServerRequest": HTTPServerRequest,
        "__name__": "snippet",
        "app": Application(),
        "routes": [],
        "uri": uri,
        "settings": Settings.from_env(),
        "plugin": gateway.plugin,
        "subject": "alice",
        "access_token": "a-token",
    }


async def run(block: Block, scope: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    text = block.text
    for name, own in names.items():
        text = text.replace(f'client["{name}"]', f'client["{own}"]')
        text = text.replace(f'mongodb_database="{name}"', f'mongodb_database="{own}"')
    code = compile(text, f"line {block.line}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, scope)
    if inspect.iscoroutine(result):
        await result
    return scope


@pytest.mark.parametrize("block", list(snippets()))
@pytest.mark.usefixtures("audit")
async def test_a_snippet_runs(
    block: Block, gateway: Gateway, mongod: Any, names: dict[str, str]
) -> None:
    assert (await gateway.call("POST", CREATE_PATH, body=CONFIG)).code == 201
    scope = at_hand(gateway, mongod.uri)
    try:
        await run(block, scope, names)
    finally:
        for made in [each for each in scope.values() if isinstance(each, AIConfigPlugin)]:
            await made.close()


def snippet(page: str, holding: str) -> Block:
    text = (DOCS / page).read_text(encoding="utf-8")
    [found] = (b for b in blocks(text) if b.kind == "python" and holding in b.text)
    return found


async def test_a_log_out_ends_what_is_remembered(
    make_gateway: Callable[..., Any], mongod: Any
) -> None:
    gateway = await make_gateway()
    scope = at_hand(gateway, mongod.uri)
    await run(snippet("logout.md", "async def log_out"), scope, {})
    token = gateway.token()
    assert (await gateway.call("GET", headers=bearer(token))).code == 404
    gateway.authorization_server.revoke(token)
    assert (await gateway.call("GET", headers=bearer(token))).code == 404  # remembered
    await scope["log_out"](gateway.plugin, token)
    assert (await gateway.call("GET", headers=bearer(token))).code == 401


async def test_the_route_of_the_how_to_answers_with_the_metrics(
    gateway: Gateway, mongod: Any
) -> None:
    assert (await gateway.call("GET")).code == 404
    scope = at_hand(gateway, mongod.uri) | {"app": gateway.app}
    await run(snippet("metrics.md", "generate_latest"), scope, {})
    answer = await gateway.call("GET", "/metrics")
    route = READ_PATH.removeprefix("/api/v1")
    assert f'aiconfig_requests_total{{route="{route}",status="404"}}'.encode() in answer.body


async def test_the_callable_of_the_how_to_says_who_comes(gateway: Gateway, mongod: Any) -> None:
    scope = at_hand(gateway, mongod.uri)

    async def session_of(request: Any) -> str | None:
        user: str | None = request
        return user

    scope |= {"session_of": session_of, "user_scopes": lambda _user: ("ai-config:read",)}
    await run(snippet("own-authentication.md", "async def authenticate"), scope, {})
    principal = await scope["authenticate"]("bob")
    assert (principal.subject, principal.scopes) == ("bob", {"ai-config:read"})
    with pytest.raises(aiconfig_plugin.MissingToken):
        await scope["authenticate"](None)
    await scope["plugin"].close()
