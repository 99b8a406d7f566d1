"""The demo's page and the gateway's own routes beside the plugin's."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from aiconfig_plugin.client import seal
from aiconfig_plugin.demo.authorization_server import AuthorizationServer
from aiconfig_plugin.demo.gateway import run_demo
from tests.support.ports import two_free_ports

BOTH = "ai-config:read ai-config:write"
OPAQUE, KEY = "gAAAAABmZGVtbyBjaXBoZXJ0ZXh0", "sk-demo-key"


@asynccontextmanager
async def demo(data: Path, uri: str, monkeypatch: Any) -> AsyncIterator[tuple[str, Any]]:
    """Run the demo; yields its URL and a function that mints tokens."""
    servers: list[AuthorizationServer] = []

    class Known(AuthorizationServer):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            servers.append(self)

    monkeypatch.setattr("aiconfig_plugin.demo.gateway.AuthorizationServer", Known)
    port, ready, stop = two_free_ports(), asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(
        run_demo(port, data, mongodb_uri=uri, ready=lambda _text: ready.set(), stop=stop)
    )
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield f"http://127.0.0.1:{port}", lambda scope: servers[0].issue("bob", scope)
    finally:
        stop.set()
        waiting.cancel()
        await running


async def call(
    url: str, token: str | None = None, body: Any = None, method: str = ""
) -> HTTPResponse:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    method = method or ("GET" if body is None else "POST")
    sent = None if body is None else json.dumps(body).encode()
    if "/api/" in url:
        headers["Content-Type"] = "application/json"
    client = AsyncHTTPClient()
    return await client.fetch(url, method=method, headers=headers, body=sent, raise_error=False)


async def test_the_page_and_its_routes(tmp_path: Path, mongod: Any, monkeypatch: Any) -> None:
    async with demo(tmp_path / "demo", mongod.uri, monkeypatch) as (url, issue):
        page = await call(f"{url}/")
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policy
        assert b"<style" not in page.body and b" style=" not in page.body
        for asset in ("app.js", "oauth.js", "page.css"):
            assert (await call(f"{url}/page/{asset}")).code == 200
        assert (await call(f"{url}/page/index.html")).code == 404

        for route in ("who", "ask", "log-out"):
            answer = await call(f"{url}/demo/{route}", body={"message": "Hello"})
            assert answer.code == 401
            assert json.loads(answer.body) == {"error": "Access token required."}
        writer = issue("ai-config:write")["access_token"]
        assert (await call(f"{url}/demo/who", writer, {})).code == 403

        token = issue(BOTH)["access_token"]
        assert json.loads((await call(f"{url}/demo/who", token, {})).body) == {"user": "bob"}
        answer = await call(f"{url}/demo/ask", token, {"message": "Hello"})
        assert answer.code == 404
        assert json.loads(answer.body) == {"error": "Configuration not found."}
        gpt = {"provider": "OpenAI", "type": "chat", "model": "gpt-4", "isPaid": True}
        config = {"models": [{**gpt, "apiKeyEncrypted": OPAQUE}], "system_prompt": "Be brief."}
        created = await call(f"{url}/api/v1/create/ai-model-config", token, config)
        assert created.code == 201
        answer = await call(f"{url}/demo/ask", token, {"message": "Hello"})
        assert answer.code == 409 and "cannot decrypt" in json.loads(answer.body)["error"]
        document = await call(f"{url}/api/v1/get/ai-model-config/encryption-key", token)
        key = seal(json.loads(document.body), KEY, provider="OpenAI")
        config["models"] = [{**gpt, "apiKeyEncrypted": key}]
        assert (
            await call(f"{url}/api/v1/update/ai-model-config", token, config, "PUT")
        ).code == 200
        answer = await call(f"{url}/demo/ask", token, {"message": "Hello"})
        reply = json.loads(answer.body)
        assert reply["fingerprint"] == hashlib.sha256(KEY.encode()).hexdigest()[:8]
        assert (reply["provider"], reply["model"]) == ("OpenAI", "gpt-4")
        assert "Hello" in reply["answer"] and KEY not in answer.body.decode()
        assert reply["endpoint"] == f"{url}/demo/provider/v1"
        assert (await call(f"{url}/demo/ask", token, {"message": " "})).code == 400
        assert (await call(f"{url}/demo/ask", token, ["Hello"])).code == 400
        delete = f"{url}/api/v1/delete/ai-model-config"
        assert (await call(delete, token, method="DELETE")).code == 204


async def test_the_provider_accepts_some_keys_and_ollama_none(
    tmp_path: Path, mongod: Any, monkeypatch: Any
) -> None:
    async with demo(tmp_path / "demo", mongod.uri, monkeypatch) as (url, issue):
        token = issue(BOTH)["access_token"]
        api = f"{url}/api/v1"
        document = await call(f"{api}/get/ai-model-config/encryption-key", token)

        def entry(provider: str, key: str | None = None, **members: str) -> dict[str, Any]:
            sealed = key and seal(json.loads(document.body), key, provider=provider)
            named = {"provider": provider, "type": "chat", "model": "m", **members}
            return {**named, "isPaid": False, "apiKeyEncrypted": sealed}

        ollama = entry("Ollama", baseUrl=f"{url}/demo/ollama/v1")
        expected = [
            (entry("OpenAI", "sk-demo"), "accepted", 200),
            (entry("Anthropic", "sk-ant-demo"), "accepted", 200),
            (entry("Google", "demo"), "accepted", 200),
            (entry("Mistral", "wrong"), "rejected", 502),
            (entry("Groq", "Empty"), "quota-exceeded", 502),
            (entry("xAI"), "rejected", 502),
            (ollama, "accepted", 200),
            (entry("Ollama", label="without an endpoint"), "unknown", 502),
        ]
        config = {"models": [each for each, _, _ in expected], "system_prompt": ""}
        assert (await call(f"{api}/create/ai-model-config", token, config)).code == 201
        for each, result, _ in expected:
            identity = {n: each[n] for n in ("provider", "type", "model", "label") if n in each}
            answer = await call(f"{api}/verify/ai-model-config", token, identity)
            assert json.loads(answer.body)["result"] == result, each
        for each, _, status in expected:
            first = {**config, "models": [each]}
            assert (await call(f"{api}/update/ai-model-config", token, first, "PUT")).code == 200
            answer = await call(f"{url}/demo/ask", token, {"message": "Hello"})
            assert answer.code == status, (each, answer.body)
        delete = f"{api}/delete/ai-model-config"
        assert (await call(delete, token, method="DELETE")).code == 204
