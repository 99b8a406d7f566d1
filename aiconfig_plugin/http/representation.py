"""The JSON representation of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from aiconfig_plugin.domain import (
    AIConfig,
    AIConfigService,
    Catalog,
    Decision,
    ModelEntry,
    OfferedProvider,
    Policy,
)

Include: TypeAlias = Mapping[str, Callable[[ModelEntry], Any]]
"""What is added to every entry, and where its value comes from."""

INCLUDES: Mapping[str, Callable[[AIConfigService], Callable[[ModelEntry], Any]]] = {
    "apiKeyEncrypted": lambda _service: lambda entry: entry.key and entry.key.jwe,
    "keyState": lambda service: lambda entry: service.key_state(entry).value,
    "offered": lambda service: service.is_offered,
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
    return {
        **standard,
        **entry.optional_members,
        **{name: value_of(entry) for name, value_of in include.items()},
    }


def represent_decision(decision: Decision, catalog: Catalog) -> dict[str, Any]:
    """Return which entry a call would use, and what became of each."""
    prompt = catalog.system_prompt
    return {
        "chosen": decision.position,
        "keySource": decision.key_source,
        "baseUrl": decision.base_url,
        "systemPromptMode": prompt.mode if prompt else None,
        "entries": [
            {"pointer": f"/models/{position}", "outcome": outcome}
            for position, outcome in enumerate(decision.outcomes)
        ],
    }


def represent_catalog(policy: Policy) -> dict[str, Any]:
    """Return what the operator offers, and nothing of a shared key but when it is used."""
    catalog = policy.catalog
    prompt = catalog.system_prompt
    return {
        "providers": [_represent_provider(provider) for provider in catalog.providers.values()],
        "otherProviders": catalog.other_providers,
        "baseUrls": list(policy.base_urls),
        "systemPrompt": prompt
        and {"mode": prompt.mode, **({} if prompt.hidden else {"text": prompt.text})},
    }


def _represent_provider(provider: OfferedProvider) -> dict[str, Any]:
    return {
        "name": provider.name,
        "api": provider.api,
        "models": [
            _given({"model": offered.model, "type": offered.type, "isPaid": offered.is_paid})
            for offered in provider.models
        ],
        "otherModels": provider.other_models,
        **_given({"isPaid": provider.is_paid}),
        "sharedKey": provider.shared_key,
    }


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
