"""Everything on one machine: what ``aiconfig demo`` runs until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import json
import secrets
import shlex
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal

import tornado.web
from tornado.httpserver import HTTPServer

from aiconfig_plugin import AIConfigPlugin, Settings
from aiconfig_plugin.demo.authorization_server import AuthorizationServer
from aiconfig_plugin.demo.kept_mongod import kept_mongod
from aiconfig_plugin.demo.oauth_handlers import application
from aiconfig_plugin.demo.page_handlers import (
    AskHandler,
    AssetHandler,
    LogOutHandler,
    PageHandler,
    WhoHandler,
)
from aiconfig_plugin.demo.provider import OLLAMA, PROVIDER, RULE, catalog, provider_routes
from aiconfig_plugin.errors import ConfigurationError
from aiconfig_plugin.keys import create_keyring

USERS = {"alice": "alice", "bob": "bob"}
"""Names and passwords; the log-in page shows them."""

_HOST = "127.0.0.1"
_CLIENT_ID = "demo-gateway"
_READ, _WRITE = "ai-config:read", "ai-config:write"


def _print(text: str) -> None:
    print(text, flush=True)


async def run_demo(
    port: int,
    data: Path,
    *,
    mongodb_uri: str | None = None,
    tokens: Literal["introspection", "jwt"] = "introspection",
    ready: Callable[[str], None] = _print,
    stop: asyncio.Event,
) -> None:
    """Run the gateway on ``port`` and the authorization server on the next, until ``stop`` is set.

    ``tokens`` is how the gateway checks access tokens; for ``jwt`` they are JWTs. ``data`` keeps
    the keyring and, without ``mongodb_uri``, a private MongoDB. ``ready`` gets the text for the
    user once all of it listens. Raises
    :class:`~aiconfig_plugin.errors.ConfigurationError` when a part cannot start; what had started
    is ended then, as it is after ``stop``.
    """
    url, issuer = f"http://{_HOST}:{port}", f"http://{_HOST}:{port + 1}"
    origins = [url, f"http://localhost:{port}"]
    secret = secrets.token_urlsafe(32)
    server = AuthorizationServer(
        issuer,
        gateway_client=(_CLIENT_ID, secret),
        users=USERS,
        redirect_uris=[f"{origin}/" for origin in origins],
        origins=origins,
        jwt=tokens == "jwt",
    )
    async with AsyncExitStack() as stack:
        # First what fails at once: a port in use, a directory that cannot be written.
        gateway_listener, server_listener = _bind_pair(stack, port)
        keyring, offered = _prepare(data, catalog(url))
        uri = mongodb_uri or (await stack.enter_async_context(kept_mongod(data / "mongodb"))).uri
        _serve(stack, application(server), server_listener)
        plugin = AIConfigPlugin(
            Settings(
                mongodb_uri=uri,
                keyring=keyring,
                issuer=issuer,
                introspection_endpoint=f"{issuer}/introspect",
                client_id=_CLIENT_ID,
                client_secret=secret,
                tokens=tokens,
                jwks_uri=f"{issuer}/jwks",
                audience=_CLIENT_ID,
                dpop="on",
                resource=f"{url}/api/v1",
                catalog=offered,
                base_urls=[url],
            )
        )
        stack.push_async_callback(plugin.close)
        app = tornado.web.Application([*_routes(plugin, url), *provider_routes()])
        plugin.mount(app)
        await plugin.start()
        _serve(stack, app, gateway_listener)
        if stop.is_set():
            return  # Ctrl-C while it was starting.
        store = "the MongoDB given" if mongodb_uri else f"{uri} (private)"
        ready(_text(url, server, data, store))
        await stop.wait()


def _routes(plugin: AIConfigPlugin, url: str) -> list[Any]:
    settings = plugin.settings
    return [
        (
            "/",
            PageHandler,
            {
                "issuer": settings.issuer,
                "api": settings.prefix,
                "rule": RULE,
                "ollama": f"{url}{OLLAMA}/v1",
            },
        ),
        (r"/page/([a-z]+\.(?:js|css))", AssetHandler),
        ("/demo/who", WhoHandler, {"plugin": plugin}),
        ("/demo/log-out", LogOutHandler, {"plugin": plugin}),
        ("/demo/ask", AskHandler, {"plugin": plugin, "provider": f"{url}{PROVIDER}"}),
    ]


def _bind_pair(stack: AsyncExitStack, port: int) -> list[socket.socket]:
    """Listen on ``port`` and on the one above it; an error names both."""
    if not 0 < port < 65535:
        raise ConfigurationError("--port must be a number from 1 to 65534.")
    listeners = []
    for each in (port, port + 1):
        try:
            listeners.append(_bind(stack, each))
        except OSError as err:
            why = "is taken" if err.errno == errno.EADDRINUSE else "cannot be used"
            raise ConfigurationError(
                f"Port {each} {why}: the demo needs {port} and {port + 1}. "
                "Choose another pair with --port."
            ) from err
    return listeners


def _bind(stack: AsyncExitStack, port: int) -> socket.socket:
    """Listen on a port; 0 takes any free one."""
    listener = socket.create_server((_HOST, port), backlog=128)
    stack.callback(listener.close)
    listener.setblocking(False)
    return listener


def _prepare(data: Path, catalog: Mapping[str, Any]) -> tuple[Path, Path]:
    """Make the data directory; return the keyring, which is made once, and the catalogue in it."""
    keyring, offered = data / "keyring.json", data / "catalog.json"
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        offered.write_text(json.dumps(catalog, indent=1), encoding="utf-8")
        missing = not keyring.exists()
    except OSError as err:
        raise ConfigurationError(f"{data} cannot be used: {err.strerror}.") from err
    if missing:
        create_keyring(keyring)
    return keyring, offered


def _serve(stack: AsyncExitStack, app: tornado.web.Application, listener: socket.socket) -> None:
    http = HTTPServer(app)
    http.add_socket(listener)
    stack.push_async_callback(http.close_all_connections)
    stack.callback(http.stop)


def _text(url: str, server: AuthorizationServer, data: Path, store: str) -> str:
    users = ", ".join(f"{name} (password {password})" for name, password in USERS.items())
    lines = [
        f"The demo runs at {url}/",
        f"  authorization server  {server.issuer}",
        f"  MongoDB               {store}",
        f"  data                  {data.absolute()}",
        f"  users                 {users}",
        f"  Ollama's endpoint     {url}{OLLAMA}/v1",
        "",
        "Commands to copy, with access tokens of alice's that are valid for an hour:",
    ]
    for title, command in _commands(f"{url}/api/v1", server):
        lines += ["", f"# {title}", command]
    return "\n".join([*lines, "", "Press Ctrl-C to stop."])


def _commands(api: str, server: AuthorizationServer) -> list[tuple[str, str]]:
    def curl(
        verb: str, scope: str | None, method: str = "GET", body: Any = None, query: str = ""
    ) -> str:
        words = ["curl", "-sS", "-i", "-w", r"\n"]
        if method != "GET":
            words += ["-X", method]
        if scope is not None:
            token = server.issue("alice", scope)["access_token"]
            words += ["-H", f"Authorization: Bearer {token}"]
        if body is not None:
            words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        return shlex.join([*words, f"{api}/{verb}/ai-model-config{query}"])

    # What a client has encrypted by its own means; it is not a key, and opens nothing.
    opaque = "gAAAAABmZGVtbyBjaXBoZXJ0ZXh0LCBub3QgYSByZWFsIGtleQ=="
    return [
        (
            "Create (201; 409 if one exists from an earlier start)",
            curl("create", _WRITE, "POST", _body(apiKeyEncrypted=opaque)),
        ),
        ("Read (200)", curl("get", _READ)),
        (
            "Read with the stored keys (200)",
            curl("get", _READ, query="?include=apiKeyEncrypted,keyState"),
        ),
        (
            "Update the prompt; an API key that is absent is kept (200)",
            curl("update", _WRITE, "PUT", _body("You answer in one sentence.")),
        ),
        (
            "Rejected: an API key in plain text (422)",
            curl("update", _WRITE, "PUT", _body(apiKeyEncrypted="sk-demo" + "0123456789" * 4)),
        ),
        ("Rejected: no token (401)", curl("get", None)),
    ]


def _body(prompt: str = "You are a helpful AI assistant.", **key: str) -> dict[str, Any]:
    """The body of the contract; without ``key`` no entry names an API key."""
    gpt = {"provider": "OpenAI", "type": "chat", "model": "gpt-4", **key, "isPaid": True}
    no_key = {"apiKeyEncrypted": None} if key else {}
    llama = {"provider": "Ollama", "type": "chat", "model": "llama3", **no_key, "isPaid": False}
    return {"models": [gpt, llama], "system_prompt": prompt}
