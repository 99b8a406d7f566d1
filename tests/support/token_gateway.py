"""A gateway that checks signed tokens of a scripted issuer, with everything else in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.testing import bind_unused_port
from tornado.web import Application

from aiconfig_plugin import AIConfigPlugin, Settings
from aiconfig_plugin.keys import create_keyring
from aiconfig_plugin.testing import InMemoryRepository
from tests.support.scripted_server import Reply, ScriptedServer
from tests.support.signing import AUDIENCE, CLIENT, public

READ = "/api/v1/get/ai-model-config"
LOG_OUT = "/api/v1/backchannel-logout"
URL = f"{AUDIENCE}/get/ai-model-config"
"""How a caller sees what is read, in ``htu``."""


class TokenGateway:
    """Settings for JWT access tokens, unless ``given`` says otherwise."""

    def __init__(self, issuer: ScriptedServer, keyring: Path, **given: Any) -> None:
        if not keyring.exists():
            create_keyring(keyring)
        settings = {
            "keyring": keyring,
            "issuer": issuer.issuer,
            "jwks_uri": f"{issuer.issuer}/jwks",
            "tokens": "jwt",
            "audience": AUDIENCE,
            "clients": CLIENT,
        }
        publish(issuer, "ec", "rsa", "ed")
        self.plugin = AIConfigPlugin(Settings(**settings | given), repository=InMemoryRepository())
        self._http = HTTPServer(Application(self.plugin.handlers()))
        self._socket, self.port = bind_unused_port()

    async def start(self) -> None:
        await self.plugin.start()
        self._http.add_socket(self._socket)
        self._client = AsyncHTTPClient(force_instance=True)

    async def close(self) -> None:
        self._http.stop()
        await self._http.close_all_connections()
        self._client.close()
        self._socket.close()
        await self.plugin.close()

    async def read(self, token: str, *proofs: str, scheme: str | None = None) -> HTTPResponse:
        """Read the configuration; 404 is what a good token gets."""
        scheme = scheme or ("DPoP" if proofs else "Bearer")
        headers = HTTPHeaders({"Authorization": f"{scheme} {token}"})
        for proof in proofs:
            headers.add("DPoP", proof)
        return await self._fetch(READ, headers=headers)

    async def log_out(self, body: str, **headers: str) -> HTTPResponse:
        form = {"Content-Type": "application/x-www-form-urlencoded"} | headers
        return await self._fetch(LOG_OUT, method="POST", body=body, headers=form)

    async def _fetch(self, path: str, **given: Any) -> HTTPResponse:
        url = f"http://127.0.0.1:{self.port}{path}"
        return await self._client.fetch(url, raise_error=False, **given)


def publish(issuer: ScriptedServer, *names: str, more: Any = ()) -> None:
    """Let the issuer's JWK Set be of these keys."""
    issuer.documents["/jwks"] = Reply({"keys": [*map(public, names), *more]})
