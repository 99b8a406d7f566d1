"""Pretend AI providers: one that wants an API key, and one that runs at home and wants none."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import tornado.web

PROVIDER, OLLAMA = "/demo/provider", "/demo/ollama"
"""Where they are on the demo's gateway."""

RULE = "It rejects API keys with “wrong” in them, and has no quota left for those with “empty”."


class _ProviderHandler(tornado.web.RequestHandler):
    """Answers only who has a key that counts, by the status that real providers send."""

    def initialize(self, needs_key: bool) -> None:
        self.needs_key = needs_key

    def check_xsrf_cookie(self) -> None:
        """No cookie counts here."""

    def prepare(self) -> None:
        headers = self.request.headers
        scheme, _, bearer = headers.get("Authorization", "").partition(" ")
        bearer = bearer if scheme == "Bearer" else ""
        self.key = bearer or headers.get("x-api-key") or headers.get("x-goog-api-key") or ""
        if (self.needs_key and not self.key) or "wrong" in self.key.lower():
            self._refuse(401, "invalid_api_key")
        elif "empty" in self.key.lower():
            self._refuse(429, "insufficient_quota")

    def _refuse(self, status: int, code: str) -> None:
        self.set_status(status)
        self.finish({"error": {"code": code}})


class ModelsHandler(_ProviderHandler):
    """The list of models, in the members of all dialects."""

    def get(self) -> None:
        self.finish({"data": [], "models": []})


class ChatHandler(_ProviderHandler):
    """As a provider's chat route; tells the SHA-256 of the key it got, cut short, and no key."""

    def post(self) -> None:
        messages = json.loads(self.request.body)["messages"]
        prompt, message = (part["content"] for part in messages)
        told = f" My instructions have {len(prompt)} characters." if prompt else ""
        content = f"You said: “{message}”.{told}"
        digest = hashlib.sha256(self.key.encode()).hexdigest()
        self.finish(
            {
                "choices": [{"message": {"role": "assistant", "content": content}}],
                "key_fingerprint": digest[:8] if self.key else None,
            }
        )


def provider_routes() -> list[Any]:
    """Return the routes of both, for the gateway of the demo."""
    with_key, without = {"needs_key": True}, {"needs_key": False}
    return [
        (f"{PROVIDER}/v1(?:beta)?/models", ModelsHandler, with_key),
        (f"{PROVIDER}(?:/v1)?/chat/completions", ChatHandler, with_key),
        (f"{OLLAMA}/api/tags", ModelsHandler, without),
        (f"{OLLAMA}/v1/chat/completions", ChatHandler, without),
    ]


def catalog(url: str) -> dict[str, Any]:
    """Return a catalogue that has well-known providers at the pretend one below ``url``."""
    compatible = {"api": "openai", "baseUrl": f"{url}{PROVIDER}/v1"}
    others = ("DeepSeek", "Groq", "Mistral", "OpenAI", "Together AI", "xAI")
    return {
        "providers": {
            "Anthropic": {"api": "anthropic", "baseUrl": f"{url}{PROVIDER}"},
            "Google": {"api": "google", "baseUrl": f"{url}{PROVIDER}"},
            **dict.fromkeys(others, compatible),
            # Whoever has one says where it is.
            "Ollama": {"api": "ollama"},
        },
        "otherProviders": True,
    }
