"""The demo's server issues JWT access tokens, and tokens bound to a key, that a gateway accepts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port
from tornado.web import Application

from aiconfig_plugin import AIConfigPlugin, Settings
from aiconfig_plugin.demo.authorization_server import AuthorizationServer
from aiconfig_plugin.demo.oauth_handlers import application
from aiconfig_plugin.keys import create_keyring
from aiconfig_plugin.testing import InMemoryRepository
from tests.demo.test_authorization_server import GATEWAY, SERVER, Client
from tests.support.signing import ALG, proof, proof_header, sign

RESOURCE = "http://gateway.example/api/v1"
URL = f"{RESOURCE}/get/ai-model-config"


class Demo(Client):
    """The server with JWTs or without, and a gateway that checks them by the same means."""

    def __init__(self, kind: str, keyring: Path) -> None:
        super().__init__()
        socket, port = bind_unused_port()
        self.at = f"http://127.0.0.1:{port}"
        given = {**SERVER, "issuer": self.at}
        self.server = AuthorizationServer(**given, jwt=kind == "jwt")
        self.http = HTTPServer(application(self.server))
        self.http.add_socket(socket)
        self._port = port
        create_keyring(keyring)
        settings = Settings(
            keyring=keyring,
            issuer=self.at,
            tokens=kind,  # type: ignore[arg-type]
            client_id=GATEWAY[0],
            client_secret=GATEWAY[1],
            audience=GATEWAY[0],
            dpop="on",
            resource=RESOURCE,
        )
        self.plugin = AIConfigPlugin(settings, repository=InMemoryRepository())
        self.gateway = HTTPServer(Application(self.plugin.handlers()))
        listener, self.gateway_port = bind_unused_port()
        self.gateway.add_socket(listener)

    async def close(self) -> None:
        for each in (self.http, self.gateway):
            each.stop()
            await each.close_all_connections()
        await self.plugin.close()

    async def read(self, scheme: str, token: str, *proofs: str) -> HTTPResponse:
        headers = HTTPHeaders({"Authorization": f"{scheme} {token}"})
        for each in proofs:
            headers.add("DPoP", each)
        url = f"http://127.0.0.1:{self.gateway_port}/api/v1/get/ai-model-config"
        return await AsyncHTTPClient().fetch(url, headers=headers, raise_error=False)

    def proves(self, holder: str = "ec-holder", **changes: Any) -> dict[str, str]:
        """The header of a token request: a proof without ``ath``."""
        url = f"{self.at}/token"
        return {"DPoP": proof("", url, "POST", holder, ath=None, **changes)}

    async def bound(self, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        data = {
            "grant_type": "authorization_code",
            "client_id": "demo-spa",
            "code": await self.code(),
            "redirect_uri": SERVER["redirect_uris"][0],
            "code_verifier": self.verifier,
        }
        status, reply = await self.form("/token", headers, **data)
        return status, reply


@pytest.fixture(params=["introspection", "jwt"])
def demo(io_loop: IOLoop, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Demo]:
    async def make() -> Demo:
        return Demo(request.param, tmp_path / "keyring.json")

    made = io_loop.run_sync(make)
    yield made
    io_loop.run_sync(made.close)


async def test_a_bearer_token_passes(demo: Demo) -> None:
    granted = await demo.tokens()
    assert granted["token_type"] == "Bearer"
    is_jwt = granted["access_token"].count(".") == 2
    assert is_jwt == (demo.plugin.settings.tokens == "jwt")
    assert (await demo.read("Bearer", granted["access_token"])).code == 404


async def test_a_bound_token_passes_with_the_proof_of_its_key_alone(demo: Demo) -> None:
    status, granted = await demo.bound(demo.proves())
    assert (status, granted["token_type"]) == (200, "DPoP")
    token = granted["access_token"]
    assert (await demo.read("DPoP", token, proof(token, URL))).code == 404
    for scheme, proofs in (
        ("Bearer", []),
        ("DPoP", []),
        ("DPoP", [proof(token, URL, holder="ec-stranger")]),
    ):
        assert (await demo.read(scheme, token, *proofs)).code == 401


async def test_a_refresh_token_is_bound_as_well(demo: Demo) -> None:
    _, granted = await demo.bound(demo.proves())
    data = {
        "grant_type": "refresh_token",
        "client_id": "demo-spa",
        "refresh_token": granted["refresh_token"],
    }
    for headers in ({}, demo.proves("ec-stranger")):
        status, reply = await demo.form("/token", headers, **data)
        assert (status, reply["error"]) == (400, "invalid_grant")
    status, reply = await demo.form("/token", demo.proves(), **data)
    assert (status, reply["token_type"]) == (200, "DPoP")
    token = reply["access_token"]
    assert (await demo.read("DPoP", token, proof(token, URL))).code == 404


async def test_a_wrong_proof_gets_no_token(demo: Demo) -> None:
    wrong = [
        {"DPoP": "junk"},
        demo.proves(htu=URL),
        demo.proves(htm="GET"),
        {"DPoP": sign(proof_header("ec-holder"), {}, "ec-stranger")},
    ]
    for headers in wrong:
        status, reply = await demo.bound(headers)
        assert (status, reply["error"]) == (400, "invalid_dpop_proof")


async def test_the_metadata_and_the_keys_are_public(demo: Demo) -> None:
    metadata = json.loads((await demo.call("/.well-known/oauth-authorization-server")).body)
    assert set(metadata["dpop_signing_alg_values_supported"]) == set(ALG.values()) - {"ES384"} | {
        "PS256"
    }
    assert metadata["jwks_uri"] == f"{demo.at}/jwks"
    [jwk] = json.loads((await demo.call("/jwks")).body)["keys"]
    assert jwk["kty"] == "EC" and "d" not in jwk and jwk["kid"]
