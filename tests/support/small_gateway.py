"""The plugin in a Tornado application on a loopback port, for tests of who may come in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from aiconfig_plugin import AIConfigPlugin, Principal, Settings
from aiconfig_plugin.cli import main

READ_PATH = "/api/v1/get/ai-model-config"
CREATE_PATH = "/api/v1/create/ai-model-config"
BOTH = "ai-config:read ai-config:write"
BODY = {
    "models": [{"provider": "Ollama", "type": "chat", "model": "llama3", "isPaid": False}],
    "system_prompt": "You are a helpful AI assistant.",
}


async def nobody(request: Any) -> Principal:
    raise AssertionError("no request of this test gets this far")


class SmallGateway:
    """``authenticate`` and further keywords are the plugin's and its settings'."""

    def __init__(
        self, uri: str, database_name: str, folder: Path, *, authenticate: Any = None, **given: Any
    ) -> None:
        keyring = folder / "keyring.json"
        if not keyring.exists():
            assert main(["keyring", "create", str(keyring)]) == 0
        settings = {"mongodb_uri": uri, "mongodb_database": database_name, "keyring": keyring}
        self.plugin = AIConfigPlugin(Settings(**settings | given), authenticate=authenticate)
        self.app = Application()
        self.plugin.mount(self.app)
        self._server = HTTPServer(self.app)
        self._socket, self.port = bind_unused_port()
        self.url = f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._client = AsyncHTTPClient(
            force_instance=True, max_clients=2000, defaults={"request_timeout": 60}
        )
        await self.plugin.start()
        self._server.add_socket(self._socket)

    async def close(self) -> None:
        self._server.stop()
        await self._server.close_all_connections()
        self._client.close()
        await self.plugin.close()

    async def call(
        self,
        method: str,
        path: str = READ_PATH,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> HTTPResponse:
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        return await self._client.fetch(
            self.url + path,
            method=method,
            headers=sent,
            body=body,
            raise_error=False,
            follow_redirects=False,
            allow_nonstandard_methods=True,
        )


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
