"""The representation is made from what is stored, and adds exactly what was asked for."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from aiconfig_plugin.domain import AIConfig, KeyState, KeyUse, ModelEntry, StoredKey
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


NOON_IN_CHINA = datetime(2026, 11, 24, 12, 0, 0, 999_999, timezone(timedelta(hours=8)))
USES = {("OpenAI", "chat", "gpt-4", None): KeyUse(NOON_IN_CHINA, "rejected", NOON_IN_CHINA)}


class Service:
    def key_state(self, entry: ModelEntry) -> KeyState:
        return KeyState.SET if entry.key else KeyState.UNSET


def test_what_is_not_known_of_a_key_is_null() -> None:
    [identity] = USES
    include = {"keyUse": INCLUDES["keyUse"](Service(), {identity: KeyUse()})}  # type: ignore[arg-type]
    known = represent(STORED, include)["models"][0]["keyUse"]
    assert known == {"lastUsedAt": None, "lastResult": None, "lastResultAt": None}


@pytest.mark.parametrize(
    ("names", "added"),
    [
        ((), [{}, {}]),
        (("apiKeyEncrypted",), [{"apiKeyEncrypted": "a.jwe"}, {"apiKeyEncrypted": None}]),
        (("keyState",), [{"keyState": "set"}, {"keyState": "unset"}]),
        (
            ("keyUse",),
            [
                {
                    "keyUse": {
                        "lastUsedAt": "2026-11-24T04:00:00Z",
                        "lastResult": "rejected",
                        "lastResultAt": "2026-11-24T04:00:00Z",
                    }
                },
                {"keyUse": None},
            ],
        ),
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
    found = represent(STORED, {name: INCLUDES[name](service, USES) for name in names})
    assert found == {
        "models": [standard | more for standard, more in zip(STANDARD, added, strict=True)],
        "system_prompt": "Be brief.",
    }
