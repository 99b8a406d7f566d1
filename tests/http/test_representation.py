"""The representation is made from what is stored, and adds exactly what was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from aiconfig_plugin.domain import AIConfig, KeyState, ModelEntry, StoredKey
from aiconfig_plugin.http.representation import INCLUDES, represent

STORED = AIConfig(
    (
        ModelEntry("OpenAI", "chat", "gpt-4", True, StoredKey("k1", "a.jwe")),
        ModelEntry("Ollama", "chat", "llama3", False),
    ),
    system_prompt="Be brief.",
    revision="r1",
)
STANDARD = [
    {"provider": "OpenAI", "type": "chat", "model": "gpt-4", "isPaid": True},
    {"provider": "Ollama", "type": "chat", "model": "llama3", "isPaid": False},
]


class Service:
    def key_state(self, entry: ModelEntry) -> KeyState:
        return KeyState.SET if entry.key else KeyState.UNSET


@pytest.mark.parametrize(
    ("names", "added"),
    [
        ((), [{}, {}]),
        (("apiKeyEncrypted",), [{"apiKeyEncrypted": "a.jwe"}, {"apiKeyEncrypted": None}]),
        (("keyState",), [{"keyState": "set"}, {"keyState": "unset"}]),
        (
            ("apiKeyEncrypted", "keyState"),
            [
                {"apiKeyEncrypted": "a.jwe", "keyState": "set"},
                {"apiKeyEncrypted": None, "keyState": "unset"},
            ],
        ),
    ],
)
def test_it_is_the_standard_one_with_what_was_asked_for(
    names: tuple[str, ...], added: list[dict[str, Any]]
) -> None:
    service: Any = Service()
    found = represent(STORED, {name: INCLUDES[name](service) for name in names})
    assert found == {
        "models": [standard | more for standard, more in zip(STANDARD, added, strict=True)],
        "system_prompt": "Be brief.",
    }
