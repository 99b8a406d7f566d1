"""The same owners, configurations and keys for every contender, each in the shape it stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiconfig_plugin.client import seal
from aiconfig_plugin.domain import AIConfig, ModelEntry, Owner
from aiconfig_plugin.keys import Vault, load_keyring
from aiconfig_plugin.store import to_document

ISSUER = "https://issuer.example"
PROVIDERS = ("OpenAI", "Anthropic", "Mistral")
API_KEY = "sk-proj-" + "x" * 156  # as long as one of OpenAI's
CIPHERTEXT = "x" * len(API_KEY)
SYSTEM_PROMPT = "You are a helpful AI assistant. " * 8
SMALL, LARGE = 3, 100


@dataclass(frozen=True)
class Person:
    """An owner of a configuration with ``size`` entries, and the token that stands for him."""

    subject: str
    size: int

    @property
    def owner(self) -> Owner:
        return Owner(ISSUER, self.subject)

    @property
    def token(self) -> str:
        return self.cold_token("warm")

    def cold_token(self, name: str) -> str:
        return f"{name}.{self.subject}"


def people(count: int, size: int = SMALL) -> list[Person]:
    return [Person(f"owner{size}x{number}", size) for number in range(count)]


def entries(size: int) -> list[dict[str, Any]]:
    return [
        {
            "provider": PROVIDERS[number % len(PROVIDERS)],
            "type": "chat",
            "model": f"model-{number}",
            "isPaid": number % 2 == 0,
        }
        for number in range(size)
    ]


class DataSet:
    """Makes documents and bodies. Stored keys are wrapped for their owner, so all of them open."""

    def __init__(self, keyring: Path) -> None:
        self.vault = Vault(load_keyring(keyring))

    def ours(self, person: Person) -> dict[str, Any]:
        models = tuple(
            ModelEntry(
                entry["provider"],
                entry["type"],
                entry["model"],
                entry["isPaid"],
                self.vault.admit(person.owner, entry["provider"], CIPHERTEXT),
            )
            for entry in entries(person.size)
        )
        config = AIConfig(models, SYSTEM_PROMPT, f"revision-of-{person.subject}")
        return to_document(person.owner, config)

    def flat(self, person: Person, encrypt: Callable[[bytes], bytes]) -> dict[str, Any]:
        """Return the document of a contender that keeps what the API shows, and the key in it."""
        key = encrypt(API_KEY.encode()).decode()
        return {
            "_id": person.subject,
            "models": [{**entry, "apiKeyEncrypted": key} for entry in entries(person.size)],
            "system_prompt": SYSTEM_PROMPT,
            "revision": f"revision-of-{person.subject}",
        }

    def body(self, person: Person, *, sealed: bool = False) -> dict[str, Any]:
        """Return what a PUT sends: no keys at all, or newly sealed ones for every entry."""
        models = entries(person.size)
        if sealed:
            document = self.vault.recipient(person.owner)
            for entry in models:
                entry["apiKeyEncrypted"] = seal(document, API_KEY, provider=entry["provider"])
        return {"models": models, "system_prompt": SYSTEM_PROMPT}


def refill(collection: Any, documents: Sequence[dict[str, Any]]) -> None:
    """Put the documents in place of all that is there."""
    collection.delete_many({})
    collection.insert_many(documents)
