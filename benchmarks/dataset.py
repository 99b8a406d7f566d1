"""The same owners and configurations for every contender, each in the shape it stores.

The plugin makes its own documents, in one process that stores a configuration for every owner: so
all of its keys open, and nothing here knows how they are stored.
"""

import json
from collections.abc import Callable
from typing import Any

from aiconfig_plugin.client import seal
from benchmarks.rounds import Scale
from benchmarks.servers import Send

CREATE = "/api/v1/create/ai-model-config"
READ = "/api/v1/get/ai-model-config"
UPDATE = "/api/v1/update/ai-model-config"
PROVIDERS = ("OpenAI", "Anthropic", "Mistral")
API_KEY = "sk-proj-" + "x" * 156  # as long as one of OpenAI's
SMALL, LARGE = 3, 100
SIZES = (1, SMALL, 10, 30, LARGE)

Document = dict[str, Any]


def stored_key(_provider: str) -> str:
    return "x" * 493  # as long as one of the plugin's, so that the store does the same work


def to_json(size: int, key: Callable[[str], str] | None = None) -> str:
    """Return a body with so many entries; ``key`` makes each one's key for its provider."""
    models: list[Document] = []
    for number in range(size):
        provider = PROVIDERS[number % len(PROVIDERS)]
        entry = {"provider": provider, "type": "chat", "model": f"model-{number}"}
        models.append({**entry, "isPaid": number % 2 == 0})
        if key:
            models[-1]["apiKeyEncrypted"] = key(provider)
    body = {"models": models, "system_prompt": "You are a helpful AI assistant. " * 8}
    return json.dumps(body, separators=(",", ":"))


class DataSet:
    """``tokens`` has, by the number of entries, the tokens of the owners with so many."""

    def __init__(self, scale: Scale) -> None:
        counts = dict.fromkeys(SIZES, scale.large_owners) | {SMALL: scale.owners}
        self.tokens = {
            size: [f"token.owner{size}x{number}" for number in range(count)]
            for size, count in counts.items()
        }
        self.ours: list[Document] = []
        self._sealing: dict[str, Any] = {}

    def create(self, send: Send, collection: Any) -> None:
        """Let the plugin store a configuration for everyone, and keep its documents."""
        for size, tokens in self.tokens.items():
            body = to_json(size, lambda _provider: "x" * len(API_KEY))
            for token in tokens:
                send("POST", CREATE, token, body)
                self._sealing[token] = send("GET", f"{READ}/encryption-key", token)
        self.ours = list(collection.find())

    def of_size(self, size: int) -> list[Document]:
        return [document for document in self.ours if len(document["models"]) == size]

    def flat(self) -> list[Document]:
        """Return the documents of a contender that stores what a body has, and opens no key."""
        return [
            {"_id": document["subject"], "revision": "", **json.loads(to_json(size, stored_key))}
            for size in SIZES
            for document in self.of_size(size)
        ]

    def body(self, token: str, size: int, *, sealed: bool) -> str:
        """Return what a PUT sends: no keys at all, or a newly sealed one for every entry."""
        document = self._sealing[token]
        key = (lambda provider: seal(document, API_KEY, provider=provider)) if sealed else None
        return to_json(size, key)
