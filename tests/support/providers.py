"""Providers that answer as their documentation says, on one loopback port.

``good-key`` is accepted. Others are known by what is wrong with them; any other is no key at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.iostream import StreamClosedError
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

GOOD, NO_QUOTA, NO_SCOPE, NO_CREDIT = "good-key", "no-quota-key", "no-scope-key", "no-credit-key"


class Providers:
    """``url`` is where they listen; ``requests`` are the paths and headers that came in."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.requests: list[tuple[str, HTTPHeaders]] = []
        self.ended = asyncio.Event()


class _Handler(RequestHandler):
    def initialize(self, providers: Providers) -> None:
        self.providers = providers

    def prepare(self) -> None:
        self.providers.requests.append((self.request.path, self.request.headers))

    def get_key(self) -> str:
        scheme, _, key = self.request.headers.get("Authorization", "").partition(" ")
        return key if scheme == "Bearer" else ""

    def answer(self, status: int, document: Any) -> None:
        self.set_status(status)
        self.finish(document)

    def log_exception(self, *args: Any) -> None:
        if not isinstance(args[1], StreamClosedError):
            super().log_exception(*args)


class OpenAI(_Handler):
    """https://platform.openai.com/docs/guides/error-codes"""

    def get(self) -> None:
        match self.get_key():
            case "good-key":
                model = {"id": "gpt-4", "object": "model", "created": 0, "owned_by": "openai"}
                self.answer(200, {"object": "list", "data": [model]})
            case "no-quota-key":
                self._refuse(429, "insufficient_quota", "You exceeded your current quota")
            case "no-scope-key":
                self._refuse(403, None, "Insufficient permissions. Missing scopes: api.model.read.")
            case _:
                self._refuse(401, "invalid_api_key", "Incorrect API key provided: sk-***.")

    def _refuse(self, status: int, code: str | None, message: str) -> None:
        self.answer(status, {"error": {"message": message, "type": "x", "code": code}})


class XAI(_Handler):
    """Compatible with OpenAI's, but for the status of a wrong key."""

    def get(self) -> None:
        if self.get_key() == GOOD:
            self.answer(200, {"object": "list", "data": []})
        else:
            self.answer(400, {"error": "Incorrect API key provided: sk***YA."})


class Anthropic(_Handler):
    """https://docs.anthropic.com/en/api/errors"""

    def get(self) -> None:
        if self.request.headers.get("anthropic-version") != "2023-06-01":
            self._refuse(400, "invalid_request_error")
            return
        match self.request.headers.get("x-api-key"):
            case "good-key":
                self.answer(200, {"data": [], "has_more": False})
            case "no-quota-key":
                self._refuse(429, "rate_limit_error")
            case "no-credit-key":
                self._refuse(402, "billing_error")
            case "no-scope-key":
                self._refuse(403, "permission_error")
            case _:
                self._refuse(401, "authentication_error")

    def _refuse(self, status: int, type: str) -> None:
        self.answer(status, {"type": "error", "error": {"type": type, "message": "…"}})


class Google(_Handler):
    """https://ai.google.dev/gemini-api/docs/troubleshooting"""

    def get(self) -> None:
        match self.request.headers.get("x-goog-api-key"):
            case "good-key":
                self.answer(200, {"models": [{"name": "models/gemini-pro"}]})
            case "no-quota-key":
                self._refuse(429, "RESOURCE_EXHAUSTED")
            case "no-scope-key":
                self._refuse(403, "PERMISSION_DENIED")
            case "abroad-key":
                self._refuse(400, "FAILED_PRECONDITION")
            case _:
                self._refuse(400, "INVALID_ARGUMENT", "API_KEY_INVALID")

    def _refuse(self, status: int, name: str, *reasons: str) -> None:
        details = [{"@type": "…/google.rpc.ErrorInfo", "reason": reason} for reason in reasons]
        self.answer(status, {"error": {"code": status, "status": name, "details": details}})


class Ollama(_Handler):
    """https://docs.ollama.com/api/authentication: no key is needed where it runs by itself."""

    def get(self) -> None:
        if self.get_key() in ("", GOOD):
            self.answer(200, {"models": [{"name": "llama3:latest"}]})
        else:
            self.answer(401, {"error": "unauthorized"})


class Trouble(_Handler):
    """Accepts no key and no wish for an end."""

    async def get(self, kind: str) -> None:
        match kind:
            case "redirect":
                self.redirect("/openai/v1/models")
            case "page":
                self.answer(200, "\n<!DOCTYPE html><title>Sign in</title>")
            case "status":
                self.set_status(int(self.get_key()))
                self.finish()
            case "slow":
                await self.providers.ended.wait()
            case "huge":
                self.answer(200, {"data": "x" * 10_000_000})
            case "endless" | "endless-refusal":
                self.set_status(200 if kind == "endless" else 401)
                while not self.providers.ended.is_set():
                    self.write(b" " * 65_536)
                    await self.flush()
            case "hangs-up":
                self.detach().close()
            case _:
                self.send_error(404)


@asynccontextmanager
async def providers() -> AsyncIterator[Providers]:
    listener, port = bind_unused_port()
    made = Providers(port)
    given = {"providers": made}
    routes = [
        ("/openai/v1/models", OpenAI, given),
        ("/xai/v1/models", XAI, given),
        ("/anthropic/v1/models", Anthropic, given),
        ("/google/v1beta/models", Google, given),
        ("/ollama/api/tags", Ollama, given),
        ("/([a-z-]+)/.*", Trouble, given),
    ]
    server = HTTPServer(Application(routes, log_function=lambda handler: None))
    server.add_socket(listener)
    try:
        yield made
    finally:
        made.ended.set()
        server.stop()
        await server.close_all_connections()
