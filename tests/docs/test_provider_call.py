"""The example that calls a provider sends a key to the provider of its entry and to nobody else."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from tornado.httpclient import HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from aiconfig_plugin.store import COLLECTION
from tests.support.gateway import OPAQUE, READ, WRITE, Gateway, body, entry

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "provider_call.py"
PROMPT = "Talk like a pirate."


class Provider(RequestHandler):
    """As much of an OpenAI-compatible endpoint as one call needs."""

    def initialize(self, calls: list[Any], status: list[int]) -> None:
        self.calls, self.status = calls, status

    def post(self) -> None:
        asked = json.loads(self.request.body)
        self.calls.append((self.request.headers.get("Authorization"), asked))
        self.set_status(self.status[0])
        message = {"role": "assistant", "content": f"{asked['model']} says arr"}
        self.write({"choices": [{"index": 0, "message": message}]})


class Chat:
    """The example in a gateway, beside a provider that notes its calls."""

    def __init__(self, gateway: Gateway, socket: Any) -> None:
        self.gateway = gateway
        self.calls: list[Any] = []
        self.status = [200]
        given = {"calls": self.calls, "status": self.status}
        self.provider = HTTPServer(Application([("/v1/chat/completions", Provider, given)]))
        self.provider.add_socket(socket)
        spec = importlib.util.spec_from_file_location("provider_call", EXAMPLE)
        assert spec and spec.loader
        example = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(example)
        gateway.app.add_handlers(".*", [("/chat", example.ChatHandler, {"plugin": gateway.plugin})])

    async def __call__(self, user: str = "alice", scope: str = READ, **asked: str) -> HTTPResponse:
        auth = self.gateway.auth(user, scope)
        return await self.gateway.call("POST", "/chat", {"message": "Hello", **asked}, auth)


@pytest.fixture
def chat(
    make_gateway: Callable[..., Awaitable[Gateway]], io_loop: IOLoop, tmp_path: Path
) -> Iterator[Chat]:
    """The catalogue knows where OpenAI is; another provider's entries say it themselves."""

    async def make() -> Chat:
        socket, port = bind_unused_port()
        url = f"http://127.0.0.1:{port}"
        catalog = {"providers": {"OpenAI": {"baseUrl": f"{url}/v1"}}, "otherProviders": True}
        (tmp_path / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
        gateway = await make_gateway(catalog=tmp_path / "catalog.json", base_urls=[url])
        return Chat(gateway, socket)

    made = io_loop.run_sync(make)
    yield made
    made.provider.stop()
    io_loop.run_sync(made.provider.close_all_connections)


async def test_it_calls_with_the_users_own_key_model_and_prompt(chat: Chat) -> None:
    alice = chat.gateway.user("alice")
    embedding = entry("ada", type="embedding", key=await alice.seal("not this one"))
    sent = body(embedding, entry("gpt-4", key=await alice.seal("sk-alice")), prompt=PROMPT)
    await alice.create(sent)
    answered = await chat()
    assert (answered.code, json.loads(answered.body)) == (200, {"answer": "gpt-4 says arr"})
    messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": "Hello"}]
    assert chat.calls == [("Bearer sk-alice", {"model": "gpt-4", "messages": messages})]


async def test_each_provider_is_called_where_it_is_with_its_own_key(chat: Chat) -> None:
    alice = chat.gateway.user("alice")
    ollama = entry("llama3", provider="Ollama", key=await alice.seal("mine", provider="Ollama"))
    ollama["baseUrl"] = chat.gateway.settings.base_urls[0] + "/v1"  # type: ignore[index]
    await alice.create(body(entry("gpt-4", key=await alice.seal("sk-alice")), ollama))
    for name in ("Ollama", "OpenAI"):
        assert (await chat(provider=name)).code == 200
    assert [(key, asked["model"]) for key, asked in chat.calls] == [
        ("Bearer mine", "llama3"),
        ("Bearer sk-alice", "gpt-4"),
    ]


async def test_a_key_for_another_provider_is_never_sent(chat: Chat) -> None:
    """Nobody knows where Anthropic is; OpenAI's key is for OpenAI."""
    alice = chat.gateway.user("alice")
    key = await alice.seal("sk-ant-key", provider="Anthropic")
    await alice.create(body(entry("claude", provider="Anthropic", key=key), entry("gpt-4")))
    assert (await chat()).code == 409
    assert (await chat(provider="OpenAI")).code == 200
    assert [key for key, _ in chat.calls] == [None]


async def test_an_opaque_key_is_not_sent(chat: Chat) -> None:
    await chat.gateway.user("alice").create(body(entry(key=OPAQUE)))
    assert (await chat()).code == 409
    assert chat.calls == []


async def test_without_scope_token_configuration_or_readable_key_nobody_is_called(
    chat: Chat, mongod: Any, database_name: str
) -> None:
    assert (await chat()).code == 404
    alice = chat.gateway.user("alice")
    await alice.create(body(entry(key=await alice.seal("k"))))
    assert (await chat(scope=WRITE)).code == 403
    assert (await chat.gateway.call("POST", "/chat", {"message": "Hello"})).code == 401
    with MongoClient[dict[str, Any]](mongod.uri) as client:
        lost = {"$set": {"models.0.key.kid": "nobody"}}
        client[database_name][COLLECTION].update_one({"subject": "alice"}, lost)
    assert (await chat()).code == 409
    assert chat.calls == []


async def test_an_error_of_the_provider_is_not_passed_on_as_an_answer(chat: Chat) -> None:
    await chat.gateway.user("alice").create(body(entry()))
    chat.status[0] = 401
    assert (await chat()).code == 502
