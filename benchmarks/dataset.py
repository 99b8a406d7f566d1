"""The same owners, configurations and keys for every contender, each in the shape it stores.

The plugin itself makes the documents, once for a run: one process stores a configuration for every
owner. So all of its keys open, and nothing here knows how they are stored but for ``flat``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiconfig_plugin.client import seal
from benchmarks.client import CREATE, ENCRYPTION_KEY, client
from benchmarks.rounds import Scale
from benchmarks.servers import Server

PROVIDERS = ("OpenAI", "Anthropic", "Mistral")
API_KEY = "sk-proj-" + "x" * 156  # as long as one of OpenAI's
CIPHERTEXT = "x" * len(API_KEY)
SYSTEM_PROMPT = "You are a helpful AI assistant. " * 8
SMALL, LARGE = 3, 100
SIZES = (1, SMALL, 10, 30, LARGE)

Document = dict[str, Any]


@dataclass(frozen=True)
class Person:
    """An owner of a configuration with ``size`` entries, and the token that stands for him."""

    subject: str
    size: int

    @property
    def token(self) -> str:
        return f"token.{self.subject}"


def to_json(size: int, key: Callable[[str], str] | None = None) -> str:
    """Return a body with so many entries, each with a key where there is something to make it."""
    models: list[Document] = []
    for number in range(size):
        provider = PROVIDERS[number % len(PROVIDERS)]
        entry = {"provider": provider, "type": "chat", "model": f"model-{number}"}
        models.append({**entry, "isPaid": number % 2 == 0})
        if key:
            models[-1]["apiKeyEncrypted"] = key(provider)
    body = {"models": models, "system_prompt": SYSTEM_PROMPT}
    return json.dumps(body, separators=(",", ":"))


class DataSet:
    def __init__(self, scale: Scale) -> None:
        counts = dict.fromkeys(SIZES, scale.large_owners) | {SMALL: scale.owners}
        self.people = [
            Person(f"owner{size}x{number}", size)
            for size, count in counts.items()
            for number in range(count)
        ]
        self.ours: list[Document] = []
        self._sealing: dict[Person, Any] = {}

    def of_size(self, size: int) -> list[Person]:
        return [person for person in self.people if person.size == size]

    def create(self, server: Server, collection: Any) -> None:
        """Let the plugin store a configuration for everyone, and keep its documents."""
        with client(server) as one:
            for person in self.people:
                body = to_json(person.size, lambda _provider: CIPHERTEXT)
                one.send("POST", CREATE, person.token, body=body)
                self._sealing[person] = one.send("GET", ENCRYPTION_KEY, person.token).json()
        self.ours = list(collection.find())

    def flat(self, encrypt: Callable[[bytes], bytes] | None = None) -> list[Document]:
        """Return the documents of a contender that keeps what the API shows, and the key in it.

        Without ``encrypt`` its keys are those of the plugin, so that the store does the same work.
        """
        return [
            {
                "_id": document["subject"],
                "models": [
                    {name: value for name, value in entry.items() if name != "key"}
                    | {"apiKeyEncrypted": encrypt(API_KEY.encode()).decode() if encrypt
                       else entry["key"]["jwe"]}
                    for entry in document["models"]
                ],
                "system_prompt": document["system_prompt"],
                "revision": document["revision"],
            }
            for document in self.ours
        ]  # fmt: skip

    def body(self, person: Person, *, sealed: bool) -> str:
        """Return what a PUT sends: no keys at all, or a newly sealed one for every entry."""
        if not sealed:
            return to_json(person.size)
        document = self._sealing[person]
        return to_json(person.size, lambda provider: seal(document, API_KEY, provider=provider))
