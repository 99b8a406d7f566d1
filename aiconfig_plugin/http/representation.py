"""The JSON representation of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from aiconfig_plugin.domain import AIConfig, AIConfigService, ModelEntry

Include: TypeAlias = Mapping[str, Callable[[ModelEntry], Any]]
"""What is added to every entry, and where its value comes from."""

INCLUDES: Mapping[str, Callable[[AIConfigService], Callable[[ModelEntry], Any]]] = {
    "apiKeyEncrypted": lambda _service: lambda entry: entry.key and entry.key.jwe,
    "keyState": lambda service: lambda entry: service.key_state(entry).value,
}
"""What ``?include=`` may ask for."""


def represent(config: AIConfig, include: Include) -> dict[str, Any]:
    """Return the standard representation with what ``include`` adds."""
    return {
        "models": [represent_entry(entry, include) for entry in config.models],
        "system_prompt": config.system_prompt,
    }


def represent_entry(entry: ModelEntry, include: Include) -> dict[str, Any]:
    standard = {
        "provider": entry.provider,
        "type": entry.type,
        "model": entry.model,
        "isPaid": entry.is_paid,
    }
    return standard | {name: value_of(entry) for name, value_of in include.items()}
