"""A gateway as an operator would run it, with everything that it needs, on loopback ports."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.routing import URLSpec
from tornado.testing import bind_unused_port
from tornado.web import Application

from aiconfig_plugin import AIConfigPlugin, Principal, Settings
from aiconfig_plugin.client import seal
from aiconfig_plugin.errors import AIConfigError
from aiconfig_plugin.keys.keyring_file import create_keyring
from tests.support.issuer import BOTH, CLIENT_ID, CLIENT_SECRET, READ, USERS, WRITE, Issuer, bearer

__all__ = ["BOTH", "CLIENT_ID", "CLIENT_SECRET", "READ", "USERS", "WRITE", "Gateway", "bearer"]

API = "/api/v1"
CREATE_PATH = f"{API}/create/ai-model-config"
READ_PATH = f"{API}/get/ai-model-config"
UPDATE_PATH = f"{API}/update/ai-model-config"
DELETE_PATH = f"{API}/delete/ai-model-config"
VERIFY_PATH = f"{API}/verify/ai-model-config"
KEY_PATH = f"{READ_PATH}/encryption-key"
OPENAPI_PATH = f"{READ_PATH}/openapi.json"

MIB = 1024 * 1024

# What a client has encrypted by its own means: it is not a key, and opens nothing.
OPAQUE = "gAAAAABmY2lwaGVydGV4dCBvZiBhIGNsaWVudA=="


def entry(
    model: str = "gpt-4", *, provider: str = "OpenAI", type: str = "chat", paid: bool = True,
    **key: str | None,
) -> dict[str, Any]:  # fmt: skip
    """One entry of a request body; ``key=`` is its ``apiKeyEncrypted``, absent unless given."""
    sent = {"apiKeyEncrypted": key["key"]} if key else {}
    return {"provider": provider, "type": type, "model": model, **sent, "isPaid": paid}


def body(*entries: dict[str, Any], prompt: str = "You are a helpful AI assistant.") -> Any:
    return {"models": list(entries or [entry()]), "system_prompt": prompt}


def valid_body_of(size: int) -> bytes:
    """A body that could be stored, made ``size`` bytes long by white space."""
    return json.dumps(body()).encode().ljust(size)


@dataclass(frozen=True)
class RawResponse:
    """What came back over a plain socket; like Tornado's, but nothing is interpreted."""

    code: int
    headers: HTTPHeaders
    body: bytes


class Gateway:
    """An authorization server, the plugin, and a Tornado application that it is mounted in.

    ``routes`` and ``app_settings`` make the application, ``http`` the server; further keywords
    are settings of the plugin. With ``authenticate`` it does not ask the authorization server.
    """

    def __init__(
        self,
        mongodb_uri: str,
        database_name: str,
        keyring: Path,
        *,
        routes: list[Any] | None = None,
        app_settings: Mapping[str, Any] | None = None,
        http: Mapping[str, Any] | None = None,
        database: Any = None,
        authenticate: Any = None,
        verify: Any = None,
        **settings: Any,
    ) -> None:
        self._socket, self.port = bind_unused_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._issuer = Issuer(redirect_uri=f"{self.url}/")
        self.issuer = self._issuer.url
        self.authorization_server = self._issuer.server
        if not keyring.exists():
            create_keyring(keyring)
        given = {
            "mongodb_uri": mongodb_uri,
            "mongodb_database": database_name,
            "keyring": keyring,
            **(self._issuer.settings if authenticate is None else {}),
            **settings,
        }
        self.settings = Settings(**given)
        self.plugin = AIConfigPlugin(
            self.settings, database=database, authenticate=authenticate, verify=verify
        )
        self.app = Application(routes or [], **(app_settings or {}))
        self.http = HTTPServer(self.app, **(http or {}))

    async def start(self, *, mount: bool = True) -> None:
        self.client = AsyncHTTPClient(
            force_instance=True, max_clients=2000, defaults={"request_timeout": 60}
        )
        self.start_authorization_server()
        if mount:
            self.plugin.mount(self.app)
        self.http.add_socket(self._socket)
        await self.plugin.start()

    async def close(self) -> None:
        self.http.stop()
        await self.http.close_all_connections()
        await self.plugin.close()
        await self.stop_authorization_server()
        self.client.close()
        self._socket.close()

    def start_authorization_server(self) -> None:
        self._issuer.start()

    async def stop_authorization_server(self) -> None:
        await self._issuer.stop()

    def token(self, user: str = "alice", scope: str = BOTH) -> str:
        return self._issuer.token(user, scope)

    def auth(self, user: str = "alice", scope: str = BOTH) -> dict[str, str]:
        return self._issuer.auth(user, scope)

    def user(self, name: str) -> User:
        return User(self, self.auth(name))

    def routes(self) -> dict[str, URLSpec]:
        """The plugin's routes with a fixed path, by that path."""
        fixed = [spec for spec in self.plugin.handlers() if not spec.regex.groups]
        specs = {spec.reverse(): spec for spec in fixed}
        return {path: spec for path, spec in specs.items() if path is not None}

    async def call(
        self,
        method: str,
        path: str = READ_PATH,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> HTTPResponse:
        """Send a request as it is told; ``body`` is sent as JSON unless it is bytes."""
        sent = HTTPHeaders(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None and "Content-Type" not in sent:
            sent["Content-Type"] = "application/json"
        return await self.client.fetch(
            self.url + path,
            method=method,
            headers=sent,
            body=body,
            raise_error=False,
            follow_redirects=False,
            decompress_response=False,
            allow_nonstandard_methods=True,
        )

    async def send(self, *parts: bytes) -> RawResponse:
        """Send bytes over a socket of their own and return the answer.

        The answer is read while the rest may still be under way, as a careful client does.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        sending = asyncio.create_task(_send(writer, parts))
        try:
            return parse_response(await _read_response(reader, parts[0]))
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    def head(self, method: str, path: str, *headers: str, auth: bool = True) -> bytes:
        """The head of a request for :meth:`send`."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *headers]
        if auth:
            lines.append(f"Authorization: Bearer {self.token()}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


class User:
    """One user's calls, each with the same token."""

    def __init__(self, gateway: Gateway, auth: dict[str, str]) -> None:
        self.gateway = gateway
        self.auth = auth

    async def create(self, body: Any, **headers: str) -> HTTPResponse:
        return await self._call("POST", CREATE_PATH, body, headers)

    async def read(self, include: str | None = None, **headers: str) -> HTTPResponse:
        query = "" if include is None else f"?include={include}"
        return await self._call("GET", READ_PATH + query, None, headers)

    async def update(self, body: Any, **headers: str) -> HTTPResponse:
        return await self._call("PUT", UPDATE_PATH, body, headers)

    async def delete(self, **headers: str) -> HTTPResponse:
        return await self._call("DELETE", DELETE_PATH, None, headers)

    async def seal(self, key: str, *, provider: str = "OpenAI") -> str:
        """Seal an API key as this user's client does."""
        response = await self._call("GET", KEY_PATH, None, {})
        assert response.code == 200, response.body
        return seal(json.loads(response.body), key, provider=provider)

    async def keys(self) -> dict[str, str | None]:
        """The stored keys by model."""
        response = await self.read("apiKeyEncrypted")
        assert response.code == 200, response.body
        return {m["model"]: m["apiKeyEncrypted"] for m in json.loads(response.body)["models"]}

    async def states(self) -> dict[str, str]:
        """The states of the keys by model."""
        response = await self.read("keyState")
        assert response.code == 200, response.body
        return {m["model"]: m["keyState"] for m in json.loads(response.body)["models"]}

    async def _call(
        self, method: str, path: str, body: Any, headers: Mapping[str, str]
    ) -> HTTPResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.gateway.call(method, path, body, {**self.auth, **named})


async def nobody(_request: Any) -> Principal:
    """An ``authenticate`` for a gateway that no request reaches."""
    raise AssertionError("no request of this test gets this far")


def problem(response: HTTPResponse | RawResponse, status: int, code: str) -> dict[str, Any]:
    """Check that this is the problem document ``code`` and nothing more; return it."""
    assert response.code == status, (response.code, response.body)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Authorization" in re.split(r",\s*", response.headers["Vary"])
    assert "ETag" not in response.headers
    document: dict[str, Any] = json.loads(response.body)
    assert document["type"] == f"urn:aiconfig:problem:{code}", document
    assert document["title"] == PROBLEMS[code].title
    assert document["status"] == status == PROBLEMS[code].status
    allowed = {"type", "title", "status"}
    if status != 500:
        allowed.add("detail")
        assert isinstance(document["detail"], str) and document["detail"]
    if code == "storage-unavailable":
        allowed.update({"outcome"} & document.keys())
    if status == 422:
        allowed.add("errors")
        assert 1 <= len(document["errors"]) <= 50
        for error in document["errors"]:
            assert set(error) == {"pointer", "code", "detail"}
            assert all(isinstance(value, str) for value in error.values())
    assert set(document) == allowed, document
    return document


def parse_response(received: bytes) -> RawResponse:
    head, _, rest = received.partition(b"\r\n\r\n")
    first, _, lines = head.decode("latin-1").partition("\r\n")
    return RawResponse(int(first.split()[1]), HTTPHeaders.parse(lines), rest)


def _problems(error: type[AIConfigError]) -> dict[str, type[AIConfigError]]:
    found = {error.code: error} if "code" in vars(error) else {}
    for child in error.__subclasses__():
        found.update(_problems(child))
    return found


PROBLEMS = _problems(AIConfigError)
"""Every error that a client may see, by its code."""


async def _send(writer: asyncio.StreamWriter, parts: tuple[bytes, ...]) -> None:
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
    except ConnectionError:
        pass  # The server has read enough; its answer says why.


async def _read_response(reader: asyncio.StreamReader, request: bytes) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100"):
        head = await reader.readuntil(b"\r\n\r\n")
    if request.startswith(b"HEAD "):
        return head
    length = re.search(rb"\r\nContent-Length: (\d+)\r\n", head, re.IGNORECASE)
    return head + (await reader.readexactly(int(length[1])) if length else b"")


def closed_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
